"""What Windows lacks, taken away from the adapter's code: a plugin of pytest, and of nothing else.

It is taken from `adapters` and `bus` alone. Python itself, the libraries and the tests have code of their own for
Windows, or none, and keep what they find here. What Windows does otherwise than POSIX with what both have is done here
in its way, as far as the adapter could stumble over it. Nothing of this is Windows.
"""

from __future__ import annotations

import asyncio
import builtins
import os
import signal
import socket
import stat
import sys
from collections.abc import Callable, Collection, Mapping
from functools import wraps
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

import pytest

MODULES = {
    "fcntl": "not on Windows: locks of files are msvcrt's",
    "grp": "not on Windows: groups have no numbers",
    "posix": "not on Windows: it is called nt",
    "pty": "not on Windows",
    "pwd": "not on Windows: users have no numbers",
    "resource": "not on Windows",
    "syslog": "not on Windows",
    "termios": "not on Windows",
    "tty": "not on Windows",
}
ATTRIBUTES: Mapping[ModuleType, Mapping[str, str]] = {
    os: {
        "O_CLOEXEC": "not on Windows: O_NOINHERIT, and Python sets it by itself",
        "O_DIRECTORY": "not on Windows: a folder cannot be opened",
        "O_NOFOLLOW": "not on Windows",
        "O_NONBLOCK": "not on Windows",
        "O_SYNC": "not on Windows",
        "chown": "not on Windows",
        "chroot": "not on Windows",
        "fchdir": "not on Windows",
        "fchmod": "not on Windows before Python 3.13",
        "fchown": "not on Windows",
        "fdatasync": "not on Windows",
        "fork": "not on Windows",
        "getegid": "not on Windows",
        "geteuid": "not on Windows",
        "getgid": "not on Windows",
        "getgroups": "not on Windows",
        "getpgid": "not on Windows",
        "getuid": "not on Windows",
        "killpg": "not on Windows",
        "lchown": "not on Windows",
        "mkfifo": "not on Windows",
        "mknod": "not on Windows",
        "posix_fadvise": "not on Windows",
        "posix_fallocate": "not on Windows",
        "pread": "not on Windows",
        "pwrite": "not on Windows",
        "sendfile": "not on Windows",
        "setsid": "not on Windows",
        "statvfs": "not on Windows",
        "sync": "not on Windows",
        "sysconf": "not on Windows",
        "uname": "not on Windows",
    },
    signal: {
        "SIGALRM": "not on Windows",
        "SIGCHLD": "not on Windows",
        "SIGHUP": "not on Windows",
        "SIGKILL": "not on Windows: os.kill ends a process with any signal",
        "SIGPIPE": "not on Windows",
        "SIGSTOP": "not on Windows",
        "SIGUSR1": "not on Windows",
        "SIGUSR2": "not on Windows",
        "pthread_sigmask": "not on Windows",
        "sigwait": "not on Windows",
    },
    socket: {"AF_UNIX": "not on Windows, as far as Python goes"},
}
EMPTY = {
    "supports_dir_fd": "empty on Windows: no name is looked up in an open folder",
    "supports_fd": "on Windows without listdir: a folder cannot be opened",
}

SERVERS = ("bus.cli", "bus.depot", "bus.ledger", "bus.router")
"""The central bus's own, which adapters do not import; it may be spoken to from here."""


def take_away() -> None:
    """Take it all away, for whatever of the adapter is imported from now on."""
    for module, names in ATTRIBUTES.items():
        module.__class__ = _lacking(names, dict.fromkeys(EMPTY, frozenset()) if module is os else {})
    builtins.__import__ = _import
    asyncio.SelectorEventLoop.add_signal_handler = _no_signal_handler  # type: ignore[method-assign,assignment]
    for act in (_open, _fsync, _fstat, _rename, _replace, _unlink):
        _instead(act)


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests() -> None:
    """Before anything of the adapter is imported."""
    take_away()


def _is_ours(frame: FrameType | None) -> bool:
    """Whether the adapter's own code asks, be it by a path's method."""
    while frame is not None and frame.f_globals.get("__name__") in ("pathlib", "pathlib._local", __name__):
        frame = frame.f_back
    name = str(frame.f_globals.get("__name__")) if frame is not None else ""
    return name.partition(".")[0] in ("adapters", "bus") and not name.startswith(SERVERS)


def _lacking(names: Collection[str], given: Mapping[str, Any]) -> type[ModuleType]:
    """What a module becomes that has none of the names for the adapter, and what is `given` in the place of others."""

    class Lacking(ModuleType):
        def __getattribute__(self, name: str) -> Any:
            if (name in names or name in given) and _is_ours(sys._getframe(1)):
                if name in given:
                    return given[name]
                raise AttributeError(f"{name} is not on Windows")
            return super().__getattribute__(name)

    return Lacking


_real_import = builtins.__import__


def _import(name: str, globals: Any = None, *rest: Any, **named: Any) -> ModuleType:
    if name.partition(".")[0] in MODULES and _is_ours(sys._getframe(1)):
        raise ModuleNotFoundError(f"{name} is not on Windows", name=name)
    return _real_import(name, globals, *rest, **named)


def _no_signal_handler(*_: Any) -> None:
    raise NotImplementedError


def _instead(act: Callable[..., Any]) -> None:
    """Put a function in the place of os's own, for the adapter's code."""
    name = act.__name__.removeprefix("_")
    real = getattr(os, name)

    @wraps(real)
    def either(*given: Any, **named: Any) -> Any:
        return act(real, *given, **named) if _is_ours(sys._getframe(1)) else real(*given, **named)

    setattr(os, name, either)


def _open(real: Callable[..., int], path: Any, *rest: Any, **named: Any) -> int:
    if os.path.isdir(path):
        raise PermissionError(13, "Permission denied: a folder cannot be opened on Windows")
    return real(path, *rest, **named)


def _fsync(real: Callable[[int], None], descriptor: int) -> None:
    """FlushFileBuffers needs the right to write."""
    flags = Path(f"/proc/self/fdinfo/{descriptor}")
    if flags.exists() and not int(flags.read_text().split("flags:")[1].split()[0], 8) & os.O_ACCMODE:
        raise OSError(9, "Bad file descriptor: not open for writing")
    real(descriptor)


def _fstat(real: Callable[[int], os.stat_result], descriptor: int) -> os.stat_result:
    """A file seems to be for everybody: there are no rights by number."""
    found = real(descriptor)
    if not stat.S_ISREG(found.st_mode):
        return found
    parts: Any = found.__reduce__()
    values, named = parts[1]
    return os.stat_result((found.st_mode | 0o666, *values[1:]), named)


def _rename(real: Callable[[Any, Any], None], name: Any, new: Any) -> None:
    if os.path.lexists(new):
        raise FileExistsError(17, "File exists: only os.replace replaces on Windows")
    _require_closed(name)
    real(name, new)


def _replace(real: Callable[[Any, Any], None], name: Any, new: Any) -> None:
    _require_closed(name, new)
    real(name, new)


def _unlink(real: Callable[[Any], None], name: Any) -> None:
    _require_closed(name)
    real(name)


def _require_closed(*names: Any) -> None:
    """What is open, or holds something that is, can be neither moved nor removed."""
    own = Path("/proc/self/fd")
    opened = [os.path.realpath(each) for each in own.iterdir()] if own.is_dir() else []
    for name in map(os.path.abspath, names):
        if any(each == name or each.startswith(f"{name}{os.sep}") for each in opened):
            raise PermissionError(13, "Permission denied: it is in use")
