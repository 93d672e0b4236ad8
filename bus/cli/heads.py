"""Signed heads that people hold in files."""

from __future__ import annotations

from pathlib import Path

from bus.errors import Misconfigured, Problem
from bus.ledger.rows import Head
from bus.logs import in_words
from bus.verifier.notes import Unreadable, read_checkpoint, read_note


def head_in(file: Path, option: str) -> Head:
    """Return the head in a file, its signature unchecked. Raises Misconfigured for what is none."""
    try:
        text = file.read_text(encoding="utf-8")
        checkpoint = read_checkpoint(read_note(text))
    except (OSError, UnicodeDecodeError, Unreadable) as error:
        fix = "Give a file with a signed head, as /log/checkpoint has it."
        raise Misconfigured(
            Problem(str(file), option, f"is no checkpoint ({in_words(error)})", fix)
        ) from error
    return Head(checkpoint.size, "", checkpoint.root, text)
