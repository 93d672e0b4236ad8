"""To `failed/`, with a reason in words; should that not be written, the thing is set aside all the same."""

from __future__ import annotations

from adapters.connectors.exchange import Folders
from adapters.connectors.folders import Folder
from adapters.connectors.names import free_name, readable
from adapters.connectors.reasons import explain
from adapters.mailbox.mistakes import Mistake, Mistaken
from bus.logs import get

_LOG = get(__name__)
_LONGEST = 200
"""Bytes of a name under which something is set aside: there is to be room for what is appended."""


def set_aside(at: Folders, name: str, error: Exception) -> None:
    """Move what was claimed to `failed/` and write its reason; OSError only if it cannot be moved."""
    _LOG.warning("something of the office has failed", why=type(error).__name__)
    new = free_name(readable(name), at.failed.holds, most=_LONGEST)
    _write(at.failed, new, explain(readable(name), error))
    at.working.move(name, at.failed, new)
    at.failed.sync()


def tell_stranger(at: Folders, name: str, mistake: Mistake) -> None:
    """Write to `failed/`, once, why something stays in the outbox: it may be the office's own, and is not moved."""
    new = free_name(readable(name), lambda _: False, most=_LONGEST)
    if not at.failed.holds(_reason(new)):
        _write(at.failed, new, explain(readable(name), Mistaken(mistake), stays=True))


def _reason(name: str) -> str:
    return f"{name}.reason.txt"


def _write(failed: Folder, name: str, text: str) -> None:
    try:
        unfinished = f".{name}.reason.part"
        failed.remove(unfinished)
        failed.write(unfinished, text.encode(errors="backslashreplace"))
        failed.remove(_reason(name))  # of something of that name that was mended and sent meanwhile
        failed.move(unfinished, failed, _reason(name))
    except OSError as exc:
        _LOG.error("a reason cannot be written", why=exc.strerror)
