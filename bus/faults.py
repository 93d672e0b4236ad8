"""What a person is told of an error that is nobody's bug: what, where and what to do, and with which exit status."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from bus import logs
from bus.errors import Misconfigured, Problem, Transient
from bus.logs import in_words, place_of
from bus.text import printable

MISCONFIGURED: Final = 2
"""The exit status for what a person has to mend: a path, a setting, a right."""
_INTERNAL, _INPUT_OUTPUT = 70, 74
"""EX_SOFTWARE and EX_IOERR of sysexits.h."""
_OF_A_PATH: Final = frozenset(
    {
        errno.ENOENT,
        errno.EACCES,
        errno.EPERM,
        errno.ENOTDIR,
        errno.EISDIR,
        errno.EEXIST,
        errno.EROFS,
        errno.ELOOP,
    }
    | {errno.ENAMETOOLONG, errno.EINVAL, errno.ENXIO, errno.ENODEV, errno.ENOTEMPTY, errno.EXDEV}
)
_SQLITE: Final[Mapping[int, tuple[str, str]]] = {
    3: ("may not be opened", "Let the user that runs this read and write it."),
    8: ("may not be written", "Let the user that runs this write it and its folder."),
    11: ("is damaged", "Bring a backup back, and keep the damaged file."),
    14: ("cannot be opened or made", "Make its folder, and let the user that runs this write there."),
    26: ("is no SQLite database", "Name another file, or take this one away."),
}
"""By primary result code (sqlite.org/rescode.html)."""
_POSTGRESQL: Final[Mapping[str, tuple[str, str]]] = {
    "42501": (
        "does not let this user do that",
        "Run `ledger init` as the owner, and give --role the user that everything else runs as.",
    ),
    "42704": ("has no such role", "Make the role first, or mend --role."),
    "25006": ("takes no writing: it is a standby", "Name the primary."),
    "3D000": ("is not there", "Make the database first, or mend its name."),
    "28000": ("does not let this user in", "Mend user and password."),
    "28P01": ("refuses the password", "Mend user and password."),
}
"""By SQLSTATE (PostgreSQL, appendix A)."""


def explain(error: Exception) -> tuple[str, int]:
    """Return a sentence without anything that was in a document, and the exit status."""
    if isinstance(error, OSError) and error.errno is not None:
        where = printable(error.filename) if error.filename is not None else "this machine"
        what = f"{where}: {os.strerror(error.errno).lower()}"
        if error.errno in _OF_A_PATH:
            return (
                f"{what}. Mend the path, or let the user that runs this read and write there.",
                MISCONFIGURED,
            )
        return f"{what}. Look at the disk, its room and its mount.", _INPUT_OUTPUT
    if isinstance(error, UnicodeError):
        return "what was given is not text in UTF-8. Type it anew, or save the file as UTF-8.", MISCONFIGURED
    fault = f"an internal fault ({type(error).__name__} at {place_of(error)})"
    return f"{fault}. Nothing more was done; please report this line.", _INTERNAL


def unexpected(error: Exception) -> int:
    """Say it to the person at the terminal, or to the log with every place where a log is kept; return the status."""
    sentence, status = explain(error)
    if logs.configured() and status == _INTERNAL:
        logs.get("python").critical("the process ended by a fault", exc_info=error)
    elif logs.configured():
        logs.get("python").critical(sentence)
    else:
        sys.stderr.write(f"{sentence}\n")
    return status


@contextmanager
def usable(place: str, key: str, hint: str) -> Iterator[None]:
    """Open a database in this block: Misconfigured where a person has to mend it, Transient with a hint where not."""
    try:
        yield
    except Exception as error:
        wrong, fix = _of_database(error.__cause__ if isinstance(error, Transient) else error)
        if wrong:
            raise Misconfigured(Problem(place, key, wrong, fix)) from error
        if type(error) is Transient:
            raise Transient(f"{in_words(error)}. {hint}") from error.__cause__
        raise


def _of_database(error: BaseException | None) -> tuple[str, str]:
    """What is wrong with a database by the driver's code; the driver's sentence may quote anything."""
    driver = getattr(error, "orig", None) or error
    code = getattr(driver, "sqlite_errorcode", None)
    if isinstance(code, int):
        return _SQLITE.get(code & 0xFF, ("", ""))
    return _POSTGRESQL.get(getattr(driver, "sqlstate", None) or "", ("", ""))
