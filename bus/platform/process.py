"""Signals, rights and sockets, as this system has them.

On Windows a file has no rights by number: whoever may read what is written there is said by the access control list
that it inherits from its folder, so nothing is asked or set here.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import stat
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

try:
    import grp
except ImportError:
    grp = None  # type: ignore[assignment]

_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_CREDENTIALS: Final = "CREDENTIALS_DIRECTORY"
_RIGHTS_BY_NUMBER: Final = hasattr(os, "getuid")
_TOLD_TO_END: Final = tuple(
    getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGBREAK") if hasattr(signal, name)
)
KILL: Final[signal.Signals] = getattr(signal, "SIGKILL", signal.SIGTERM)
"""What `os.kill` ends a process with that has no say in it; on Windows that is what it does with SIGTERM."""
FREEZE: Final[signal.Signals] = getattr(signal, "SIGSTOP", KILL)
"""What stops a process where it stands; Windows has nothing of the kind, and it ends."""
_UNIX: Final[int] = getattr(socket, "AF_UNIX", -1)
OWN_ADDRESS: Final[int] = getattr(socket, "SO_EXCLUSIVEADDRUSE", socket.SO_REUSEADDR)
"""The option of a socket that listens again at once after a restart, and on a port that nobody else can take over:
SO_REUSEADDR would allow just that on Windows."""


def on_end(act: Callable[[], object]) -> None:
    """Call `act` in the running event loop whenever SIGTERM, SIGINT or, on Windows, Ctrl-Break comes.

    A loop that takes no signals, as on Windows, hears of one when it next wakes up.
    """
    loop = asyncio.get_running_loop()

    def on_signal(_number: int, _frame: Any) -> None:
        with suppress(RuntimeError):  # the loop is closed: what was to end has ended
            loop.call_soon_threadsafe(act)

    for number in _TOLD_TO_END:
        try:
            loop.add_signal_handler(number, act)
        except NotImplementedError:
            signal.signal(number, on_signal)


def notify(state: str) -> None:
    """Say something to the service manager that started this program, if one did that listens (sd_notify(3))."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    with suppress(OSError), socket.socket(_UNIX, socket.SOCK_DGRAM) as spoken:
        spoken.connect(f"\0{address[1:]}" if address.startswith("@") else address)
        spoken.send(state.encode())


def watchdog_seconds() -> float | None:
    """Return the time within which the service manager wants a sign of life; None where it wants none."""
    wanted = os.environ.get("WATCHDOG_USEC", "")
    return int(wanted) / 1_000_000 if wanted.isascii() and wanted.isdigit() and int(wanted) else None


def open_to_others(descriptor: int) -> bool:
    """Whether others than its owner have any right to an open file; False on a system without rights by number.

    A credential of systemd's may be root's with an access control list for the one user that it is for, which shows as
    the group's right to read; the group is root's, and that reads everything anyhow.
    """
    found = os.fstat(descriptor)
    if _CREDENTIALS in os.environ and found.st_uid == found.st_gid == 0:
        return bool(found.st_mode & _OTHERS & ~stat.S_IRGRP)
    return _RIGHTS_BY_NUMBER and bool(found.st_mode & _OTHERS)


def sharer_with(group: str) -> Callable[[Path, int], None]:
    """Return what gives a folder to this group, with a mode.

    Raises KeyError when there is no such group, and NotImplementedError on a system without groups of this kind.
    """
    if grp is None:
        raise NotImplementedError
    return partial(_share, grp.getgrnam(group).gr_gid)


def _share(number: int, folder: Path, mode: int) -> None:
    os.chown(folder, -1, number)
    folder.chmod(mode)
