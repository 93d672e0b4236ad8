"""How a command ends: each status means one thing, and what a person is told is harmless lines on standard error.

The statuses beyond 2 are those of BSD's sysexits.h.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Final

import typer

from bus.text import harmless_streams, printable

NEGATIVE: Final = 1
"""The answer is no: refused, not found, or not as it should be."""
MISUSED: Final = 2
"""What a person has to mend: an argument, a setting, a path, a right."""
USAGE: Final = 64
"""The place that was named for an evidence pack cannot be used, as for `saraban-verify`."""
FAULT: Final = 70
"""A bug of ours."""
IO_ERROR: Final = 74
"""A disk or a pipe failed."""
NOT_NOW: Final = 75
"""The same may work later."""
STOPPED: Final = 130


def complain(*sentences: object) -> None:
    """Tell the person at the terminal, on standard error, each sentence as one harmless line."""
    for sentence in sentences:
        sys.stderr.write(f"{printable(sentence)}\n")


def status_of(app: Callable[..., Any], explain: Callable[[Exception], int]) -> int:
    """Run a command line; return its exit status.

    `explain` says what a program's own errors mean and returns their status; the rest is for `bus.faults.unexpected`.
    """
    harmless_streams()
    try:
        given = app(standalone_mode=False)
        sys.stdout.flush()
        return given if isinstance(given, int) else 0
    except typer.TyperException as error:
        return _misused(error)
    except typer.Abort:
        return STOPPED
    except SystemExit:
        # Typer's word for a reader that went away; its status would be that of a refusal.
        return IO_ERROR
    except Exception as error:
        return explain(error)


def _misused(error: typer.TyperException) -> int:
    context = getattr(error, "ctx", None)
    sentence = error.format_message()
    if sentence and context is not None:
        complain(context.get_usage(), f"Try '{context.command_path} --help' for help.", "")
    if sentence:
        complain(f"Error: {sentence}")
    return error.exit_code if error.exit_code != 1 else MISUSED
