"""What is wrong with an adapter and what to do, and where everything in its mailbox stands."""

from __future__ import annotations

from collections.abc import Iterator

from adapters import views
from adapters.agent.health import of_certificates
from adapters.agent.witnessing import NOT_PINNED_DO, NOT_PINNED_SINCE
from adapters.mailbox import Mailbox
from adapters.mailbox.conditions import Condition
from adapters.mailbox.entries import OutboxState
from adapters.mailbox.messages import ArrivalState
from adapters.mailbox.properties import RECONCILED_AT
from bus.documents.seal import read_certificate
from bus.errors import Misconfigured
from bus.settings.adapter import AdapterSettings
from bus.thai import now


def status_view(mailbox: Mailbox) -> views.View:
    """The state of the whole mailbox."""
    directory = mailbox.directory()
    return {
        "agency": views.agency(mailbox, mailbox.agency),
        "running": mailbox.running(),
        "directory_version": directory.version if directory else None,
        "conditions": [views.condition(each) for each in mailbox.conditions.all()],
        "outbox": mailbox.outbox.counts(),
        "inbox": mailbox.inbox.counts(),
        "arrivals": mailbox.arrivals.counts(),
        "missing_consignments": [{"first": gap.first, "last": gap.last} for gap in mailbox.arrivals.gaps()],
        "trouble": [
            {
                "type": row.type,
                "id": row.document_id,
                "reference": row.reference,
                "state": str(row.state),
                "attempts": row.attempts,
                "why": row.last_error,
                "refusal": views.refusal(row),
            }
            for row in mailbox.outbox.troubled()
        ],
        "waiting_for_files": [
            {"letter_id": row.letter_id, "number": row.number, "why": row.last_error}
            for row in mailbox.inbox.troubled()
        ],
        "ecms": {"waiting": mailbox.ecms.waiting(), "skipped": mailbox.ecms.skipped()},
        "ledger_alarms": len(mailbox.heads.alarms()),
        "witness_key": witness_trouble(mailbox),
        "quarantine": [views.quarantined(arrival) for arrival in mailbox.arrivals.quarantined(100)],
    }


def wrong(settings: AdapterSettings, mailbox: Mailbox) -> Iterator[views.View]:
    """What is wrong, worst first."""
    if mailbox.heads.alarms():
        yield _line(
            "หัวบัญชีของระบบกลางขัดแย้งกัน",
            "Signed heads of the bus's ledger contradict each other.",
            "โปรดเก็บหลักฐานจาก saraban-adapter log status และแจ้งผู้ตรวจสอบ",
            "Keep what `saraban-adapter log status` shows, and call the auditors.",
        )
    yield from _around(settings, mailbox)
    if not mailbox.running():
        yield _line(
            "โปรแกรมเชื่อมต่อไม่ได้ทำงานอยู่",
            "The adapter does not run: nothing is sent or received.",
            "โปรดเริ่มบริการ หรือสั่ง saraban-adapter run หากเริ่มไม่ได้โปรดสั่ง saraban-adapter doctor",
            "Start its service, or `saraban-adapter run`; if it does not start, ask `saraban-adapter doctor`.",
        )
    if mailbox.directory() is None:
        yield _without_directory(mailbox)
    yield from _of_counts(mailbox)


def _around(settings: AdapterSettings, mailbox: Mailbox) -> Iterator[views.View]:
    """What was found around the adapter, and its certificates as they are now, whether it runs or not."""
    lasting = mailbox.conditions.all()
    try:
        own = read_certificate(settings.seal.certificate, "seal.certificate")
        of_the_bus = read_certificate(settings.bus_certificate, "bus_certificate")
    except Misconfigured as exc:
        for problem in exc.problems:
            yield _line(f"การตั้งค่าผิด: {problem}", "The configuration is wrong.", "", f"{problem}")
    else:
        known = {each.finding.code for each in lasting}
        found = [each for each in of_certificates(own, of_the_bus, now()) if each.code not in known]
        lasting += [Condition(each, now().isoformat()) for each in found]
    for each in sorted(lasting, key=lambda one: not one.finding.code.stops):
        shown = views.condition(each)
        about = f" [{shown['about']}]" if shown["about"] else ""
        th, en = (f" ({shown[name]})" if shown[name] else "" for name in ("detail_th", "detail_en"))
        yield _line(
            f"{shown['th']}{about}{th}", f"{shown['en']}{about}{en}", shown["advice_th"], shown["advice_en"]
        ) | {"code": shown["code"]}


def _without_directory(mailbox: Mailbox) -> views.View:
    asked = mailbox.properties.get(RECONCILED_AT)
    since_th = f" ถามระบบกลางครั้งล่าสุดเมื่อ {asked}" if asked else ""
    since_en = f" It was last asked for at {asked}." if asked else ""
    return _line(
        f"ยังไม่มีทะเบียนหน่วยงานในตู้หนังสือนี้ หนังสือและใบแจ้งทั้งหมดจะรออยู่{since_th}",
        f"This mailbox has no directory yet: all letters and notices wait for it.{since_en}",
        "เมื่อโปรแกรมเชื่อมต่อทำงาน ระบบจะขอจากระบบกลางเอง หากไม่มาภายในหนึ่งชั่วโมง โปรดดู trouble และ quarantine "
        "ด้านล่าง แล้วแจ้งผู้ดูแลระบบกลางว่าหน่วยงานนี้ยังไม่ได้รับทะเบียน",
        "The running adapter asks the bus for it by itself; `saraban-adapter reconcile` asks at once. If it has not "
        "come within an hour, look at `trouble` and `quarantine` below, and tell the bus's operator.",
    )


def _of_counts(mailbox: Mailbox) -> Iterator[views.View]:
    states = [counts for kind, counts in mailbox.outbox.counts().items() if kind != "report"]
    refused = sum(counts.get(OutboxState.REFUSED, 0) for counts in states)
    parked = sum(counts.get(OutboxState.PARKED, 0) for counts in states)
    aside = mailbox.arrivals.counts().get(ArrivalState.QUARANTINED, 0)
    missing = sum(gap.last - gap.first + 1 for gap in mailbox.arrivals.gaps())
    if refused:
        yield _line(
            f"ระบบกลางปฏิเสธ {refused} รายการ",
            f"The bus has refused {refused}.",
            "เหตุผลและวิธีแก้อยู่ใน trouble แก้แล้วสั่ง saraban-adapter send-again",
            "`trouble` has why and what to do; then say `saraban-adapter send-again`.",
        )
    if parked:
        yield _line(
            f"ระบบกลางพักไว้ {parked} รายการ เพราะระบบกลางเองขัดข้อง",
            f"The bus has parked {parked}, for it failed on them itself.",
            "โปรดรอ หรือแจ้งผู้ดูแลระบบกลาง",
            "Wait, or tell the bus's operator.",
        )
    if missing:
        yield _line(
            f"รายการจากระบบกลางขาดหายไป {missing} รายการ",
            f"{missing} consignments have not come, though later ones have.",
            "ระบบจะขอใหม่เองภายในไม่กี่นาที สั่ง saraban-adapter reconcile เพื่อขอทันที",
            "They are asked for by themselves after some minutes; `saraban-adapter reconcile` asks at once.",
        )
    if aside:
        yield _line(
            f"กักข้อความไว้ {aside} รายการ",
            f"{aside} messages are in quarantine.",
            "เมื่อแก้ต้นเหตุแล้วสั่ง saraban-adapter verify-again หากไม่ต้องทำอะไรอีกสั่ง saraban-adapter dismiss พร้อมเหตุผล",
            "After the cause is mended say `saraban-adapter verify-again`; "
            "or `saraban-adapter dismiss` one, with a reason.",
        )


def _line(th: str, en: str, advice_th: str, advice_en: str) -> views.View:
    return {"th": th, "en": en, "advice_th": advice_th, "advice_en": advice_en}


def witness_trouble(mailbox: Mailbox) -> views.View | None:
    """Why this agency's witness does not cosign, since when, and what to do; None while nothing is wrong."""
    since = mailbox.properties.get(NOT_PINNED_SINCE)
    if not since:
        return None
    return {
        "th": "ทะเบียนหน่วยงานของระบบกลางยังไม่มีกุญแจพยานของหน่วยงานนี้ จึงยังไม่ได้ลงลายมือชื่อรับรองบัญชี",
        "en": "the directory of the bus does not name this agency's witness key, so that it does not cosign",
        "since": views.when(since),
        "do": NOT_PINNED_DO,
    }
