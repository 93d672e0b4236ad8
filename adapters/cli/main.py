"""From the shell to a command, and from an error to a sentence."""

from __future__ import annotations

import sys

from adapters.cli.app import app
from adapters.cli.speaking import MISCONFIGURED, MISTAKEN, NOT_NOW
from adapters.connectors.reasons import mistakes_of
from adapters.mailbox import AlreadyPut, AlreadyRunning
from adapters.mailbox.mistakes import Mistaken
from bus.errors import Misconfigured, Rejected, Transient
from bus.exits import complain, status_of


def main() -> None:
    """Run a command; say what is wrong in words, and never with a traceback."""
    sys.exit(status_of("saraban-adapter", app, _explained))


def _explained(error: Exception) -> int | None:
    """Say what an error of ours means, and return its status."""
    if isinstance(error, (Mistaken, Rejected, AlreadyPut)):
        for mistake in mistakes_of(error):
            complain(f"{mistake.where}: {mistake.th}", f"{mistake.where}: {mistake.en}")
        return MISTAKEN
    if isinstance(error, Misconfigured):
        complain(*error.problems)
        return MISCONFIGURED
    if isinstance(error, (AlreadyRunning, Transient)):
        complain(error)
        return NOT_NOW
    return None
