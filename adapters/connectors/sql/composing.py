"""From a row of the office to the letter or the act that it asks for; every mistake is told at once."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from adapters.connectors.folder.acts import read_act
from adapters.connectors.folder.manifest import Fields
from adapters.connectors.folder.parsing import fields_of, parse
from adapters.connectors.sql.codes import CodeMaps
from adapters.connectors.sql.model import FORMS, Kind
from adapters.connectors.sql.values import Writing
from adapters.mailbox.acts import Act, Verb
from adapters.mailbox.mistakes import Mistake, Mistaken

_LISTED = re.compile(r"[,;\s]+")
_CODED = {"speed": "speed", "secrecy": "secrecy", "kind": "kinds"}
_AGENCIES = ("suggested_receiver", "letter_sender")
_LISTS = ("to", "copy", "recipients")
_SIGNER = ("given_name", "family_name", "job_title")
_NOT_SAID = ("key", "status", "claimed_by", "file_count", "recipient_count", "more", "verb")
"""Fields that are about the row, and not what it says."""


class Composer:
    """Reads rows as one office writes them."""

    def __init__(self, writing: Writing, codes: CodeMaps) -> None:
        self._writing, self._codes = writing, codes

    def letter(self, row: Mapping[str, Any], recipients: list[tuple[Any, Any]]) -> Fields:
        """The fields of a letter, as a manifest has them; `recipients` are those of a table, with their roles."""
        mistakes: list[Mistake] = []
        values = self._values("outbox", row, mistakes)
        for agency, role in recipients:
            self._add_recipient(values, agency, role, mistakes)
        signer = {each: values.pop(f"signer_{each}", None) for each in _SIGNER}
        if any(signer.values()):
            values["signers"] = [signer]
        more = self._text("more", row.get("more"), mistakes)
        if more is not None:
            manifest = parse("more_fields.json", more.encode(errors="surrogatepass"))
            mistakes += manifest.mistakes
            for name, value in (manifest.values or {}).items():
                if name in values:
                    mistakes.append(
                        Mistake(name, "ระบุซ้ำใน more_fields", "is given twice: in more_fields too")
                    )
                values.setdefault(name, value)
        return _fields(values, mistakes)

    def act(self, row: Mapping[str, Any], reference: str) -> Act:
        """The act that a row asks for. Raises Mistaken."""
        mistakes: list[Mistake] = []
        values = self._values("acts", row, mistakes)
        values.setdefault("reference", reference)
        word = self._text("verb", row.get("verb"), mistakes)
        try:
            verb = Verb(word or "")
        except ValueError as exc:
            known = ", ".join(Verb)
            mistakes.append(Mistake("verb", f"ไม่รู้จัก ใช้ได้: {known}", f"is not known; known: {known}"))
            raise Mistaken(*mistakes) from exc
        return read_act(_fields(values, mistakes), verb)

    def _values(self, role: str, row: Mapping[str, Any], mistakes: list[Mistake]) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for field, raw in row.items():
            if field in _NOT_SAID or raw is None:
                continue
            value: Any = self._read(FORMS[role].column(field).kind, field, raw, mistakes)
            if value is None:
                continue
            if field in _LISTS:
                value = [self._codes.outward("agencies", each) for each in _LISTED.split(value) if each]
            elif field in _AGENCIES:
                value = self._codes.outward("agencies", value)
            elif field in _CODED:
                value = self._codes.outward(_CODED[field], value)
            values[field] = value
        return values

    def _read(self, kind: Kind, field: str, raw: Any, mistakes: list[Mistake]) -> Any:
        readers: Mapping[Kind, Callable[[Any], Any]] = {
            Kind.DATE: self._writing.day,
            Kind.MOMENT: self._writing.moment,
            Kind.NUMBER: _whole,
        }
        reader: Callable[[Any], Any] = readers.get(kind, self._writing.text)
        try:
            return reader(raw)
        except ValueError:
            page = self._writing.code_page
            th, en = (f"อ่านเป็น {page} ไม่ได้", f"is no {page} text") if kind is not Kind.NUMBER else _NO_NUMBER
            mistakes.append(Mistake(field, th, en))
            return None

    def _text(self, field: str, raw: Any, mistakes: list[Mistake]) -> str | None:
        found: str | None = self._read(Kind.TEXT, field, raw, mistakes)
        return found

    def _add_recipient(self, values: dict[str, Any], agency: Any, role: Any, mistakes: list[Mistake]) -> None:
        code = self._text("to", agency, mistakes)
        way = self._text("to", role, mistakes) or "to"
        if way not in ("to", "copy"):
            mistakes.append(Mistake("to", "บทบาทผู้รับต้องเป็น to หรือ copy", "the recipient's role is to or copy"))
        elif code is not None:
            values.setdefault(way, []).append(self._codes.outward("agencies", code))


def _whole(value: Any) -> int:
    return int(value)


_NO_NUMBER = ("ต้องเป็นจำนวนเต็ม", "must be a whole number")


def _fields(values: Mapping[str, Any], mistakes: list[Mistake]) -> Fields:
    fields = fields_of(values)
    fields.mistakes.extend(mistakes)
    return fields
