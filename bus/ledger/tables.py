"""The ledger's tables.

Above the line stands what is remembered: rows are added and read, and the database itself refuses to change or remove
them (migrations/versions). Below it stand work lists, which may be lost and are rebuilt from the entries.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_Number = BigInteger().with_variant(Integer, "sqlite")
_Form = Text().with_variant(String(100), "sqlite")
"""The comparable form of a text may be longer than the text (Unicode, UAX 15); SQLite does not look at lengths."""

documents = Table(
    "documents",
    metadata,
    Column("sha256", LargeBinary(32), primary_key=True),
    Column("bytes", LargeBinary, nullable=False),
)
"""Raw bytes as they were submitted or signed, under their own SHA-256."""

entries = Table(
    "entries",
    metadata,
    Column("seq", _Number, primary_key=True, autoincrement=False),
    Column("at", String(40), nullable=False),
    Column("kind", String(40), nullable=False),
    Column("agency", String(10)),
    Column("letter", _Number),
    Column("document", LargeBinary(32), ForeignKey("documents.sha256")),
    Column("body", Text, nullable=False),
    Column("leaf", LargeBinary(32), nullable=False),
    # With the agency, so that of a circular's thousands of answers those of one are found in the index.
    Index(None, "letter", "seq", "agency"),
    Index(None, "kind", "seq"),
    Index(None, "document"),
    Index(None, "agency", "seq"),
)
"""The ledger itself. `body` is the entry; the other columns are an index of it."""

letters = Table(
    "letters",
    metadata,
    Column("letter", _Number, ForeignKey("entries.seq"), primary_key=True, autoincrement=False),
    Column("sender", String(10), nullable=False),
    Column("letter_id", String(36), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("number", String(100)),
    Column("number_normalised", _Form),
    Column("dated", String(10), nullable=False),
    Column("speed", String(3), nullable=False),
    Column("acknowledgement", String(40), nullable=False),
    Column("accepted_at", String(40), nullable=False),
    Column("receipt_due", String(40), nullable=False),
    Column("registration_due", String(40)),
    Column("subject", String(1000)),
    Column("certificate", String(64)),
    Column("subject_comparable", Text),
    UniqueConstraint("sender", "letter_id"),
    Index(None, "letter_id"),
    Index(None, "digest"),
    Index(None, "number_normalised", "dated"),
    Index(None, "dated", "letter"),
    Index(None, "sender", "letter"),
    Index(None, "certificate", "letter"),
    Index(None, "speed", "letter"),
)
"""Accepted letters, by what people look for; `letter` is the number of the entry of its acceptance.

Number and subject stand in it as written, and in the form in which they are compared (`bus.thai`). Of that form the
database keeps an index of trigrams by itself (migrations/versions/0003_search.py).
"""

recipients = Table(
    "recipients",
    metadata,
    Column("letter", _Number, ForeignKey("letters.letter"), primary_key=True, autoincrement=False),
    Column("agency", String(10), primary_key=True),
    Column("addressed", String(10), nullable=False),
    Column("role", String(10), nullable=False),
    Index(None, "agency", "letter"),
)
"""The frozen recipient set: the agency whose inbox takes the letter, and the code that the letter was addressed to."""

letter_files = Table(
    "letter_files",
    metadata,
    Column("letter", _Number, ForeignKey("letters.letter"), primary_key=True, autoincrement=False),
    Column("sha256", String(64), primary_key=True),
    Column("size", _Number, nullable=False),
    Index(None, "sha256"),
)
"""The files that an accepted letter names: what the depot keeps, and for whom."""

submissions = Table(
    "submissions",
    metadata,
    Column("agency", String(10), primary_key=True),
    Column("answer", _Number, primary_key=True, autoincrement=False),
    Column("entry", _Number, ForeignKey("entries.seq"), nullable=False),
    Column("type", String(10), nullable=False),
    Column("id", String(36)),
    Column("digest", String(64)),
    Column("raw", String(64), nullable=False),
    Column("code", String(60)),
    Index(None, "agency", "type", "id"),
    Index(None, "agency", "raw"),
    Index(None, "entry"),
)
"""Every verdict: for a submission past gate 6 under its id and digest, for any other under its raw bytes.

`code` is the reason of a refusal and null otherwise; `answer` is the consignment that told the submitting agency.
"""

unaccepted = Table(
    "unaccepted",
    metadata,
    Column("entry", _Number, ForeignKey("entries.seq"), primary_key=True, autoincrement=False),
    Column("at", String(40), nullable=False),
    Column("kind", String(40), nullable=False),
    Column("agency", String(10)),
    Column("code", String(60)),
    Column("type", String(10)),
    Column("id", String(36)),
    Column("digest", String(64)),
    Column("number", String(100)),
    Column("number_normalised", String(200)),
    Column("raw", String(64), nullable=False),
    Index("ix_unaccepted_raw", "raw"),
    Index("ix_unaccepted_id", "id"),
    Index("ix_unaccepted_digest", "digest"),
    Index("ix_unaccepted_number_normalised", "number_normalised"),
    Index("ix_unaccepted_agency_entry", "agency", "entry"),
    Index("ix_unaccepted_code_entry", "code", "entry"),
)
"""Submissions that were refused or parked, by what people look for; what they claim of themselves is not verified."""

consignments = Table(
    "consignments",
    metadata,
    Column("agency", String(10), primary_key=True),
    Column("number", _Number, primary_key=True, autoincrement=False),
    Column("entry", _Number, ForeignKey("entries.seq"), nullable=False),
    Column("letter", _Number),
    Column("type", String(10), nullable=False),
    Column("document", LargeBinary(32), ForeignKey("documents.sha256"), nullable=False),
    Column("headers", Text, nullable=False),
    Index(None, "entry"),
)
"""Everything that goes into an agency's inbox, numbered per agency from 1 without gaps."""

directory_records = Table(
    "directory_records",
    metadata,
    Column("key", String(60), primary_key=True),
    Column("version", _Number, primary_key=True, autoincrement=False),
    Column("line", LargeBinary),
)
"""The directory: what each version has otherwise than the one before; a record that it has no more is null."""

tiles = Table(
    "tiles",
    metadata,
    Column("level", Integer, primary_key=True, autoincrement=False),
    Column("place", _Number, primary_key=True, autoincrement=False),
    Column("hashes", LargeBinary(8192), nullable=False),
    Column("root", LargeBinary(32), nullable=False),
)
"""The Merkle tree over the entries: each row 256 hashes of a level, and the hash of the subtree above them."""

checkpoints = Table(
    "checkpoints",
    metadata,
    Column("size", _Number, primary_key=True, autoincrement=False),
    Column("at", String(40), nullable=False),
    Column("root", LargeBinary(32), nullable=False),
    Column("note", Text, nullable=False),
)
"""The signed heads of the tree."""

anchors = Table(
    "anchors",
    metadata,
    Column("size", _Number, ForeignKey("checkpoints.size"), primary_key=True, autoincrement=False),
    Column("at", String(40), nullable=False),
)
"""The checkpoints that witnesses are asked to cosign."""

cosignatures = Table(
    "cosignatures",
    metadata,
    Column("size", _Number, ForeignKey("checkpoints.size"), primary_key=True, autoincrement=False),
    Column("agency", String(10), primary_key=True),
    Column("at", String(40), nullable=False),
    Column("line", Text, nullable=False),
)
"""What witnesses have signed: a line each, to stand below the checkpoint. No entry speaks of them."""

halts = Table(
    "halts",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("at", String(40), nullable=False),
    Column("halted", Boolean, nullable=False),
    Column("operator", String(200), nullable=False),
    Column("reason", Text, nullable=False),
)
"""Whether anything may be appended: the newest row says so; none means that it may. `operator` names two persons where
two were needed; their roles and methods stand in `halt_wishes`."""

halt_wishes = Table(
    "halt_wishes",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("at", String(40), nullable=False),
    Column("halted", Boolean, nullable=False),
    Column("after", Integer, nullable=False),
    Column("operator", String(200), nullable=False),
    Column("role", String(20), nullable=False),
    Column("method", String(20), nullable=False),
    Column("subject", Text),
    Column("reason", Text, nullable=False),
)
"""Which person wants to halt or resume, `after` which row of `halts` (0: none); what another person
adds within the hour is the confirmation; `subject` is the issuer and subject of who is known by a provider alone. No
entry can speak of them: a halted ledger takes none."""

# ---- work lists: disposable, rebuilt from what stands above -------------------------------------------------------

pending = Table(
    "pending",
    metadata,
    Column("agency", String(10), primary_key=True),
    Column("number", _Number, primary_key=True, autoincrement=False),
    Column("on_hold", Boolean, nullable=False),
    Column("repeat", Boolean, nullable=False),
    Column("again", Boolean, nullable=False, server_default="0"),
    Column("leased_by", String(80)),
    Column("leased_until", String(40)),
    Index(None, "on_hold", "leased_until"),
)
"""Consignments that the broker has not confirmed yet; held while their recipient is suspended.

A router leases what it is about to publish, so that several do not publish the same; a lease expires. `repeat`: it was
confirmed before and is only said again. `again`: while it waited for its confirm, it was asked for once more.
"""

due = Table(
    "due",
    metadata,
    Column("letter", _Number, primary_key=True, autoincrement=False),
    Column("deadline", String(20), primary_key=True),
    Column("at", String(40), primary_key=True),
    Index(None, "at"),
)
"""Deadlines that have not been judged yet; `deadline` is `receipt` or `registration`."""

watermarks = Table(
    "watermarks",
    metadata,
    Column("router", String(80), primary_key=True),
    Column("cluster", String(50), primary_key=True),
    Column("empty_at", String(40), nullable=False),
)
"""When each router last saw a broker cluster's intake empty and had settled everything (router/watermarks.py)."""

refusal_counts = Table(
    "refusal_counts",
    metadata,
    Column("agency", String(10), primary_key=True),
    Column("hour", String(13), primary_key=True),
    Column("code", String(60), primary_key=True),
    Column("count", _Number, nullable=False),
)
"""How many of an agency's submissions were refused in each hour that has not become an entry yet (counting.py)."""

letter_kinds = Table(
    "letter_kinds",
    metadata,
    Column("letter", _Number, primary_key=True, autoincrement=False),
    Column("kind", String(40)),
    Index(None, "kind", "letter"),
)
"""The kind of each accepted letter, null where its document says none; from the documents (kinds.py)."""

REMEMBERED = (
    documents,
    entries,
    letters,
    recipients,
    letter_files,
    submissions,
    unaccepted,
    consignments,
    directory_records,
    tiles,
    checkpoints,
    anchors,
    cosignatures,
    halts,
    halt_wishes,
)
DISPOSABLE = (pending, due, watermarks, refusal_counts, letter_kinds)
