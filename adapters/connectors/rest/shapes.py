"""The form of what is asked and answered, as the OpenAPI document states it.

What an office writes is stated here and judged by the manifests' own reader, which tells every mistake at once and in
Thai and English; what is answered is checked against these models.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from adapters.connectors.rest.problems import MEDIA_TYPE, STATUSES
from adapters.mailbox.acts import Verb

_TEXT: dict[str, Any] = {"type": "string"}
_TEXTS: dict[str, Any] = {"type": "array", "items": _TEXT}
_AGENCIES: dict[str, Any] = {"type": "array", "items": {"type": "string", "pattern": "^[0-9]{10}$"}}


def _table(*required: str, **fields: Any) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "properties": fields, "required": list(required)}


_SIGNER = _table(
    "given_name",
    "family_name",
    "job_title",
    given_name=_TEXT,
    family_name=_TEXT,
    job_title=_TEXT,
    capacity=_TEXT,
    acting_for=_TEXT,
)
_REFERENCE = _table(relation=_TEXT, letter_id=_TEXT, number=_TEXT, date=_TEXT, dated=_TEXT, subject=_TEXT)
_ENCLOSURE = _table("description", description=_TEXT, quantity=_TEXT, form=_TEXT, link=_TEXT)
_REPLACES = _table("reason", reason=_TEXT, letter_id=_TEXT, reference=_TEXT, number=_TEXT, date=_TEXT)

_LETTER = _table(
    "date",
    "subject",
    "files",
    number={"type": "string", "maxLength": 100, "description": "ที่ · the letter's number, as displayed"},
    date={"type": "string", "description": "2026-11-22, 22/11/2569 or 22 พฤศจิกายน 2569"},
    subject={"type": "string", "minLength": 1, "maxLength": 1000},
    to={**_TEXTS, "description": "codes of ten digits, group:<id>, topic:<id>"},
    copy=_TEXTS,
    files={**_TEXTS, "minItems": 1, "description": "names; the first is the letter itself"},
    kind=_TEXT,
    sub_kind=_TEXT,
    document_type=_TEXT,
    speed=_TEXT,
    secrecy=_TEXT,
    acknowledgement={"enum": ["registration", "receipt"]},
    due_by={"type": "string", "description": "2026-11-30T16:30:00"},
    retention=_TEXT,
    body=_TEXT,
    reference={
        "type": "string",
        "maxLength": 100,
        "description": "the office's own key; it comes back with all news",
    },
    letter_id={"type": "string", "format": "uuid"},
    unit=_TEXT,
    telephone=_TEXT,
    email=_TEXT,
    address=_TEXT,
    signers={"type": "array", "items": _SIGNER},
    references={"type": "array", "items": _REFERENCE},
    enclosures={"type": "array", "items": _ENCLOSURE},
    replaces=_REPLACES,
)
_ACT = _table(
    letter_id={"type": "string", "format": "uuid"},
    letter_number=_TEXT,
    letter_date=_TEXT,
    letter_sender=_TEXT,
    letter_reference=_TEXT,
    number={"type": "string", "description": "เลขรับ · the receiving number"},
    registered_at=_TEXT,
    year={"type": "integer", "description": "พ.ศ."},
    unit=_TEXT,
    officer=_TEXT,
    officer_title=_TEXT,
    reason={"type": "string", "maxLength": 1000},
    reason_en={"type": "string", "maxLength": 1000},
    reason_code=_TEXT,
    suggested_receiver=_AGENCIES["items"],
    recipients=_AGENCIES,
    means=_TEXT,
    means_reference=_TEXT,
    reference={"type": "string", "maxLength": 100},
)

LetterBody = Annotated[dict[str, Any], WithJsonSchema(_LETTER)]
ActBody = Annotated[dict[str, Any], WithJsonSchema(_ACT)]
VERBS = tuple(str(verb) for verb in Verb)


class Shape(BaseModel):
    """A form in which nothing is unknown."""

    model_config = ConfigDict(extra="forbid")


class MistakeShape(Shape):
    """One mistake, in both languages."""

    where: str
    th: str
    en: str


class ProblemShape(Shape):
    """Problem details (RFC 9457)."""

    type: str
    title: str
    title_th: str
    status: int
    code: str
    detail: str
    detail_th: str
    instance: str
    mistakes: list[MistakeShape]


class LetterShape(Shape):
    """A letter that this office writes or has sent."""

    id: str
    state: str
    """`draft`, or the state of the letter: waiting, sealed, sent, accepted, refused, parked."""
    files: dict[str, bool]
    """Each file that the letter names, and whether it is here."""
    letter: dict[str, Any] | None
    """Once it is submitted: with the bus's answer and every recipient's state."""


class FileShape(Shape):
    """A file that is here."""

    name: str
    sha256: str
    size: int


class InboxItemShape(Shape):
    """A letter that was received and waits to be taken."""

    consignment: int
    letter_id: str
    sender: str
    number: str | None
    subject: str | None
    leased: bool
    missing_files: list[str]


class InboxShape(Shape):
    """The letters that wait, the oldest first; `next` is where to look on, None at the end."""

    items: list[InboxItemShape]
    next: int | None


class LeaseAsked(Shape):
    """How long a letter is to be kept from other programs."""

    seconds: int = Field(default=300, ge=1, le=3600)


class LeaseShape(Shape):
    """A lease: to be given back with the acknowledgement."""

    lease: str
    until: str


class Acknowledged(Shape):
    """The office has the letter durably."""

    lease: str = Field(max_length=100)
    local_id: str | None = Field(default=None, max_length=100, pattern=r"^[^\x00-\x1f\x7f]*$")
    """The office's own key of it; it comes back with all news about it."""


class EventsShape(Shape):
    """News in order; `cursor` is what to ask with next."""

    events: list[dict[str, Any]]
    cursor: int
    more: bool


class CheckShape(Shape):
    """What the bus would refuse."""

    would_be_refused: bool
    reasons: list[dict[str, Any]]
    warnings: list[dict[str, Any]]
    """What is no reason to refuse, and worth a second look."""
    recipients: list[dict[str, Any]]


class AgencyShape(Shape):
    """An agency of the directory."""

    code: str
    name_th: str
    name_en: str
    abbrev_th: str
    abbrev_en: str
    state: str
    inbox_of: str | None
    """At whose inbox its letters arrive."""


class GroupShape(Shape):
    """A group of agencies that one receiver may stand for."""

    id: str
    name_th: str
    name_en: str
    members: list[str]


class AddresseeShape(Shape):
    """Whom a letter can name."""

    kind: str
    """`agency`, `group` or `topic`."""
    value: str
    name_th: str
    name_en: str
    abbrev_th: str
    members: int
    """How many agencies it stands for."""
    suspended: bool


_SCHEMA = {"$ref": "#/components/schemas/ProblemShape"}
PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"description": "problem details", "content": {MEDIA_TYPE: {"schema": _SCHEMA}}}
    for status in STATUSES
}
"""What every request may be answered with."""
