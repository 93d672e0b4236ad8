"""The folder connector: an office system that can write and read files needs nothing else.

    outbox/     the office puts letters and acts here
    sent/       what was taken from there into the mailbox
    failed/     what could not be, as it was, each with a `.reason.txt` that says what is wrong and what to do
    inbox/      one folder per letter received: letter.xml (the signed bytes), letter.json (to read), its files
    receipts/   one JSON file for each answer, receipt, registration and whatever else is said about letters
    working/    the connector's own

**A letter** is a folder with a manifest in it (`letter.toml`, or `<name>.letter.toml`) and the files, or such a
manifest with its files beside it; **an act** is a manifest `<name>.<verb>.toml`. TOML and JSON will do; what stands in
them is told in `letters.py` and `acts.py`.

**Complete** is what bears its final name (not one that begins with a dot or ends in `.part` or `.tmp`) and has rested
for `quiet` seconds, or has a mark: `<name>.ready` beside it, or `.ready` in the folder. What lacks a file, or has one
without its end, is waited for, and then it fails.

Nothing is deleted, and nothing is done twice: what was taken in and is put there again is the same letter. To try
again what has failed, mend it and move its folder back to `outbox/`. What is neither a letter nor an act stays where it
is, and `failed/` and `status` say so.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from adapters.connectors.folder.attachments import MOST_BYTES
from adapters.connectors.folder.exchange import NAME, Exchange
from adapters.connectors.folder.exporting import Exporter
from adapters.connectors.folder.importing import Importer
from adapters.mailbox import Mailbox
from adapters.mailbox.conditions import Finding
from bus.logs import get

_LOG = get(__name__)
_MOST_FINDINGS = 50


class FolderConnector:
    """Takes from `outbox/`, tells in `inbox/` and `receipts/`."""

    def __init__(
        self,
        mailbox: Mailbox,
        folder: Path,
        *,
        patience: float = 60.0,
        quiet: float = 0.0,
        largest_file: int = MOST_BYTES,
        name: str = NAME,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`quiet`: seconds without a change after which a thing counts as complete; 0 if the office always renames.

        `patience`: seconds that a letter waits for what it lacks; `largest_file`: bytes; `clock`: seconds that grow.
        """
        self.name = name
        self._mailbox = mailbox
        self._exchange = Exchange(mailbox, folder, name)
        self._importer = Importer(mailbox, patience=patience, quiet=quiet, most=largest_file, clock=clock)
        self._exporter = Exporter(mailbox, name)
        self._told_all_of: tuple[int, int] | None = None
        """The mailbox's stamp of when there was nothing left to tell."""
        try:
            self._exchange.prepare()
        except OSError as exc:
            _LOG.warning("exchange-away", reason=exc.strerror)

    def import_new(self) -> int:
        """Take what is complete, in order; Transient when the folders or the mailbox cannot be used now."""
        with self._exchange.opened("import") as at:
            taken = self._importer.import_new(at)
        self._mailbox.conditions.report(f"{self.name}.import", _few(self._importer.findings()))
        return taken

    def export_news(self) -> int:
        """Write down all news, each item once; Transient when the folders or the mailbox cannot be used now.

        Nothing is looked at while nothing has been committed since all was told: `import_new` looks at the folders.
        """
        seen = self._mailbox.stamp()
        if seen == self._told_all_of:
            return 0
        with self._exchange.opened("export") as at:
            told = self._exporter.export_news(at)
        findings = self._exporter.findings()
        self._mailbox.conditions.report(f"{self.name}.export", _few(findings))
        self._told_all_of = None if findings else seen  # what was put off falls due by the clock
        return told


def _few(findings: list[Finding]) -> list[Finding]:
    """As many as a person reads, and how many more there are."""
    if len(findings) <= _MOST_FINDINGS:
        return findings
    more = len(findings) - _MOST_FINDINGS
    rest = Finding(findings[_MOST_FINDINGS].code, "…", f"และอีก {more} รายการ", f"and {more} more")
    return [*findings[:_MOST_FINDINGS], rest]
