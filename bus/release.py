"""Which release of the programs this is."""

from __future__ import annotations

import sys
from importlib.metadata import version
from typing import Annotated

import typer


def release() -> str:
    """Return the version of the package that is installed here."""
    return version("saraban-bus")


def _show(asked: bool) -> None:
    if asked:
        sys.stdout.write(f"saraban-bus {release()}\n")
        raise typer.Exit


Version = Annotated[
    bool, typer.Option("--version", callback=_show, is_eager=True, help="Print the version, and end.")
]
