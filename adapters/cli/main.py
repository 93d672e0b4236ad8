"""From the shell to a command, and from an error to a sentence."""

from __future__ import annotations

import sys

from adapters.centre import Declined
from adapters.cli.app import app
from adapters.connectors.folder.reasons import mistakes_of
from adapters.mailbox import AlreadyPut, AlreadyRunning
from adapters.mailbox.mistakes import Mistaken
from bus.errors import Misconfigured, Refused, Transient
from bus.exits import MISUSED, NEGATIVE, NOT_NOW, complain, status_of
from bus.faults import unexpected
from bus.process import keep_private


def main() -> None:
    """Run a command; say what is wrong in words, and never with a traceback."""
    keep_private()
    sys.exit(status_of(app, _explained))


def _explained(error: Exception) -> int:
    """Say what an error means, and return its status."""
    if isinstance(error, (Mistaken, Refused, AlreadyPut)):
        for mistake in mistakes_of(error):
            complain(f"{mistake.where}: {mistake.th}", f"{mistake.where}: {mistake.en}")
        return NEGATIVE
    if isinstance(error, Declined):
        complain(*dict.fromkeys(f"{error.code}: {words}" for words in (error.th, error.en)))
        return NEGATIVE
    if isinstance(error, Misconfigured):
        complain(*error.problems)
        return MISUSED
    if isinstance(error, (AlreadyRunning, Transient)):
        complain(error)
        return NOT_NOW
    return unexpected(error)
