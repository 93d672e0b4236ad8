"""The plan by which `xml.py` reads and writes one dataclass: its bindings and types, resolved once and kept."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, is_dataclass
from types import NoneType
from typing import Any, cast, get_args, get_origin, get_type_hints
from uuid import UUID

from bus.documents.binding import Binding
from bus.documents.versions import DocumentVersion
from bus.identifiers import AgencyCode, ContentDigest, RawDigest
from bus.thai import BANGKOK

_FORBIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
"""Control characters but tab and line feed, and what is no character at all. The schema is stricter for most texts."""


@dataclass(frozen=True, slots=True)
class Codec:
    """How a value stands in XML; `write` and `read` raise ValueError for what does not belong there."""

    write: Callable[[Any], str]
    read: Callable[[str], Any]


@dataclass(frozen=True, slots=True)
class AttributeSlot:
    """A field that stands in an attribute."""

    field: str
    name: str
    codec: Codec


@dataclass(frozen=True, slots=True)
class TextSlot:
    """A field that is the text of its element; `kind` is `xml`, `base64` or empty."""

    field: str
    kind: str
    codec: Codec


@dataclass(frozen=True, slots=True)
class Slot:
    """A field that stands in a child element, or in the one element `inner` of that child."""

    field: str
    tag: str
    inner: str
    many: bool
    codec: Codec
    """Of the element's text, where no `plan` nests."""
    plan: Plan | None
    attributes: tuple[AttributeSlot, ...]
    """Fields of the same dataclass that are attributes of this child."""


@dataclass(frozen=True, slots=True)
class Flat:
    """A field whose elements stand directly in its owner's element."""

    field: str
    plan: Plan


@dataclass(frozen=True, slots=True)
class Plan:
    """How one dataclass stands in XML, its parts in element order."""

    cls: type
    attributes: tuple[AttributeSlot, ...]
    text: TextSlot | None
    parts: tuple[Slot | Flat, ...]
    flats: tuple[Flat, ...]
    by_tag: dict[str, tuple[Slot, str]]
    """Tag of a child → its slot and, when that belongs to a flattened field, the name of the field."""
    lacks: dict[str, str]
    """Fields for which this version has no room, each with the name of its element."""


def _written_text(value: str) -> str:
    """The text itself; ValueError when it has a control character or what XML cannot hold."""
    if found := _FORBIDDEN.search(value):
        raise ValueError(f"the character U+{ord(found.group()):04X} is not allowed")
    return value


def _written_moment(value: dt.datetime) -> str:
    if value.utcoffset() is None:
        raise ValueError("a point in time needs its zone")
    return value.astimezone(BANGKOK).isoformat()


def _read_moment(text: str) -> dt.datetime:
    value = dt.datetime.fromisoformat(_collapsed(text))
    if value.utcoffset() != BANGKOK.utcoffset(None):
        raise ValueError("a point in time bears +07:00")
    return value


def _read_number(text: str) -> int:
    digits = _collapsed(text)
    if not (digits.isascii() and digits.isdigit()):
        raise ValueError("a whole number in Arabic digits")
    return int(digits)


def _read_flag(text: str) -> bool:
    word = _collapsed(text)
    if word not in ("true", "false"):
        raise ValueError("true or false")
    return word == "true"


def _collapsed(text: str) -> str:
    """Without the blanks that XML Schema allows around everything that is not a string."""
    return text.strip(" \t\r\n")


_CODECS: dict[Any, Codec] = {
    str: Codec(_written_text, str),
    AgencyCode: Codec(_written_text, AgencyCode),
    ContentDigest: Codec(_written_text, ContentDigest),
    RawDigest: Codec(_written_text, RawDigest),
    int: Codec(str, _read_number),
    bool: Codec(lambda flag: "true" if flag else "false", _read_flag),
    UUID: Codec(str, UUID),
    dt.date: Codec(dt.date.isoformat, lambda text: dt.date.fromisoformat(_collapsed(text))),
    dt.datetime: Codec(_written_moment, _read_moment),
}


_BASE64 = Codec(_written_text, _collapsed)

_PLANS: dict[tuple[type, str], Plan] = {}


def plan_of(cls: type, version: DocumentVersion) -> Plan:
    """The plan of a dataclass in a version of the document that it belongs to."""
    if (cls, version.name) not in _PLANS:
        _PLANS[cls, version.name] = _compiled(cls, version)
    return _PLANS[cls, version.name]


def _compiled(cls: type, version: DocumentVersion) -> Plan:
    types, lacks = get_type_hints(cls), version.lacks(cls)
    declared = ((one.name, cast(Binding, one.metadata["binding"])) for one in fields(cls))
    bound = [(name, at) for name, at in declared if name not in lacks]
    attributes = [
        (at.of, AttributeSlot(name, at.name, _codec(types[name])))
        for name, at in bound
        if at.place == "attribute"
    ]
    texts = [
        TextSlot(name, at.name, _BASE64 if at.name == "base64" else _codec(types[name]))
        for name, at in bound
        if at.place == "text"
    ]
    parts = tuple(
        _part(name, at, types[name], version, tuple(slot for of, slot in attributes if of and of == at.name))
        for name, at in bound
        if at.place in ("element", "flatten")
    )
    return Plan(
        cls=cls,
        attributes=tuple(slot for of, slot in attributes if not of),
        text=texts[0] if texts else None,
        parts=parts,
        flats=tuple(part for part in parts if isinstance(part, Flat)),
        by_tag=dict(_by_tag(parts)),
        lacks=lacks,
    )


def _part(
    field: str, at: Binding, hint: Any, version: DocumentVersion, attributes: tuple[AttributeSlot, ...]
) -> Slot | Flat:
    value_type, many = _unwrapped(hint)
    nested = is_dataclass(value_type)
    plan = plan_of(value_type, version) if nested else None
    if at.place == "flatten" and plan:
        return Flat(field, plan)
    outer, _, inner = at.name.partition("/")
    return Slot(
        field=field,
        tag=f"{{{version.namespace}}}{outer}",
        inner=f"{{{version.namespace}}}{inner}" if inner else "",
        many=many,
        codec=_CODECS[str if plan else value_type],
        plan=plan,
        attributes=attributes,
    )


def _codec(hint: Any) -> Codec:
    return _CODECS[_unwrapped(hint)[0]]


def _unwrapped(hint: Any) -> tuple[Any, bool]:
    """The bare type of a field, and whether it repeats: `X | None` and `tuple[X, ...]` are both X."""
    if get_origin(hint) is tuple:
        return get_args(hint)[0], True
    alternatives = [one for one in get_args(hint) if one is not NoneType]
    return (alternatives[0] if alternatives else hint), False


def _by_tag(parts: tuple[Slot | Flat, ...]) -> Iterator[tuple[str, tuple[Slot, str]]]:
    for part in parts:
        if isinstance(part, Slot):
            yield part.tag, (part, "")
        else:
            yield from ((tag, (slot, part.field)) for tag, (slot, _) in part.plan.by_tag.items())
