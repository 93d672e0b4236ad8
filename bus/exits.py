"""How a command ends: in words and with a status that means one thing; a bug ends in neither a traceback nor a verdict.

The statuses beyond 2 are those of BSD's sysexits.h.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import typer

from bus import logs
from bus.text import harmless_streams, printable

MISUSED: Final = 2
"""The command was typed wrongly; likewise a mistake in a settings file."""
USAGE: Final = 64
"""The place that was named for what a command makes cannot be used."""
FAULT: Final = 70
IO_ERROR: Final = 74
NOT_NOW: Final = 75
"""The same may work later."""
STOPPED: Final = 130


def complain(*sentences: object) -> None:
    """Tell the person at the terminal, on standard error, each sentence as one harmless line."""
    for sentence in sentences:
        sys.stderr.write(f"{printable(sentence)}\n")


def status_of(program: str, app: Callable[..., Any], explain: Callable[[Exception], int | None]) -> int:
    """Run a command line; return its exit status.

    `explain` says what a program's own errors mean and returns their status, or None for what it does not know.
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
    except UnicodeEncodeError:
        complain("an argument is no text in UTF-8: type it anew, or see to the terminal's encoding")
        return MISUSED
    except Exception as error:
        known = explain(error)
        return known if known is not None else _unexpected(program, error)


def _misused(error: typer.TyperException) -> int:
    context = getattr(error, "ctx", None)
    sentence = error.format_message()
    if sentence and context is not None:
        complain(context.get_usage(), f"Try '{context.command_path} --help' for help.", "")
    if sentence:
        complain(f"Error: {sentence}")
    return error.exit_code if error.exit_code != 1 else MISUSED


def _unexpected(program: str, error: Exception) -> int:
    if isinstance(error, OSError):
        where = f": {error.filename!s}" if error.filename is not None else ""
        complain(f"{program}: {error.strerror or type(error).__name__}{where}")
        return IO_ERROR
    if logs.configured():
        logs.get(program).critical("ended by an internal fault", exc_info=error)
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno} {frames[-1].name}" if frames else "?"
    complain(
        f"{program}: an internal fault ({type(error).__name__} at {place}); please report it to whoever maintains this"
    )
    return FAULT
