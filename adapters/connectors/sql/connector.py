"""The SQL connector: an office gives tables or views of its own database, and needs no other program.

    saraban_outbox, saraban_outbox_files, saraban_outbox_recipients    letters that the office sends
    saraban_acts                                                       what its clerks say of letters
    saraban_inbox, saraban_inbox_files                                 letters received
    saraban_events                                                     whatever is said about letters

`model.py` has their columns, `claiming.py` and `exporting.py` say how nothing is lost and nothing done twice. The
door makes and alters no table: `saraban-adapter sql tables` prints what an office may create.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy.exc import SQLAlchemyError

from adapters.connectors.sql.codes import CodeMaps
from adapters.connectors.sql.composing import Composer
from adapters.connectors.sql.exporting import Exporter
from adapters.connectors.sql.files import Reader
from adapters.connectors.sql.importing import Importer
from adapters.connectors.sql.model import INWARD, OUTWARD, Status
from adapters.connectors.sql.office import Away, Lacking, Office, kind_of
from adapters.connectors.sql.rights import require_rights
from adapters.connectors.sql.values import Writing
from adapters.connectors.sql.writing import Rows
from adapters.mailbox import Mailbox
from adapters.mailbox.conditions import ConditionCode, Finding
from bus.errors import Transient
from bus.settings.office_database import SqlConnector as Settings

NAME = "sql"
_MARK = "sql:mark"
_MOST_FINDINGS = 50


class SqlConnector:
    """Imports from `outbox` and `acts`, exports into `inbox` and `events`."""

    name = NAME

    def __init__(
        self, mailbox: Mailbox, settings: Settings, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Raises Misconfigured for a password that cannot be read, or a driver that is not installed."""
        self._mailbox = mailbox
        self._office = Office(settings)
        writing = Writing(settings.code_page, settings.stored_as, settings.dates)
        self._codes = CodeMaps(settings.codes, settings.defaults, mailbox.conditions.all())
        states = {each.value: self._codes.state(each) for each in Status}
        self._importer = Importer(
            mailbox,
            self._office,
            Composer(writing, self._codes),
            Reader(mailbox, writing, settings.files_folder, settings.largest_file),
            writing,
            mark=_mark(mailbox),
            states=states,
            patience=settings.patience,
            clock=clock,
        )
        rows = Rows(mailbox, self._office, writing, self._codes, settings.files_folder, settings.largest_file)
        self._exporter = Exporter(mailbox, self._office, rows, NAME, states)

    def close(self) -> None:
        """Close the connections to the database."""
        self._office.close()

    def import_new(self) -> int:
        """Take what is complete, in order; Transient when the database or the mailbox cannot be used now."""
        with self._reported("import", OUTWARD):
            taken = self._importer.import_new()
        self._report("import", [*self._importer.findings(), *self._codes.findings("out")])
        return taken

    def export_news(self) -> int:
        """Write down all news, each item once; Transient when the database or the mailbox cannot be used now."""
        with self._reported("export", INWARD):
            exported = self._exporter.export_news()
        self._report("export", [*self._exporter.findings(), *self._codes.findings("in")])
        return exported

    @contextmanager
    def _reported(self, verb: str, roles: Sequence[str]) -> Iterator[None]:
        """Have a condition say what keeps a whole round from being done."""
        try:
            try:
                yield
            except SQLAlchemyError as exc:
                require_rights(self._office, roles)
                raise Lacking(("", kind_of(exc), kind_of(exc))) from exc
        except Away as exc:
            self._report(verb, [Finding(ConditionCode.SQL_AWAY, "", str(exc), str(exc))])
            raise
        except Lacking as exc:
            self._report(verb, [Finding(ConditionCode.SQL_UNFIT, *each) for each in exc.wrong])
            raise Transient(f"the office's tables are not as the settings say ({len(exc.wrong)})") from exc

    def _report(self, verb: str, findings: list[Finding]) -> None:
        self._mailbox.conditions.report(f"{NAME}.{verb}", findings[:_MOST_FINDINGS])


def _mark(mailbox: Mailbox) -> str:
    """What stands in `claimed_by` of the rows that this mailbox has claimed, also after it was brought back."""
    known = mailbox.properties.get(_MARK)
    if known is None:
        known = secrets.token_hex(8)
        mailbox.properties.set(_MARK, known)
    return known
