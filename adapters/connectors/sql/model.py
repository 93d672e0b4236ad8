"""The tables of the exchange as data: what each column is for, how wide it should be, and what is done with it.

The names are the recommended ones; the settings give an office's own. A column that is not needed may be left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Kind(StrEnum):
    """What a column holds."""

    TEXT = "text"
    LONG = "long"
    NUMBER = "number"
    DATE = "date"
    MOMENT = "moment"
    BLOB = "blob"


class Use(StrEnum):
    """What the door does with a column."""

    READ = "read"
    INSERT = "insert"
    UPDATE = "update"


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its field, by which the settings speak of it, and its recommended name."""

    field: str
    kind: Kind
    uses: tuple[Use, ...]
    size: int = 0
    """Characters, of TEXT."""
    name: str = ""
    needed: bool = False

    @property
    def usual(self) -> str:
        """The name that it has unless the settings say otherwise."""
        return self.name or self.field


@dataclass(frozen=True, slots=True)
class Form:
    """A table: `key` are the fields that say which row it is."""

    role: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]

    @property
    def usual(self) -> str:
        """The name that it has unless the settings say otherwise."""
        return f"saraban_{self.role}"

    def column(self, field: str) -> Column:
        """The column of a field."""
        return next(each for each in self.columns if each.field == field)

    @property
    def fields(self) -> tuple[str, ...]:
        """All of them."""
        return tuple(each.field for each in self.columns)

    @property
    def set(self) -> tuple[str, ...]:
        """Those that the door changes in a row of the office's."""
        return tuple(each.field for each in self.columns if Use.UPDATE in each.uses)

    @property
    def read(self) -> tuple[str, ...]:
        """Those that the door reads; it may have no right to read others."""
        return tuple(each.field for each in self.columns if Use.READ in each.uses)


_R, _W = (Use.READ,), (Use.INSERT,)
_RU, _RW, _U = (Use.READ, Use.UPDATE), (Use.READ, Use.INSERT), (Use.UPDATE,)


def _text(
    field: str, size: int, uses: tuple[Use, ...] = _R, name: str = "", *, needed: bool = False
) -> Column:
    return Column(field, Kind.TEXT, uses, size, name, needed)


def _other(
    field: str, kind: Kind, uses: tuple[Use, ...] = _R, name: str = "", *, needed: bool = False
) -> Column:
    return Column(field, kind, uses, 0, name, needed)


def _claimed(key: str) -> tuple[Column, ...]:
    """What a table has from which the door takes rows, under a key of the office's own."""
    return (
        _text("key", 100, name=key, needed=True),
        _text("status", 20, _RU, needed=True),
        _text("claimed_by", 40, _RU, needed=True),
        _other("problem", Kind.LONG, _U),
    )


_OUTBOX = Form(
    "outbox",
    ("key",),
    (
        *_claimed("letter_key"),
        _other("entry", Kind.NUMBER, _U, "ledger_entry"),
        _text("letter_id", 36, _U),
        _other("file_count", Kind.NUMBER),
        _other("recipient_count", Kind.NUMBER),
        _text("reference", 100),
        _text("number", 100, name="letter_number"),
        _other("date", Kind.DATE, name="letter_date", needed=True),
        _text("subject", 1000, needed=True),
        _other("to", Kind.LONG, name="send_to"),
        _other("copy", Kind.LONG, name="copy_to"),
        _text("kind", 40, name="letter_kind"),
        _text("speed", 40),
        _text("secrecy", 40),
        _text("acknowledgement", 20),
        _other("due_by", Kind.MOMENT),
        _other("body", Kind.LONG),
        _text("unit", 255),
        _text("telephone", 100),
        _text("email", 255),
        _text("address", 500),
        _text("signer_given_name", 255),
        _text("signer_family_name", 255),
        _text("signer_job_title", 255),
        _other("more", Kind.LONG, name="more_fields"),
    ),
)
_OUTBOX_FILES = Form(
    "outbox_files",
    ("letter", "position"),
    (
        _text("letter", 100, name="letter_key", needed=True),
        _other("position", Kind.NUMBER, name="file_position", needed=True),
        _text("name", 255, name="file_name", needed=True),
        _other("size", Kind.NUMBER, name="file_size"),
        _other("content", Kind.BLOB),
        _text("path", 500, name="file_path"),
    ),
)
_RECIPIENTS = Form(
    "outbox_recipients",
    ("letter", "agency"),
    (
        _text("letter", 100, name="letter_key", needed=True),
        _text("agency", 100, needed=True),
        _text("role", 4, name="recipient_role"),
    ),
)
_INBOX = Form(
    "inbox",
    ("consignment",),
    (
        _other("consignment", Kind.NUMBER, _RW, needed=True),
        _text("letter_id", 36, _W, needed=True),
        _text("status", 20, _W),
        _text("local_id", 100, _R),
        _text("sender", 20, _W, needed=True),
        _text("sender_name", 255, _W),
        _text("addressed_to", 20, _W),
        _text("number", 100, _W, "letter_number"),
        _other("date", Kind.DATE, _W, "letter_date"),
        _text("subject", 1000, _W),
        _text("kind", 40, _W, "letter_kind"),
        _text("speed", 40, _W),
        _text("secrecy", 40, _W),
        _other("body", Kind.LONG, _W),
        _other("delivered_at", Kind.MOMENT, _W),
        _other("file_count", Kind.NUMBER, _W),
        _other("document", Kind.BLOB, _W),
        _other("content", Kind.LONG, _W),
    ),
)
_INBOX_FILES = Form(
    "inbox_files",
    ("consignment", "position"),
    (
        _other("consignment", Kind.NUMBER, _W, needed=True),
        _other("position", Kind.NUMBER, _W, "file_position", needed=True),
        _text("name", 255, _W, "file_name", needed=True),
        _text("media_type", 100, _W),
        _other("size", Kind.NUMBER, _W, "file_size"),
        _text("sha256", 64, _W),
        _other("content", Kind.BLOB, _W),
        _text("path", 500, _W, "file_path"),
    ),
)
_EVENTS = Form(
    "events",
    ("key",),
    (
        _text("key", 60, _RW, "event_key", needed=True),
        _other("item", Kind.NUMBER, _W, "item_number"),
        _text("event", 40, _W, needed=True),
        _text("reference", 300, _W, needed=True),
        _text("local_key", 100, _W),
        _text("letter_id", 36, _W),
        _other("consignment", Kind.NUMBER, _W),
        _text("agency", 20, _W),
        _text("agency_name", 255, _W),
        _text("receiving_number", 100, _W),
        _text("code", 60, _W, "reason_code"),
        _other("happened_at", Kind.MOMENT, _W),
        _other("text_th", Kind.LONG, _W),
        _other("text_en", Kind.LONG, _W),
        _other("content", Kind.LONG, _W),
    ),
)
_ACTS = Form(
    "acts",
    ("key",),
    (
        *_claimed("act_key"),
        _text("verb", 20, needed=True),
        _text("reference", 100),
        _text("letter_id", 36),
        _text("letter_reference", 100),
        _text("letter_number", 100),
        _other("letter_date", Kind.DATE),
        _text("letter_sender", 20),
        _text("number", 100, name="receiving_number"),
        _other("registered_at", Kind.MOMENT),
        _other("year", Kind.NUMBER, name="register_year"),
        _text("unit", 255),
        _text("officer", 255),
        _text("officer_title", 255),
        _text("reason", 1000, name="reason_th"),
        _text("reason_en", 1000),
        _text("reason_code", 60),
        _text("suggested_receiver", 20),
        _other("recipients", Kind.LONG),
        _text("means", 40),
        _text("means_reference", 255),
    ),
)

FORMS: Final[Mapping[str, Form]] = MappingProxyType(
    {form.role: form for form in (_OUTBOX, _OUTBOX_FILES, _RECIPIENTS, _INBOX, _INBOX_FILES, _EVENTS, _ACTS)}
)
OUTWARD: Final = ("outbox", "outbox_files", "outbox_recipients", "acts")
INWARD: Final = ("inbox", "inbox_files", "events")
OPTIONAL: Final = ("outbox_recipients",)
"""Tables that are used where they are there, without being asked for by name."""


class Status(StrEnum):
    """What stands in `status`; the office writes the first, the door all others."""

    READY = "ready"
    CLAIMED = "claimed"
    TAKEN = "taken"
    FAILED = "failed"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    PARKED = "parked"
    NEW = "new"
    """Of a letter received."""

    @classmethod
    def of(cls, state: str) -> Status:
        """What the office's row is told of a state of the outbox."""
        return cls(state) if state in (cls.ACCEPTED, cls.REFUSED, cls.PARKED) else cls.TAKEN
