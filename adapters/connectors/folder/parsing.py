"""From the bytes of a manifest to its fields: TOML or JSON, which say the same when they hold the same.

Line ends are one thing, however they were written; what is named twice is a mistake; no text holds what no letter may.
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from adapters.connectors.folder.contents import LETTER, kind_of
from adapters.connectors.folder.folders import Folder
from adapters.connectors.folder.manifest import Fields
from adapters.connectors.folder.names import readable
from adapters.mailbox.mistakes import Mistake, Mistaken
from bus.text import printable

MOST_BYTES = 1_048_576
_PART = r"""(?:[A-Za-z0-9_-]++|"[^"\n]*+"|'[^'\n]*+')"""
_LONG_KEY = re.compile(rf"(?<![A-Za-z0-9_-]){_PART}(?:[ \t]*+\.[ \t]*+{_PART}){{32}}")
"""A dotted key of more parts than any manifest needs: tomllib takes time by the square of their number."""
_LINE_END = re.compile("\r\n?")
_NOT_IN_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""XML 1.0, production 2 (Char)."""


class _Twice(ValueError):
    """A JSON object names something twice; which one counts differs from reader to reader (RFC 8259, section 4)."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a manifest of these bytes says: `values` and the mistakes in them, or None and why it cannot be read."""

    name: str
    raw_sha256: bytes
    values: Mapping[str, Any] | None
    mistakes: tuple[Mistake, ...]

    def is_of(self, name: str, raw: bytes) -> bool:
        """Whether these are the bytes that were parsed."""
        return (self.name, self.raw_sha256) == (name, hashlib.sha256(raw).digest())

    def fields(self) -> Fields:
        """Its fields, none of them asked for yet; Mistaken if it cannot be read."""
        if self.values is None:
            raise Mistaken(*self.mistakes)
        return Fields(self.values, list(self.mistakes))

    def files(self) -> tuple[str, ...]:
        """The names under a letter's `files`, without a judgement on them."""
        listed = (self.values or {}).get("files") if kind_of(self.name) == LETTER else None
        names = [listed] if isinstance(listed, str) else listed if isinstance(listed, list) else []
        return tuple(each.strip() for each in names if isinstance(each, str))


def read_manifest(folder: Folder, name: str, known: Manifest | None = None) -> Manifest:
    """What a manifest says now, the one known if of these bytes; Mistaken if it is no plain file of a small size."""
    raw = folder.read(name, MOST_BYTES)
    return known if known is not None and known.is_of(name, raw) else parse(name, raw)


def parse(name: str, raw: bytes) -> Manifest:
    """What these bytes say; what is wrong with them is a part of it."""
    is_json = name.lower().endswith(".json")
    kind, shown = "JSON" if is_json else "TOML", readable(name)
    values = None
    try:
        text = raw.decode("utf-8-sig")
        found = _json(text) if is_json else _toml(text)
        if isinstance(found, dict):
            fields = fields_of(found)
            values, mistakes = fields.values, tuple(fields.mistakes)
        else:
            mistakes = (Mistake(shown, "ต้องเป็นตารางของช่องข้อมูล", "must be a table of fields"),)
    except UnicodeDecodeError:
        mistakes = (Mistake(shown, "ไฟล์ต้องเข้ารหัสแบบ UTF-8", "must be UTF-8"),)
    except _Twice as exc:
        mistakes = (Mistake(printable(exc), "ระบุซ้ำ", "is given twice"),)
    except (ValueError, RecursionError) as exc:
        why = printable(exc)
        mistakes = (Mistake(shown, f"อ่านไม่ได้ว่าเป็น {kind}: {why}", f"is no {kind}: {why}"),)
    return Manifest(name, hashlib.sha256(raw).digest(), values, mistakes)


def fields_of(values: Mapping[str, Any]) -> Fields:
    """Fields with these values, from a manifest or from a command line."""
    mistakes: list[Mistake] = []
    return Fields(_clean(values, "", mistakes), mistakes)


def _clean(value: Any, place: str, mistakes: list[Mistake]) -> Any:
    """The value with one kind of line end and nothing left empty by `null`; what no letter may hold is noted."""
    if isinstance(value, Mapping):
        dot = f"{place}." if place else ""
        cleaned = {}
        for name in sorted(value):
            _require_characters(name, dot + name, mistakes)
            if value[name] is not None:
                cleaned[name] = _clean(value[name], dot + name, mistakes)
        return cleaned
    if isinstance(value, list):
        return [_clean(each, place, mistakes) for each in value]
    if isinstance(value, str):
        _require_characters(value, place, mistakes)
        return _LINE_END.sub("\n", _NOT_IN_XML.sub("\ufffd", value))
    return value


def _require_characters(text: str, place: str, mistakes: list[Mistake]) -> None:
    if found := _NOT_IN_XML.search(text):
        point = f"U+{ord(found[0]):04X}"
        th, en = "มีอักขระที่หนังสือมีไม่ได้", "holds a character that no letter may hold"
        mistakes.append(Mistake(printable(place), f"{th} ({point})", f"{en} ({point})"))


def _toml(text: str) -> Any:
    if _LONG_KEY.search(text):
        raise ValueError("a key has more than 32 parts")
    return tomllib.loads(text)


def _json(text: str) -> Any:
    return json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise _Twice(name)
        found[name] = value
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no value of JSON")
