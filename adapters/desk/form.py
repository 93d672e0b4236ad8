"""The form in which a letter is written: what a person typed, as it was typed, and the manifest that it makes.

The manifest is read by the reader of all doors (connectors/folder/manifest.py); a mistake that it names leads back to
the field of the form by `field_of`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Self

from adapters.mailbox import InboxLetter
from bus.thai import now, parse_date, thai_date

TEXTS: Final = (
    "number",
    "date",
    "kind",
    "document_type",
    "speed",
    "secrecy",
    "acknowledgement",
    "due_date",
    "due_time",
    "subject",
    "body",
    "unit",
    "telephone",
    "email",
    "address",
    "reference",
    "replaces_reason",
)
"""The fields of the form that are texts."""
GROUPS: Final[Mapping[str, tuple[str, ...]]] = {
    "signers": ("given_name", "family_name", "job_title", "capacity", "acting_for"),
    "references": ("relation", "number", "date", "dated", "subject", "letter_id"),
    "enclosures": ("description", "quantity", "form", "link"),
}
"""The tables, each with its columns; a field is `signers-1-given_name`."""
_CHOSEN: Final = {"relation", "form"}
"""Columns that are choices: a row in which nothing else is filled in is none."""
_MOST_ROWS: Final = 12
_LONGEST: Final = 200_000
_PLACE: Final = re.compile(r"(\w+)\[(\d+)\]\.(\w+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A letter as it stands in a form."""

    texts: Mapping[str, str] = field(default_factory=dict)
    rows: Mapping[str, tuple[Mapping[str, str], ...]] = field(default_factory=dict)
    to: tuple[str, ...] = ()
    copy: tuple[str, ...] = ()
    replaces: str | None = None
    """The LetterID of the letter that this one stands in for."""

    @classmethod
    def read(cls, content: str) -> Self:
        """Return what a draft keeps."""
        kept = json.loads(content)
        rows = {name: tuple(each) for name, each in kept["rows"].items()}
        return cls(
            texts=kept["texts"],
            rows=rows,
            to=tuple(kept["to"]),
            copy=tuple(kept["copy"]),
            replaces=kept["replaces"],
        )

    def kept(self) -> str:
        """Return it as a draft keeps it."""
        return json.dumps(
            {
                "texts": dict(self.texts),
                "rows": {name: [dict(row) for row in rows] for name, rows in self.rows.items()},
                "to": self.to,
                "copy": self.copy,
                "replaces": self.replaces,
            },
            ensure_ascii=False,
        )

    def with_form(self, form: Mapping[str, str]) -> Self:
        """Return it with what a form says; whom it goes to stands in no field."""
        texts = {name: form[name].strip()[:_LONGEST] for name in TEXTS if form.get(name, "").strip()}
        rows = {name: tuple(_rows_in(form, name, columns)) for name, columns in GROUPS.items()}
        return replace(self, texts=texts, rows=rows)

    def addressed(self, role: str, value: str) -> Self:
        """Return it with one addressee more, in the place of the same one in the other role."""
        found = {name: [each for each in getattr(self, name) if each != value] for name in ("to", "copy")}
        found[role].append(value)
        return replace(self, to=tuple(found["to"]), copy=tuple(found["copy"]))

    def without(self, value: str) -> Self:
        """Return it without an addressee."""
        kept = ([each for each in role if each != value] for role in (self.to, self.copy))
        to, copy = map(tuple, kept)
        return replace(self, to=to, copy=copy)

    def manifest(self, files: list[str]) -> dict[str, Any]:
        """Return the fields of the letter that it asks for, with these files; the first is the letter itself."""
        plain = {
            name: text for name, text in self.texts.items() if not name.startswith(("due_", "replaces_"))
        }
        tables = {name: [dict(row) for row in rows] for name, rows in self.rows.items() if rows}
        due = _due(self.texts.get("due_date", ""), self.texts.get("due_time", ""))
        replaces = self.replaces and {
            "letter_id": self.replaces,
            "reason": self.texts.get("replaces_reason", ""),
        }
        values = {
            "to": list(self.to),
            "copy": list(self.copy),
            "due_by": due,
            "replaces": replaces,
            "files": files,
        }
        return plain | tables | {name: value for name, value in values.items() if value}


def empty() -> Written:
    """A letter of today."""
    return Written(texts={"date": thai_date(now())})


def answer_to(letter: InboxLetter) -> Written:
    """An answer to a letter received: to its sender, with the reference."""
    reference = {
        "relation": "reply",
        "letter_id": letter.letter_id,
        "number": letter.number or "",
        "date": letter.date,
        "subject": (letter.subject or "")[:1000],
    }
    subject = {"subject": letter.subject} if letter.subject else {}
    return replace(
        empty(),
        texts=dict(empty().texts) | subject,
        rows={"references": ({name: text for name, text in reference.items() if text},)},
        to=(str(letter.sender),),
    )


def field_of(where: str) -> str:
    """Return the id of the form's field that a mistake is about: `references[1].date` is `references-1-date`."""
    if found := _PLACE.fullmatch(where):
        return f"{found[1]}-{found[2]}-{found[3]}"
    plain = {"due_by": "due_date", "replaces.reason": "replaces_reason", "copy": "to", "files": "file"}
    named = plain.get(where, where)
    return named if named in (*TEXTS, "to", "file") else "letter"


def _rows_in(form: Mapping[str, str], group: str, columns: tuple[str, ...]) -> list[dict[str, str]]:
    found = []
    for number in range(1, _MOST_ROWS + 1):
        row = {name: form.get(f"{group}-{number}-{name}", "").strip()[:_LONGEST] for name in columns}
        if any(text for name, text in row.items() if name not in _CHOSEN):
            found.append({name: text for name, text in row.items() if text})
    return found


def _due(date: str, time: str) -> str:
    """The time in ISO form; what cannot be read is left as it is, for the reader to refuse it in words."""
    if not date and not time:
        return ""
    try:
        return f"{parse_date(date).isoformat()}T{time or '16:30'}"
    except ValueError:
        return f"{date} {time}".strip()
