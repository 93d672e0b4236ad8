"""The code lists: what each code means in Thai and English, as data in `config/codes`.

The schema bounds the form of a code and these lists its values, so that a new value needs no new schema.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Final, TypeVar

from bus import assets
from bus.errors import Misconfigured, Problem, RefusalCode
from bus.toml import Table, read_toml

ETSI_EVENT: Final = "http://uri.etsi.org/19522/Event/"
"""What the name of an ETSI event is appended to (ETSI EN 319 522-3)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """One value of a code list, in words."""

    value: str
    th: str
    en: str
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaType(Code):
    """A kind of file that letters may carry; its value is the media type."""

    ext: tuple[str, ...]
    """File name extensions without the dot, the usual one first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventName(Code):
    """What an event of a notice is called."""

    etsi: str | None = None
    """The name of the same event in ETSI EN 319 522-3, where there is one."""

    @property
    def uri(self) -> str | None:
        """The URI of the ETSI event."""
        return ETSI_EVENT + self.etsi if self.etsi else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Advised(Code):
    """Why a submission is refused, or what keeps an adapter from working, and what can be done about it."""

    advice_th: str
    advice_en: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Codes:
    """All code lists of a deployment."""

    speed: Mapping[str, Code]
    secrecy: Mapping[str, Code]
    kinds: Mapping[str, Code]
    relations: Mapping[str, Code]
    media_types: Mapping[str, MediaType]
    events: Mapping[str, EventName]
    refusals: Mapping[str, Advised]
    clerk_reasons: Mapping[str, Code]
    conditions: Mapping[str, Advised]
    ministries: Mapping[str, Code]
    """By the first two digits of their agencies' codes."""

    def refusal(self, code: RefusalCode) -> Advised:
        """The words for a refusal."""
        return self.refusals[code.value]

    def media_type_of(self, file_name: str) -> MediaType | None:
        """The media type that a file's name claims, by its extension; None for one that letters may not carry."""
        _, dot, extension = file_name.rpartition(".")
        found = (each for each in self.media_types.values() if dot and extension.lower() in each.ext)
        return next(found, None)


_C = TypeVar("_C", bound=Code)
_DIGITS: Final = r"[0-9]{3}"
_TWO_DIGITS: Final = r"[0-9]{2}"
_WORD: Final = r"[a-z][a-z0-9-]*(\.[a-z0-9-]+)?"
_MEDIA: Final = r"[a-z]+/[a-z0-9][a-z0-9.+-]*"


def load_codes(folder: Path | None = None) -> Codes:
    """The code lists in a folder, or those that ship with the bus; Misconfigured with the mistakes of all files."""
    return _shipped() if folder is None else _load(folder)


@cache
def _shipped() -> Codes:
    return _load(assets.path("config/codes"))


@cache
def _load(folder: Path) -> Codes:
    problems: list[Problem] = []

    def listed(
        name: str, like: str, build: Callable[[str, Table], _C], must: Iterable[str] = ()
    ) -> Mapping[str, _C]:
        try:
            return _list(folder / f"{name}.toml", like, build, must)
        except Misconfigured as exc:
            problems.extend(exc.problems)
            return {}

    codes = Codes(
        speed=listed("speed", _DIGITS, _code),
        secrecy=listed("secrecy", _DIGITS, _code),
        kinds=listed("kinds", _WORD, _code),
        relations=listed("relations", _WORD, _code),
        media_types=listed("media_types", _MEDIA, _media_type),
        events=listed("events", _WORD, _event),
        refusals=listed("refusals", _WORD, _advised, must=RefusalCode),
        clerk_reasons=listed("clerk_reasons", _WORD, _code),
        conditions=listed("conditions", _WORD, _advised),
        ministries=listed("ministries", _TWO_DIGITS, _code),
    )
    if problems:
        raise Misconfigured(*problems)
    return codes


def _list(path: Path, like: str, build: Callable[[str, Table], _C], must: Iterable[str]) -> Mapping[str, _C]:
    table = read_toml(path)
    found = {}
    for value, entry in table.named_tables(like=like, meant="the code, in quotation marks if it holds a dot"):
        found[value] = build(value, entry)
        entry.close()
    expected = {str(value) for value in must}
    for value in sorted(expected - found.keys()):
        table.wrong(value, "is missing", "Add it: the program uses this code")
    for value in sorted(found.keys() - expected if expected else ()):
        table.wrong(value, "is no code of the program", "Remove it")
    if not found:
        table.wrong("(list)", "is empty", "Add the codes")
    table.mistakes.raise_any()
    return MappingProxyType(found)


def _names(value: str, entry: Table) -> dict[str, str]:
    return {
        "value": value,
        "th": entry.text("th", meant="its name in Thai"),
        "en": entry.text("en", meant="its name in English"),
        "note": entry.optional_text("note", meant="a remark") or "",
    }


def _code(value: str, entry: Table) -> Code:
    return Code(**_names(value, entry))


def _media_type(value: str, entry: Table) -> MediaType:
    extensions = entry.texts("ext", like=r"[a-z0-9]+", meant="an extension in small letters, without the dot")
    if not entry.values.get("ext"):
        entry.wrong("ext", "names none", "Name the extensions of such files, the usual one first")
    return MediaType(**_names(value, entry), ext=extensions)


def _event(value: str, entry: Table) -> EventName:
    etsi = entry.optional_text("etsi", like=r"[A-Za-z]+", meant="the name of an ETSI event")
    return EventName(**_names(value, entry), etsi=etsi)


def _advised(value: str, entry: Table) -> Advised:
    return Advised(
        **_names(value, entry),
        advice_th=entry.text("advice_th", meant="in Thai, what can be done"),
        advice_en=entry.text("advice_en", meant="in English, what can be done"),
    )
