"""What a page is asked, and by whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO, Literal

from bus.operators import Operator
from bus.pages.store import Session

if TYPE_CHECKING:
    from bus.pages.site import Site

Language = Literal["th", "en"]


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that was sent with a form; its name is the sender's and no path."""

    name: str
    size: int
    file: BinaryIO


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
    uploads: Sequence[Upload] = ()
    """The files that were sent with it, of a page that takes some; gone when the page is made."""

    @property
    def upload(self) -> BinaryIO | None:
        """The file that was sent, of a page that takes one."""
        return self.uploads[0].file if self.uploads else None

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
