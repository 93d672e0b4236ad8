"""Logs: one JSON object per line on standard error, with the trace's id and without what letters say.

A log is read by more people than a letter may be. So values under names that stand for a secret or for content
are withheld, and of a foreign exception only its type and place are written: a parser's or a database's message
quotes what it was given.
"""

from __future__ import annotations

import logging
import logging.config
import sys
import traceback
from collections.abc import Iterator
from typing import Any, Final

import structlog
from structlog.stdlib import BoundLogger
from structlog.typing import EventDict, Processor, WrappedLogger

from bus.errors import BusError
from bus.text import json_text

WITHHELD: Final = "[withheld]"
_NOT_FOR_LOGS: Final = frozenset(
    {"authorization", "body", "content", "credentials", "detail", "passphrase", "passwd", "password"}
    | {"payload", "pem", "raw", "secret", "subject", "text", "token", "xml"}
)
_SPOKEN_FOR: Final = (BusError, OSError)
"""Exceptions whose message is ours or the system's, and quotes no document."""
_NOISY: Final = ("pika", "httpx", "httpcore", "uvicorn.access")


def configure(service: str, *, level: str = "INFO") -> None:
    """Send everything that this process logs, other libraries' words included, to standard error as JSON."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        _named(service),
        withhold,
        exceptions_by_place,
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
        "foreign_pre_chain": [structlog.stdlib.PositionalArgumentsFormatter(), *shared],
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
            "loggers": {name: {"level": "WARNING"} for name in _NOISY},
        }
    )


def configured() -> bool:
    """Whether this process logs; a command that answers and ends does not."""
    return structlog.is_configured()


def get(name: str) -> BoundLogger:
    """A logger: `get(__name__).info("letter accepted", letter=str(letter_id), entry=12)`."""
    logger: BoundLogger = structlog.stdlib.get_logger(name)
    return logger


def withhold(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replace what a log must not hold, by the name it is given under, at any depth."""
    return {name: _visible(name, value) for name, value in event.items()}


def exceptions_by_place(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Write an exception as types and places, with its message only where that quotes no document."""
    info = event.pop("exc_info", None)
    error = info[1] if isinstance(info, tuple) else info
    if info is True:
        error = sys.exception()
    if isinstance(error, BaseException):
        event["exception"] = [_described(each) for each in _chain(error)]
    return event


def _named(service: str) -> Processor:
    def add(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        return {**event, "service": service}

    return add


def _visible(name: str, value: Any) -> Any:
    if not _NOT_FOR_LOGS.isdisjoint(name.lower().replace("-", "_").split("_")):
        return WITHHELD
    if isinstance(value, dict):
        return {inner: _visible(str(inner), each) for inner, each in value.items()}
    return value


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)


def _described(error: BaseException) -> dict[str, Any]:
    frames = traceback.extract_tb(error.__traceback__)
    described: dict[str, Any] = {
        "type": f"{type(error).__module__}.{type(error).__qualname__}",
        "at": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames],
    }
    if isinstance(error, _SPOKEN_FOR):
        described["message"] = str(error)
    return described


def _dumps(event: Any, **_: Any) -> str:
    # The stream's encoding decides what has to be escaped: a log in CP874 is to be JSON too.
    return json_text(event, encoding=sys.stderr.encoding or "utf-8", indent=None)
