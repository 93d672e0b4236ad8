"""A letter, as it travels: all versions of letter/1 as frozen values.

Field order is element order. `xml.py` derives reading and writing from these declarations, and the schema in
`xsd/letter` states the bounds. Element names follow the national e-CMS standard where the meaning is the same.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from uuid import UUID

from bus.documents.binding import attribute, element, flatten, text
from bus.identifiers import AgencyCode, ContentDigest, RawDigest


@dataclass(frozen=True, slots=True, kw_only=True)
class Extension:
    """Content of another namespace; a reader that must understand it and does not has to refuse the document."""

    must_understand: bool = attribute("mustUnderstand")
    content: str = text("xml")
    """One element of another namespace, as a string of XML."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    telephone: str | None = element("Telephone", default=None)
    email: str | None = element("Email", default=None)
    address: str | None = element("Address", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """The sending agency as it stood when the letter was written: a snapshot, not an identity."""

    agency: AgencyCode = element("DepartmentOrganization/ID")
    """Ten digits: two of the ministry, three of the department, five of the sub-unit."""
    name: str = element("Name")
    unit: str | None = element("UnitName", default=None)
    contact: Contact | None = element("Contact", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """An officer who signed the letter; the signature over the document is the agency's, not the officer's."""

    given_name: str = element("GivenName")
    family_name: str = element("FamilyName")
    job_title: str = element("JobTitle")
    capacity: str | None = element("Capacity", default=None)
    acting_for: str | None = element("ActingFor", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """One addressee: exactly one of agency, group and topic."""

    agency: AgencyCode | None = element("DepartmentOrganization/ID", default=None)
    group: str | None = element("GroupID", default=None)
    topic: str | None = element("TopicID", default=None)
    role: str = element("RoleCode", default="to")
    """`to`, or `copy` (สำเนาส่ง)."""
    unit: str | None = element("UnitName", default=None)
    job_title: str | None = element("JobTitle", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Replaces:
    """The refused or withdrawn letter that this one stands in for."""

    letter_id: UUID = element("LetterID")
    digest: ContentDigest = element("LetterDigest")
    reason: str = element("Reason")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """อ้างถึง: an earlier letter; `dated` takes what a date field cannot, for old letters have odd dates."""

    relation: str = element("RelationCode")
    letter_id: UUID | None = element("LetterID", default=None)
    number: str | None = element("ID", default=None)
    date: dt.date | None = element("CorrespondenceDate", default=None)
    dated: str | None = element("DateText", default=None)
    subject: str | None = element("Subject", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Enclosure:
    """สิ่งที่ส่งมาด้วย: a line of the list of enclosures; it may come as a file, on paper or as a link."""

    description: str = element("Text")
    quantity: str | None = element("Quantity", default=None)
    form: str = element("FormCode", default="file")
    """`file`, `physical` or `link`."""
    link: str | None = element("Link", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file by reference: the signature covers its digest, the depot holds its bytes."""

    name: str = element("Name")
    size: int = element("Size")
    """Bytes."""
    digest: RawDigest = element("Digest")
    """Lower-case hexadecimal SHA-256."""
    algorithm: str = attribute("algorithm", of="Digest", default="SHA-256")
    media_type: str = attribute("mimeCode")


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What a letter says, when it is not sealed."""

    subject: str = element("Subject")
    signers: tuple[Signer, ...] = element("SignerParty", default=())
    references: tuple[Reference, ...] = element("ReferenceCorrespondence", default=())
    enclosures: tuple[Enclosure, ...] = element("Attachment", default=())
    body: str | None = element("Description", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedContent:
    """What a letter says, encrypted for its recipients; the bus carries it unread."""

    algorithm: str = attribute("algorithm")
    ciphertext: str = text("base64")


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One letter, to every addressee at once."""

    letter_id: UUID = element("LetterID")
    number: str | None = element("ID", default=None)
    """ที่, as displayed; the normalised form is derived (`bus.thai.normalise_number`), never carried."""
    date: dt.date = element("CorrespondenceDate")
    sent_at: dt.datetime = element("SendDate")
    kind: str = element("KindCode")
    sub_kind: str | None = element("SubKindCode", default=None)
    document_type: str | None = element("DocumentTypeCode", since="1.1", default=None)
    """A finer kind of document beside `kind`, such as `minutes` or `order`."""
    secrecy: str = element("SecretCode", default="001")
    speed: str = element("SpeedCode", default="001")
    acknowledgement: str = element("AcknowledgementCode", default="registration")
    """`receipt` or `registration`: what the sender asks for."""
    due_by: dt.datetime | None = element("DueBy", default=None)
    retention: str | None = element("RetentionCode", default=None)
    sender: Sender = element("SenderParty")
    receivers: tuple[Receiver, ...] = element("ReceiverParty")
    replaces: Replaces | None = element("Replaces", default=None)
    content: Content | None = flatten(default=None)
    """Exactly one of `content` (written inline, as Subject and what follows) and `sealed`."""
    sealed: SealedContent | None = element("SealedContent", default=None)
    main_file: File = element("MainFile")
    files: tuple[File, ...] = element("AttachmentFile", default=())
    sender_reference: str | None = element("SenderReference", default=None)
    extensions: tuple[Extension, ...] = element("Extension", default=())

    @property
    def all_files(self) -> tuple[File, ...]:
        """The main file and the attachments, in order."""
        return (self.main_file, *self.files)
