"""`saraban-bus evidence LETTER --certificate FILE`: the certificate of delivery, as PDF or as a page for printing."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

import typer

from bus.evidence.certificate import PACK, certificate_of, require_typst
from bus.evidence.printing import printed
from bus.evidence.statement import names_of
from bus.ledger.evidence import Evidence

_PDF: Final = ".pdf"
_PAGES: Final = (".html", ".htm")


def require_form(path: Path) -> None:
    """End with a usage error for a name of another kind. Raises Misconfigured where PDF cannot be made here."""
    kind = path.suffix.lower()
    if kind == _PDF:
        require_typst()
    elif kind not in _PAGES:
        raise typer.BadParameter("the name ends in neither .pdf nor .html", param_hint="--certificate")


def write_certificate(
    path: Path, found: Evidence, at: datetime, pack: Path, *, stamped: bool, doubts: Sequence[str]
) -> None:
    """Write a certificate under its name when all of it is there; a PDF has the pack in it. Raises OSError, NotSet."""
    names = names_of(found)
    if path.suffix.lower() == _PDF:
        data = certificate_of(found, names, at, pack=pack.read_bytes(), stamped=stamped, doubts=doubts)
    else:
        data = printed(found, names, at, stamped=stamped, doubts=doubts).encode()
    beside = path.with_name(f".{path.name}.part")
    try:
        beside.write_bytes(data)
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def said_of(path: Path, doubts: Sequence[str]) -> Iterator[str]:
    """What the person at the terminal is told of a certificate."""
    if path.suffix.lower() == _PDF:
        yield f"{path}: has the evidence pack in it as {PACK}; take it out and check it with saraban-verify"
    else:
        yield f"{path}: print it, and send the evidence pack beside it"
    for each in doubts:
        yield f"{path}: IN DOUBT: {each}"
