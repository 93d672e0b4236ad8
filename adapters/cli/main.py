"""From the shell to a command, and from an error to a sentence."""

from __future__ import annotations

import sys

from adapters.cli.app import app
from adapters.cli.speaking import MISCONFIGURED, MISTAKEN, NOT_NOW
from adapters.connectors.reasons import mistakes_of
from adapters.mailbox import AlreadyPut, AlreadyRunning
from adapters.mailbox.mistakes import Mistaken
from bus.errors import Misconfigured, Rejected, Transient
from bus.faults import unexpected
from bus.process import keep_private


def main() -> None:
    """Run a command; say what is wrong in words, and never with a traceback."""
    keep_private()
    try:
        app()
    except (Mistaken, Rejected, AlreadyPut) as exc:
        for mistake in mistakes_of(exc):
            print(f"{mistake.where}: {mistake.th}\n{mistake.where}: {mistake.en}", file=sys.stderr)
        sys.exit(MISTAKEN)
    except Misconfigured as exc:
        print(exc, file=sys.stderr)
        sys.exit(MISCONFIGURED)
    except (AlreadyRunning, Transient) as exc:
        print(exc, file=sys.stderr)
        sys.exit(NOT_NOW)
    except Exception as exc:
        sys.exit(unexpected(exc))
