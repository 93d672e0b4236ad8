"""What a page answers: a value that is shown as HTML, JSON and, where it is a list, CSV; another address; or a file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from bus.directory import Names
from bus.pages.columns import About, Column, Row, as_csv


@dataclass(frozen=True, slots=True)
class Listed:
    """The rows of a list, for its CSV."""

    columns: Sequence[Column]
    rows: Iterable[Row]
    about: About
    names: Names | None = None
    file: bytes | None = None
    """The file itself, where it is made already."""

    def made(self) -> Listed:
        """Return it with the file, which is made at once: where rows are read from a snapshot as they are written."""
        return replace(self, rows=(), file=as_csv(self.columns, self.rows, self.about, self.names))


@dataclass(frozen=True, slots=True)
class Shown:
    """A page: its template, and the plain values that it shows, which are its JSON twin as they are."""

    template: str
    value: Mapping[str, Any]
    beside: Mapping[str, Any] = field(default_factory=dict)
    """What only the template needs: links, choices of a form, names."""
    listed: Listed | None = None
    status: int = 200


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Another page: after an act, the one that shows what became of it."""

    to: str
    """A path of the site, with its query."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A file, or a page that stands for itself."""

    body: bytes | Path
    media_type: str
    name: str | None = None
    """The name under which a browser keeps it; None for a page that stands for itself."""
    style_hashes: Sequence[str] = ()
    """CSP sources of the styles that stand in it, such as `sha256-…`."""
    shown: bool = False
    """Whether a browser may show it under its name, and not only keep it: of kinds that its own viewer confines."""


Answer = Shown | Elsewhere | Sent


class NoSuchPage(Exception):
    """There is nothing under this address; the sentence says what was looked for."""


class NotAllowed(Exception):
    """This person may not do this now, and why; `detail` is what stands as it is, as a command to run."""

    def __init__(self, th: str, en: str, detail: str = "") -> None:
        super().__init__(en)
        self.said = (th, en)
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Page:
    """An address of a page: who may have it, and what makes its answer."""

    path: str
    """As Starlette writes it, such as `/letters/{letter:int}`."""
    roles: frozenset[StrEnum]
    make: Callable[[Any], Answer]
    """Takes the `Asked` of its site."""
    act: bool = False
    """Whether it is sent by a form (POST) and does something, or only looked at (GET)."""
    csv: bool = False
    """Whether it is a list, and has a CSV twin."""
    takes_files: int = 0
    """How many files its form may bring, in fields `file`."""
    twin: bool = True
    """Whether it has a JSON twin; acts and files have none."""
    large: bool = False
    """Whether it may be of thousands of agencies, and take megabytes while it is made."""
