"""What a person is told of an error that no module of ours has put into words: what, where and what to do."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from bus import logs
from bus.errors import Misconfigured, Problem, Transient
from bus.exits import FAULT, IO_ERROR, MISUSED, complain
from bus.logs import in_words, place_of

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
    if isinstance(error, OSError):
        return _of_the_system(error)
    if isinstance(error, UnicodeError):
        return "what was given is not text in UTF-8. Type it anew, or save the file as UTF-8.", MISUSED
    fault = f"an internal fault ({type(error).__name__} at {place_of(error)})"
    return f"{fault}. Nothing more was done; please report this line.", FAULT


def unexpected(error: Exception) -> int:
    """Say it to the person at the terminal, or with every place to the log where one is kept; return the status."""
    sentence, status = explain(error)
    if logs.configured():
        event = "the process ended by a fault" if status == FAULT else sentence
        logs.get("python").critical(event, exc_info=error)
    else:
        complain(sentence)
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


def _of_the_system(error: OSError) -> tuple[str, int]:
    where = "this machine" if error.filename is None else str(error.filename)
    what = f"{where}: {in_words(error).partition(': ')[2].lower() or type(error).__name__}"
    if error.filename is not None and error.errno in _OF_A_PATH:
        return f"{what}. Mend the path, or let the user that runs this read and write there.", MISUSED
    return f"{what}. Look at the disk or the pipe, its room and its mount.", IO_ERROR


def _of_database(error: BaseException | None) -> tuple[str, str]:
    """What is wrong with a database by the driver's code; the driver's sentence may quote anything."""
    driver = getattr(error, "orig", None) or error
    code = getattr(driver, "sqlite_errorcode", None)
    if isinstance(code, int):
        return _SQLITE.get(code & 0xFF, ("", ""))
    return _POSTGRESQL.get(getattr(driver, "sqlstate", None) or "", ("", ""))
