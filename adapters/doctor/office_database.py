"""The office's database: whether it answers, has the tables, lets the adapter use them, and has room in them.

Every right is tried by a statement that concerns no row; nothing is written. No right is asked for that is not needed.
"""

from __future__ import annotations

from collections.abc import Iterator

from adapters.connectors.sql.codes import CodeMaps
from adapters.connectors.sql.model import FORMS, Kind, Status, Use
from adapters.connectors.sql.office import Away, Lacking, Office, OfficeTable
from adapters.connectors.sql.rights import missing_rights
from bus.doctor import Check, Found, fail, in_thread, ok, warn
from bus.errors import Misconfigured
from bus.settings.adapter import AdapterSettings
from bus.settings.office_database import SqlConnector

_GRANT = "`saraban-adapter sql tables` prints recommended tables and rights; or name the office's own in the settings."


def checks(settings: AdapterSettings) -> list[Check]:
    """One check where the tables are used."""
    section = settings.connectors.sql
    return [Check("office database", in_thread(lambda: _look(section)))] if section.enabled else []


def _look(section: SqlConnector) -> Iterator[Found]:
    try:
        office = Office(section)
    except Misconfigured:
        return  # a line of `configuration`
    try:
        if not office.answers():
            fix = "Check that it runs, connectors.sql.url, the password, and its certificate (ca_file, sslrootcert)."
            yield fail("the office's database does not let the adapter in", fix)
            return
        for role in FORMS:
            yield from _table(office, section, role)
    except Away as exc:
        yield fail(str(exc), "Look at the database's own log.")
    finally:
        office.close()


def _table(office: Office, section: SqlConnector, role: str) -> Iterator[Found]:
    try:
        table = office.table(role)
    except Lacking as exc:
        for where, _, wrong in exc.wrong:
            yield fail(f"{where}: {wrong}", _GRANT)
        return
    if table is None:
        return
    refused = list(missing_rights(office, table))
    for right, code in refused:
        yield fail(f"{office.name_of(role)}: no right to {right} ({code})", _GRANT)
    if not refused:
        yield ok(
            f"{office.name_of(role)}: {len(table.columns)} of {len(table.form.columns)} columns, with their rights"
        )
    yield from _narrow(section, table)


def _narrow(section: SqlConnector, table: OfficeTable) -> Iterator[Found]:
    """Columns that the door writes and that hold less than what it may have to write."""
    codes = CodeMaps(section.codes, section.defaults)
    for each in table.form.columns:
        room = table.rooms.get(each.field)
        if room is None or room.size is None or set(each.uses) == {Use.READ} or each.kind is not Kind.TEXT:
            continue
        words = [codes.state(status) for status in Status]
        needed = max(map(len, words)) if each.field == "status" else each.size
        if room.size < needed:
            fix = "Widen it: what is longer is not cut, but waits, and `status` says so."
            yield warn(f"{room.column} holds {room.size} {room.unit}, {needed} may come", fix)
