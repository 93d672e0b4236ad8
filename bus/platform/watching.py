"""Being told that something has come into a folder, where the system tells it: by inotify(7), on Linux.

It is told late, twice, or never: what another machine does on a share is not seen, nor what comes into another folder
that has taken the place of this one. Whoever is told looks for itself, and looks now and then untold.

By the system's own calls, for the libraries wake up every few milliseconds to look themselves (watchfiles), or keep
what was renamed back for half a second (watchdog).
"""

from __future__ import annotations

import ctypes
import os
import struct
from contextlib import suppress
from pathlib import Path
from typing import Final

_COME: Final = 0x008 | 0x080 | 0x100 | 0x0100_0000
"""IN_CLOSE_WRITE, IN_MOVED_TO and IN_CREATE, of a folder only (IN_ONLYDIR): not what is taken out of it."""
_GONE: Final = 0x8000
"""IN_IGNORED: the folder is there no more, and another may have its number."""
_EVENT: Final = struct.Struct("iIII")
"""Of which watch, what, a cookie, and the length of the name that follows."""
_AT_ONCE: Final = 64 * 1024


class FolderWatch:
    """One folder that is watched. OSError where the system watches none, or not this one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._gone = False
        try:
            library = ctypes.CDLL(None, use_errno=True)
            begin, flags = library.inotify_init1, os.O_NONBLOCK | os.O_CLOEXEC
        except (
            AttributeError,
            TypeError,
        ) as exc:  # Windows has no library without a name, macOS not this call
            raise OSError("this system has no inotify") from exc
        self._descriptor = _checked(begin(flags))
        try:
            _checked(library.inotify_add_watch(self._descriptor, os.fsencode(path), ctypes.c_uint32(_COME)))
            self._place = _place(path)
        except OSError:
            self.close()
            raise

    def fileno(self) -> int:
        """What becomes readable when something has come."""
        return self._descriptor

    def names(self) -> list[str]:
        """The names of what has come since this was asked before; an empty one where they are not known."""
        found = []
        with suppress(BlockingIOError):
            while told := os.read(self._descriptor, _AT_ONCE):
                at = 0
                while at < len(told):
                    _, what, _, length = _EVENT.unpack_from(told, at)
                    self._gone = self._gone or bool(what & _GONE)
                    at += _EVENT.size
                    found.append(os.fsdecode(told[at : at + length].rstrip(b"\0")))
                    at += length
        return found

    def stands(self) -> bool:
        """Whether its path still leads to the folder that is watched."""
        try:
            return not self._gone and _place(self._path) == self._place
        except OSError:
            return False

    def close(self) -> None:
        """Watch it no more."""
        os.close(self._descriptor)


def watch(path: Path) -> FolderWatch | None:
    """Return a watch of this folder; None where there is none to be had, and one has to look."""
    try:
        return FolderWatch(path)
    except OSError:
        return None


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def _place(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino
