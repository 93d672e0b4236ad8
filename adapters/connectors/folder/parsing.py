"""From the bytes of a manifest to its fields: TOML or JSON, which say the same when they hold the same.

Line ends are one thing, however they were written; what is named twice is a mistake; no text holds what no letter may.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from typing import Any, NoReturn

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


def read_manifest(folder: Folder, name: str) -> Fields:
    """The fields of a manifest file; Mistaken when it is neither TOML nor JSON, or no plain file of a small size."""
    raw = folder.read(name, MOST_BYTES)
    is_json = name.lower().endswith(".json")
    kind, shown = "JSON" if is_json else "TOML", readable(name)
    try:
        text = raw.decode("utf-8-sig")
        values = _json(text) if is_json else _toml(text)
        if isinstance(values, dict):
            return fields_of(values)
    except UnicodeDecodeError as exc:
        raise Mistaken(Mistake(shown, "ไฟล์ต้องเข้ารหัสแบบ UTF-8", "must be UTF-8")) from exc
    except _Twice as exc:
        raise Mistaken(Mistake(printable(exc), "ระบุซ้ำ", "is given twice")) from exc
    except (ValueError, RecursionError) as exc:
        why = printable(exc)
        raise Mistaken(Mistake(shown, f"อ่านไม่ได้ว่าเป็น {kind}: {why}", f"is no {kind}: {why}")) from exc
    raise Mistaken(Mistake(shown, "ต้องเป็นตารางของช่องข้อมูล", "must be a table of fields"))


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
