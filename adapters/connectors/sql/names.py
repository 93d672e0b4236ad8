"""The names in the settings of the SQL door: a misspelt one would silently be lost."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator

from adapters.connectors.sql.codes import MAPS
from adapters.connectors.sql.model import FORMS, Status
from bus.codes import load_codes
from bus.errors import Problem
from bus.settings.office_database import SqlConnector

_KEY = "connectors.sql"
_TOGETHER = {"outbox": "outbox_files", "inbox": "events"}
"""What a table is of no use without: a letter has a file, and what was written is known by the events."""


def unknown_names(section: SqlConnector) -> Iterator[Problem]:
    """Every table, column, map, code and default that the door does not know, and tables that lack their other half."""
    yield from _unknown("tables", section.tables, FORMS)
    yield from _unknown("columns", section.columns, FORMS)
    for role, named in section.columns.items():
        if role in FORMS:
            yield from _unknown(f"columns.{role}", named, FORMS[role].fields)
    yield from _unknown("codes", section.codes, MAPS)
    yield from _unknown(
        "defaults", section.defaults, [f"{name}_{way}" for name in MAPS for way in ("out", "in")]
    )
    for table, needed in _TOGETHER.items():
        if section.tables.get(table) != "" and section.tables.get(needed) == "":
            wrong = f"has no {needed}, without which {table} cannot be used"
            yield Problem("adapter.toml", f"{_KEY}.tables", wrong, f"Name it, or set {table} empty too.")
    codes = load_codes()
    for name, known in {
        "speed": codes.speed,
        "secrecy": codes.secrecy,
        "kinds": codes.kinds,
        "states": list(Status),
        "events": [*codes.events, "received", "quarantined"],
    }.items():
        yield from _unknown(f"codes.{name}", section.codes.get(name, {}).values(), list(known))


def _unknown(where: str, names: Collection[str], known: Collection[str]) -> Iterator[Problem]:
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, list(known), n=1)
            fix = f"Write {near[0]}." if near else f"Known here: {', '.join(known)}."
            yield Problem("adapter.toml", f"{_KEY}.{where}", f"names {name!r}, which is not known", fix)
