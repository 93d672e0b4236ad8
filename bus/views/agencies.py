"""How each agency's adapter does, by its queue at the broker and by the ledger; worst first."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from bus.broker.inboxes import NEARLY_FULL, Inbox, inboxes
from bus.broker.management import Management
from bus.directory import Agency, Directory
from bus.errors import Transient
from bus.identifiers import MAIN, AgencyCode
from bus.ledger.agencies import AgencyActivity
from bus.ledger.reading import Reader
from bus.pages.columns import Column, Row, iso, joined
from bus.router.activation import directory_in_force
from bus.settings.bus import Broker, BusSettings
from bus.settings.clusters import section_of
from bus.settings.sections import with_credentials

Queues = dict[tuple[str, AgencyCode], Inbox]
"""Every inbox, by cluster and agency."""
_WEIGHTS = {"no queue": 4, "no adapter": 3, "nearly full": 2, "suspended": 1}


@dataclass(frozen=True, slots=True)
class Standing:
    """How one agency's adapter does."""

    agency: Agency
    inbox: Inbox | None
    """None when the broker has no such queue, or could not be asked."""
    asked: bool
    activity: AgencyActivity
    oldest_waiting: str | None
    fill: float

    @property
    def trouble(self) -> list[str]:
        """What an operator should look at, the worst first."""
        waits = self.oldest_waiting is not None
        found = {
            "no queue": self.asked and self.inbox is None,
            "no adapter": self.inbox is not None and self.inbox.consumers == 0 and self.agency.active,
            "nearly full": self.fill >= NEARLY_FULL,
            "suspended": not self.agency.active,
        }
        words = [word for word, holds in found.items() if holds]
        return [f"{word}, letters wait" if word == "no adapter" and waits else word for word in words]

    @property
    def order(self) -> tuple[int, int, str, str]:
        """Troubles first, and of two the one for which something has waited longer."""
        weight = max((_WEIGHTS[word.partition(",")[0]] for word in self.trouble), default=0)
        return (-weight, self.oldest_waiting is None, self.oldest_waiting or "", self.agency.code)


def standings(
    reader: Reader, settings: BusSettings, queues: Queues, silent: Collection[str]
) -> list[Standing]:
    """Return how each agency does, the worst first; `silent` are the clusters that could not be asked.

    The newest receipt of each is looked for too, which is a question more for every agency.
    """
    found = (
        replace(
            one, activity=replace(one.activity, last_receipt=reader.agencies.last_receipt(one.agency.code))
        )
        for one in each_standing(reader, settings, queues, silent, directory_in_force(reader)[1])
    )
    return sorted(found, key=lambda one: one.order)


def each_standing(
    reader: Reader, settings: BusSettings, queues: Queues, silent: Collection[str], directory: Directory
) -> Iterator[Standing]:
    """Yield how each agency of the directory does, without its newest receipt, in few questions and little memory."""
    asked = set(settings.brokers) - set(silent)
    for activities in reader.agencies.everybody(directory.inboxes):
        inboxes = {code: queues.get((directory.agencies[code].cluster, code)) for code in activities}
        oldest = {code: _oldest_waiting(one, inboxes[code]) for code, one in activities.items()}
        given = reader.agencies.given_each({code: number for code, number in oldest.items() if number})
        for code, activity in activities.items():
            agency, inbox = directory.agencies[code], inboxes[code]
            yield Standing(
                agency=agency,
                inbox=inbox,
                asked=agency.cluster in asked,
                activity=activity,
                oldest_waiting=given.get(code),
                fill=_fill(settings.brokers.get(agency.cluster), inbox),
            )


def queues_of(settings: BusSettings) -> tuple[Queues, dict[str, str]]:
    """Return every inbox by cluster and agency, and why a cluster could not be asked."""
    found: Queues = {}
    silent: dict[str, str] = {}
    for name, broker in settings.brokers.items():
        try:
            with section_of(name), monitoring(broker) as management:
                there = inboxes(management, broker.vhost)
        except Transient as error:
            silent[name] = str(error)
        else:
            found |= {(name, code): inbox for code, inbox in there.items()}
    return found, silent


def monitoring(broker: Broker, *, timeout: float = 120.0) -> Management:
    """Return the management interface of a broker cluster, as the user that may only look."""
    url = with_credentials(broker.management_url, broker.monitor_user, broker.monitor_password_text())
    return Management(url, tls=broker.management_tls(), timeout=timeout)


def in_words(silent: Mapping[str, str], settings: BusSettings) -> str | None:
    """Return in words which clusters could not be asked; None if all could."""
    if len(settings.brokers) == 1:
        return next(iter(silent.values()), None)
    return "; ".join(f"cluster {name}: {reason}" for name, reason in silent.items()) or None


def _oldest_waiting(activity: AgencyActivity, inbox: Inbox | None) -> int | None:
    """Return the number of the oldest consignment that the adapter has not acknowledged.

    A queue keeps the order in which numbers were given: as many as are in it, and those that are not there yet, are the
    newest ones. What was consigned again makes it seem older than it is, never younger.
    """
    waiting = activity.pending + activity.on_hold + (inbox.messages if inbox else 0)
    return max(activity.last_consignment - waiting + 1, 1) if waiting and activity.last_consignment else None


def _fill(broker: Broker | None, inbox: Inbox | None) -> float:
    return inbox.fill(broker.inbox_max_messages, broker.inbox_max_bytes) if broker and inbox else 0.0


def values_of(one: Standing) -> dict[str, Any]:
    """Return it as plain values."""
    return {
        "code": one.agency.code,
        "nameTh": one.agency.name_th,
        "nameEn": one.agency.name_en,
        "state": one.agency.state,
        "cluster": one.agency.cluster,
        "trouble": one.trouble,
        "queue": asdict(one.inbox) | {"fill": round(one.fill, 3)} if one.inbox else None,
        "pending": one.activity.pending,
        "onHold": one.activity.on_hold,
        "oldestWaiting": one.oldest_waiting,
        "lastSubmission": one.activity.last_submission,
        "lastReceipt": one.activity.last_receipt,
        "lastConsignment": one.activity.last_consignment,
        "reads": list(one.agency.reads),
    }


COLUMNS = (
    Column("code", "agency", "หน่วยงาน"),
    Column("nameTh", "name", "ชื่อ"),
    Column("elsewhere", "cluster", "กลุ่มเซิร์ฟเวอร์"),
    Column("trouble", "trouble", "สิ่งที่ควรดู", joined),
    Column("messages", "in its queue", "อยู่ในตู้หนังสือ", plain=True),
    Column("fill", "full", "เต็ม", "{:.0%}".format, plain=True),
    Column("consumers", "adapter", "ระบบที่ต่ออยู่", plain=True),
    Column("pending", "not in its queue yet", "ยังไม่ถึงตู้หนังสือ", plain=True),
    Column("onHold", "on hold", "รอเพราะพักใช้งาน", plain=True),
    Column("oldestWaiting", "oldest waiting", "รอนานที่สุดตั้งแต่", iso, plain=True),
    Column("lastSubmission", "last submission", "ส่งล่าสุดเมื่อ", iso, plain=True),
    Column("lastReceipt", "last receipt", "ตอบรับล่าสุดเมื่อ", iso, plain=True),
    Column("reads", "reads", "รุ่นที่อ่านได้", joined),
)


def as_row(one: Standing) -> Row:
    """Return it as a row of the list."""
    queue = {"messages": one.inbox.messages, "consumers": one.inbox.consumers} if one.inbox else {}
    return {
        **values_of(one),
        **queue,
        "elsewhere": one.agency.cluster if one.agency.cluster != MAIN else None,
        "fill": one.fill if one.inbox else None,
        "onHold": one.activity.on_hold or None,
    }
