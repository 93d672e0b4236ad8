"""Who signed in and out and failed to; and the act that ends the sessions of a person."""

from __future__ import annotations

from typing import Final

from bus import logs
from bus.errors import NotUnderstood
from bus.pages.answers import Elsewhere, Listed, NotAllowed, Shown
from bus.pages.asked import Asked
from bus.pages.columns import About
from bus.pages.given import given, row_in
from bus.pages.sign_ins import COLUMNS, WHAT, recorded, sessions_of, with_sessions

_ON_A_PAGE: Final = 100
_MOST_NAMES: Final = 200
_LONGEST_REASON: Final = 500
_LONGEST_NAME: Final = 200
_QUERY: Final = frozenset({"before", "name", "what"})
_log = logs.get("pages")


def sign_ins(asked: Asked, *, may_end: bool) -> Shown:
    """List sign-ins, failures, refusals and sign-outs, the newest first, and who is signed in now.

    `may_end`: whether this person may end the sessions of others.
    """
    before, name, what = _question(asked)
    store = asked.site.store
    # One more than is shown says whether there are older ones.
    rows = recorded(store, _ON_A_PAGE + 1, before=before, name=name, what=what)
    shown = rows[:_ON_A_PAGE]
    query = {
        key: value for key, value in (("name", name), ("what", what), ("before", before)) if value is not None
    }
    now_here = with_sessions(store, *asked.site.section.lasting, _MOST_NAMES)
    value = {
        "query": query,
        "rows": shown,
        "sessions": now_here,
        "next": shown[-1]["number"] if len(rows) > len(shown) else None,
    }
    return Shown(
        "sign_ins.html", value, {"words": WHAT, "may_end": may_end}, Listed(COLUMNS, shown, About(query, {}))
    )


def ending(asked: Asked) -> Shown:
    """Show what ending the sessions of a name would do, before it is done."""
    name = given(asked, {"name"}).get("name", "")
    if not 0 < len(name) <= _LONGEST_NAME:
        raise NotUnderstood("a name that can have a session is needed")
    value = {"name": name, "sessions": sessions_of(asked.site.store, name, *asked.site.section.lasting)}
    return Shown("sign_ins_end.html", value)


def end(asked: Asked) -> Elsewhere:
    """End every session of a name; what ended, by whom and why, is recorded."""
    name, reason = asked.field("name"), asked.field("reason")
    if not 0 < len(name) <= _LONGEST_NAME or not 0 < len(reason) <= _LONGEST_REASON:
        raise NotUnderstood(f"a name and a reason of at most {_LONGEST_REASON} characters are needed")
    who = asked.person
    ended = asked.site.store.end_all_of(name, by=who.name, reason=reason)
    if not ended:
        raise NotAllowed("ไม่มีผู้ใดเข้าสู่ระบบด้วยชื่อนี้", "Nobody is signed in by this name.")
    _log.warning("sessions-ended", name=name, by=who.name, count=ended)
    return Elsewhere("/sign-ins?what=ended")


def _question(asked: Asked) -> tuple[int | None, str | None, str | None]:
    values = given(asked, _QUERY)
    if (what := values.get("what")) is not None and what not in WHAT:
        raise NotUnderstood(f"{what!r} is none of {', '.join(WHAT)}")
    return row_in(values, "before"), values.get("name"), what
