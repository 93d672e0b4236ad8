"""What people give on the command line to ask by: a value that is not understood is a mistake of that option."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import ParamSpec, TypeVar

import typer

from bus.directory import Names
from bus.identifiers import AgencyCode, RawDigest
from bus.ledger.reading import Reader
from bus.views import asking
from bus.views.asking import NotUnderstood

_P = ParamSpec("_P")
_T = TypeVar("_T")


def agency(names: Names, text: str | None, option: str) -> AgencyCode | None:
    """Return the code of the agency that is meant; None if nothing was asked for."""
    return _by(option, asking.agency, names, text)


def state(text: str | None) -> str | None:
    """Return the state that is meant by its code, or by its Thai or English name."""
    return _by("--state", asking.state, text)


def speed(text: str | None) -> str | None:
    """Return the code of the speed that is meant: `002`, `ด่วน`, `urgent`."""
    return _by("--speed", asking.speed, text)


def report_name(text: str, known: Mapping[str, object]) -> str:
    """Return the name of a report."""
    return _by("NAME", asking.report_name, text, known)


def dates(text: str | None) -> tuple[str | None, str | None]:
    """Return the first and the last day that are meant (ISO), either of which may be left open."""
    return _by("--date", asking.dates, text)


def words(text: str | None) -> tuple[str, ...]:
    """Return the words that a subject is to have, each once."""
    return _by("--subject", asking.words_in, text)


def refusal(text: str | None) -> str | None:
    """Return the code of a refusal."""
    return _by("--code", asking.refusal, text)


def file(text: str | None, option: str = "--file") -> RawDigest | None:
    """Return the SHA-256 that is meant: itself, or that of a file by its path."""
    return _by(option, asking.file, text)


def certificates(reader: Reader, text: str | None) -> tuple[str, ...]:
    """Return the SHA-256 of every certificate that was ever pinned under this serial number or SHA-256."""
    return _by("--certificate", asking.certificates, reader, text)


def finite(value: float) -> float:
    """Let a number of hours pass that is one."""
    if not math.isfinite(value):
        raise typer.BadParameter(f"{value} is no number of hours")
    return value


def _by(option: str, understand: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    try:
        return understand(*args, **kwargs)
    except NotUnderstood as wrong:
        raise typer.BadParameter(str(wrong), param_hint=option) from wrong
