"""What a page is asked, and by whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

from bus import logs
from bus.console.store import Session
from bus.ledger.entry import Kind
from bus.ledger.halt import Halted
from bus.operators import Operator

if TYPE_CHECKING:
    from bus.console.site import Site

_log = logs.get("console")
Language = Literal["th", "en"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request as a page sees it; whoever it comes from may have this page."""

    site: Site
    session: Session
    language: Language
    address: str
    """The path that was asked for, with its query: the permanent link of what is shown."""
    path: Mapping[str, str] = field(default_factory=dict)
    """What stands in the variable places of the path."""
    query: Mapping[str, Sequence[str]] = field(default_factory=dict)
    form: Mapping[str, str] = field(default_factory=dict)
    """The fields of a form that was sent; empty for a page that is only looked at."""
    upload: BinaryIO | None = None
    """The file that was sent with it, of a page that takes one; gone when the page is made."""

    @property
    def person(self) -> Operator:
        """Who asks."""
        return self.session.person

    def value(self, name: str) -> str | None:
        """Return what the query has under a name, without blanks around it; None where that is nothing."""
        given = self.query.get(name, ())
        return (given[-1].strip() or None) if given else None

    def field(self, name: str) -> str:
        """Return what a form's field has, without blanks around it."""
        return self.form.get(name, "").strip()

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
