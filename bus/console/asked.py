"""What a page of the console is asked: of its own site, and with its readings entered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bus import logs
from bus.console.site import Site
from bus.ledger.entry import Kind
from bus.ledger.halt import Halted
from bus.pages import asked

_log = logs.get("console")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked(asked.Asked):
    """One request as a page of the console sees it."""

    site: Site

    def note_reading(
        self, what: str, query: Mapping[str, Any], count: int, letter: int | None = None
    ) -> None:
        """Enter that this person has read: the question and how much was found, never what.

        A halted ledger takes no entry, and has to be read to be mended: that is logged, and the reading goes on.
        """
        who = self.person
        said: dict[str, Any] = {
            "auditor": who.name,
            "role": who.role,
            "method": who.method,
            "what": what,
            "query": dict(query),
        }
        try:
            with self.site.ledger.append() as writer:
                writer.entry(Kind.READ, **said, count=count, letter=letter)
        except Halted:
            _log.warning("reading-not-entered", person=who.name, what=what, count=count)
