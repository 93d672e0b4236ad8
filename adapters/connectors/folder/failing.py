"""To `failed/`, with a reason in words; should that not be written, the thing is set aside all the same."""

from __future__ import annotations

from adapters.connectors.folder.exchange import Folders
from adapters.connectors.folder.folders import Folder, is_folder
from adapters.connectors.folder.names import free_name, readable
from adapters.connectors.folder.reasons import explain
from adapters.mailbox.mistakes import Mistake, Mistaken
from bus.logs import get

_LOG = get(__name__)
_LONGEST = 200
"""Bytes of a name under which something is set aside: there is to be room for what is appended."""


def set_aside(at: Folders, name: str, error: Exception) -> None:
    """Move what was claimed to `failed/` and write its reason; OSError only if it cannot be moved."""
    _LOG.warning("import-refused", reason=type(error).__name__)
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
        unfinished, reason = _free_of_own(failed, f".{name}.reason.part"), _free_of_own(failed, _reason(name))
        failed.write(unfinished, text.encode(errors="backslashreplace"))
        failed.move(unfinished, failed, reason)
    except OSError as exc:
        _LOG.error("reason-not-written", reason=exc.strerror)


def _free_of_own(failed: Folder, name: str) -> str:
    """Remove an earlier reason, of what was mended and sent meanwhile; a folder of that name is the office's."""
    if is_folder(failed.look(name)):
        return free_name(name, failed.holds)
    failed.remove(name)
    return name
