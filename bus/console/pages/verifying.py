"""Checking an evidence pack that an auditor drops: what `saraban-verify` says, and how to do the same at home."""

from __future__ import annotations

from typing import Any, Final

from bus.console.asked import Asked
from bus.console.judging import NoVerdict, judged
from bus.console.roles import AUDITORS
from bus.documents.notes import log_key
from bus.errors import BusError, Misconfigured
from bus.evidence.words import words_of
from bus.pages.answers import Answer, Page, Shown
from bus.pages.given import given
from bus.text import printable
from bus.verifier.notes import LOG, Unreadable, VerifierKey

_MOST: Final = 300
"""Checks and recipients that are shown; a pack may have been made to have millions."""
_LONGEST: Final = 2_000
_STATUS: Final = {"busy": 503, "empty": 400, "large": 413, "key": 400}


def form(asked: Asked) -> Answer:
    """Show where to drop a pack."""
    given(asked, ())
    return Shown("verify.html", {"logKey": _own_key(asked), "report": None, "noVerdict": None}, {"key": ""})


def verify(asked: Asked) -> Answer:
    """Judge the pack that was sent; nothing of it is kept."""
    own, brought = _own_key(asked), asked.field("key")
    value: dict[str, Any] = {"logKey": own, "report": None, "noVerdict": None}
    beside = {"key": brought[:_LONGEST]}
    try:
        key = _key(brought) if brought else own
        if asked.upload is None:
            raise NoVerdict("empty")
        value["report"] = _bounded(judged(asked.upload, key))
        value["by"] = key
    except NoVerdict as none:
        value["noVerdict"] = none.why
        return Shown("verify.html", value, beside, status=_STATUS.get(none.why, 200))
    asked.note_reading("verify", {"verdict": value["report"]["verdict"]}, 1)
    return Shown("verify.html", value, beside)


def _own_key(asked: Asked) -> str | None:
    """The public key of the bus's own log; None where this process may not have it."""
    section = asked.site.settings.ledger
    try:
        return str(log_key(section.key, section.origin, section.passphrase_text()).verifier)
    except (Misconfigured, BusError, OSError):
        return None


def _key(text: str) -> str:
    try:
        key = VerifierKey.parse(text)
    except Unreadable as error:
        raise NoVerdict("key") from error
    if key.kind != LOG:
        raise NoVerdict("key")
    return text


def _bounded(report: dict[str, Any]) -> dict[str, Any]:
    """What of a report a page shows: a pack is a stranger's, and so is what stands in it."""
    checks, recipients = report["checks"], report["recipients"]
    # What fails first: of thousands of lines nobody finds it.
    order = {"fail": 0, "indeterminate": 1}
    ranked = sorted(range(len(checks)), key=lambda place: order.get(checks[place]["result"], 2))
    shown = [checks[place] for place in sorted(ranked[:_MOST])]
    return {
        "verdict": report["verdict"],
        "letter": _short(report["letter"]),
        "checks": [_short(check) for check in shown],
        "moreChecks": len(checks) - len(shown),
        "recipients": [_short(one) | {"words": words_of(one["outcome"])} for one in recipients[:_MOST]],
        "moreRecipients": max(len(recipients) - _MOST, 0),
    }


def _short(values: dict[str, Any]) -> dict[str, Any]:
    return {
        name: printable(value)[:_LONGEST] if isinstance(value, str) else value
        for name, value in values.items()
    }


PAGES = (
    Page("/verify", AUDITORS, form),
    Page("/verify", AUDITORS, verify, act=True, takes_files=1),
)
