"""Logs: one JSON object per line on standard error, with the trace's id and without what letters say.

A log is read by more people than a letter may be. So values under names that stand for a secret, for content or for an
office's file are withheld. A foreign exception is written as its type and its places, never with its message: a
parser's, a driver's or a client's message quotes what it was given, be it a row, a letter or a URL with a password.
That holds wherever an exception may come from: `exc_info`, a value, an argument of another library's words, a thread,
or the end of the process.
"""

from __future__ import annotations

import logging
import logging.config
import os
import re
import sys
import threading
import traceback
import warnings
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import PurePath
from types import TracebackType
from typing import Any, Final
from uuid import UUID

from bus.errors import BusError
from bus.platform.sparing import without_colours
from bus.text import json_text

with without_colours():
    import structlog
    from structlog.stdlib import BoundLogger
    from structlog.typing import EventDict, Processor, WrappedLogger

WITHHELD: Final = "[withheld]"
_NOT_FOR_LOGS: Final = frozenset(
    {"authorization", "body", "content", "credentials", "detail", "passphrase", "passwd", "password"}
    | {"payload", "pem", "raw", "secret", "subject", "text", "token", "xml"}
)
_OFFICE_FILES: Final = frozenset({"file", "filename", "files", "folder", "manifest", "path", "place", "what"})
"""What an office calls its files says what its letters are about; how many there are says nothing."""
_OURS: Final = ("bus", "adapters", "compose", "tests", "__main__")
_LEVELS: Final = {
    **dict.fromkeys(("httpx", "httpcore", "uvicorn", "asyncio", "sqlalchemy", "alembic"), "WARNING"),
    # Seven lines for each attempt to connect; bus/broker says in one a minute how it ended and what to do.
    "pika": "CRITICAL",
}
_PLAIN_SPOKEN: Final = ("pika", "uvicorn", "asyncio")
"""Libraries that begin what they say with words of their own; of others only the place is written."""
_CONFIGURED: Final = threading.Event()
_OWN_WORDS: Final = re.compile(r"[A-Za-z][A-Za-z ,.\-]*")


def configure(service: str, *, level: str = "INFO") -> None:
    """Send everything that this process logs, other libraries' words included, to standard error as JSON."""
    _CONFIGURED.set()
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        _named(service),
        exceptions_by_place,
        withhold,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=BoundLogger,
        cache_logger_on_first_use=False,
    )
    formatter = {
        "()": structlog.stdlib.ProcessorFormatter,
        "pass_foreign_args": True,
        "foreign_pre_chain": [words_of_others, *shared],
        "processors": [
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.JSONRenderer(serializer=_dumps),
        ],
    }
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"json": formatter},
            "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
            "root": {"handlers": ["stderr"], "level": level},
            "loggers": {
                name: {"level": level, "handlers": [], "propagate": True} for name, level in _LEVELS.items()
            },
        }
    )
    logging.raiseExceptions = False  # a line that cannot be written is not written out by other means
    _catch_the_rest()


def configured() -> bool:
    """Whether this process keeps a log; a command that answers and ends does not."""
    return _CONFIGURED.is_set()


def get(name: str) -> BoundLogger:
    """A logger: `get(__name__).info("letter accepted", letter=str(letter_id), entry=12)`."""
    logger: BoundLogger = structlog.stdlib.get_logger(name)
    return logger


def in_words(error: BaseException) -> str:
    """Return what may be written of an exception anywhere: our own sentence, the system's word, or its type."""
    if isinstance(error, BusError) and error.for_logs:
        return str(error) or type(error).__name__
    if isinstance(error, OSError) and isinstance(error.errno, int) and type(error).__module__ == "builtins":
        return f"{type(error).__name__}: {os.strerror(error.errno)}"
    return type(error).__name__


def place_of(error: BaseException) -> str:
    """Return where an exception came from: the innermost line of ours, or else of anybody's."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [each for each in frames if f"{os.sep}site-packages{os.sep}" not in each.filename]
    return next(
        (f"{each.filename}:{each.lineno} {each.name}" for each in reversed(ours or frames)), "nowhere"
    )


def withhold(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replace what a log must not hold, by the name it is given under or by what it is, at any depth."""
    return {name: each if name[:1] == "_" else _visible(name, each) for name, each in event.items()}


def exceptions_by_place(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Write an exception as types and places, with its message only where that quotes nothing."""
    info = event.pop("exc_info", None)
    error = info[1] if isinstance(info, tuple) else info
    if info is True:
        error = sys.exception()
    if isinstance(error, BaseException):
        event["exception"] = [_described(each) for each in _chain(error)]
    return event


def words_of_others(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Put together what comes by the standard library's logging: our own as it is, others' without what they quote."""
    record: logging.LogRecord = event["_record"]
    template, arguments = record.msg, event.pop("positional_args", ()) or ()
    ours = record.name.partition(".")[0] in _OURS
    if isinstance(template, str) and arguments:
        event["event"] = _filled(template, arguments, ours=ours)
    elif isinstance(template, BaseException):
        event["event"] = in_words(template)
    elif not ours:
        own = _OWN_WORDS.match(str(template)) if record.name.partition(".")[0] in _PLAIN_SPOKEN else None
        event["event"] = own[0].strip() if own else f"said by {record.module}.{record.funcName}"
    return event


def _filled(template: str, arguments: Any, *, ours: bool) -> str:
    def shown(value: Any) -> Any:
        if isinstance(value, BaseException):
            return in_words(value)
        return value if ours or isinstance(value, int | float) else f"[{type(value).__name__}]"

    try:
        if isinstance(arguments, Mapping):
            return template % {name: shown(value) for name, value in arguments.items()}
        return template % tuple(map(shown, arguments))
    except (TypeError, ValueError, KeyError):
        return template


def _catch_the_rest() -> None:
    """Log, in the same words, what Python itself would print with its message: what ends a thread or the process."""

    def ended(_type: type[BaseException], error: BaseException, _trace: TracebackType | None) -> None:
        if not isinstance(error, KeyboardInterrupt):
            get("python").critical("the process ended by a fault", exc_info=error)

    def thread_ended(ended_by: threading.ExceptHookArgs) -> None:
        get("python").error("a thread ended by a fault", exc_info=ended_by.exc_value)

    def unraisable(met: Any) -> None:
        get("python").error("a fault that could not be raised", exc_info=met.exc_value)

    def warned(message: Warning | str, category: type[Warning], filename: str, lineno: int, *_: Any) -> None:
        get("python").warning("a warning", category=category.__name__, source=f"{filename}:{lineno}")

    sys.excepthook, threading.excepthook, sys.unraisablehook = ended, thread_ended, unraisable
    warnings.showwarning = warned  # type: ignore[assignment]


def _named(service: str) -> Processor:
    def add(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        return {**event, "service": service}

    return add


def _visible(name: str, value: Any) -> Any:
    words = set(name.lower().replace("-", "_").split("_"))
    if words & _NOT_FOR_LOGS:
        return WITHHELD
    if value is None or isinstance(value, int | float):
        return value
    if words & _OFFICE_FILES or isinstance(value, bytes | PurePath):
        return WITHHELD
    if isinstance(value, BaseException):
        return in_words(value)
    if isinstance(value, Mapping):
        return {str(inner): _visible(str(inner), each) for inner, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_visible("", each) for each in value]
    return str(value) if isinstance(value, str | UUID | date) else f"[{type(value).__name__}]"


def _chain(error: BaseException, seen: set[int] | None = None) -> Iterator[BaseException]:
    seen = set() if seen is None else seen
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        if isinstance(current, BaseExceptionGroup):
            for each in current.exceptions:
                yield from _chain(each, seen)
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)


def _described(error: BaseException) -> dict[str, Any]:
    kind = f"{type(error).__module__}.{type(error).__qualname__}"
    frames = traceback.extract_tb(error.__traceback__)
    described = {"type": kind, "at": [f"{each.filename}:{each.lineno} {each.name}" for each in frames]}
    words = in_words(error)
    return described if words == type(error).__name__ else described | {"message": words}


def _dumps(event: Any, **_: Any) -> str:
    # The stream's encoding decides what has to be escaped: a log in CP874 is to be JSON too.
    encoding = getattr(sys.stderr, "encoding", None) or "utf-8"
    return json_text(event, encoding=encoding, indent=None, default=lambda value: f"[{type(value).__name__}]")
