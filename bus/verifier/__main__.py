"""`python -m bus.verifier`, or this folder copied anywhere: `python verifier pack.asice`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

_FAULT, _IO_ERROR = 70, 74
"""No verdicts (sysexits.h); what Python itself would exit with is the status of one."""


def run() -> None:
    """Run as a program."""
    try:
        if not __package__:
            _find_own_modules()
        from bus.verifier.cli import main
    except ImportError as error:
        sys.stderr.write(
            f"saraban-verify: no verdict: {error.name} cannot be imported; see docs/auditing.md\n"
        )
        sys.exit(_FAULT)
    status = main()
    if status == _IO_ERROR:
        # What is still in the buffer has no place to go, and failing once more would change the status.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.exit(status)


def _find_own_modules() -> None:
    """Copied out of the project, its modules still call each other by their names in it."""
    import types

    folder = Path(__file__).resolve().parent
    home = types.ModuleType("bus")
    home.__path__ = [str(folder.parent)]
    sys.modules["bus"] = home
    if folder.name != "verifier":
        package = types.ModuleType("bus.verifier")
        package.__path__ = [str(folder)]
        sys.modules["bus.verifier"] = package


if __name__ == "__main__":
    run()
