"""Signed notes, checkpoints and cosignatures, as C2SP writes them (signed-note, tlog-checkpoint, tlog-cosignature).

saraban.example/ledger              the log's name (origin)
70                                  size of the tree
7W4S…=                              its root, base64

— saraban.example/ledger x08g…      the log's signature, Ed25519 over the text above, with the key's id before it
— saraban.example/0100500000 Fv3…   a witness's: the time in seconds before it, and signed with it
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64decode, b64encode
from collections.abc import Iterable
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

LOG, WITNESS = 1, 4
"""Signature types: a log's plain Ed25519, and a witness's timed cosignature."""
_ID, _TIME, _HASH = 4, 8, 32
_MARK = "\u2014 "
_MOST_SIGNATURES = 20_000
_LONGEST_SIZE = 19
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")
"""Any but the line's end."""


class Unreadable(Exception):
    """Not a note, a key or a checkpoint of the form that it should have."""


class Unsigned(Exception):
    """No good signature by the key that is asked for."""


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key with the name that it signs under: `name+id+base64` in text."""

    name: str
    kind: int
    key: bytes
    """32 octets."""

    @property
    def id(self) -> bytes:
        """Four octets that stand before each signature."""
        return hashlib.sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.key).digest()[:_ID]

    def __str__(self) -> str:
        return f"{self.name}+{self.id.hex()}+{b64encode(bytes([self.kind]) + self.key).decode()}"

    @classmethod
    def parse(cls, text: str) -> VerifierKey:
        """Read a key. Raises Unreadable."""
        name, _, rest = text.strip().partition("+")
        stated, _, encoded = rest.partition("+")
        data = _decoded(encoded)
        if not is_key_name(name) or len(data) != 1 + _HASH or data[0] not in (LOG, WITNESS):
            raise Unreadable(f"no verifier key: {text.strip()[:80]}")
        key = cls(name, data[0], data[1:])
        if key.id.hex() != stated:
            raise Unreadable(f"the id of the verifier key {name} is not that of its key")
        return key


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line."""

    name: str
    id: bytes
    data: bytes

    def __str__(self) -> str:
        return f"{_MARK}{self.name} {b64encode(self.id + self.data).decode()}"


@dataclass(frozen=True, slots=True)
class Note:
    """A text and the signatures below it, none of them believed yet."""

    text: str
    signatures: tuple[Signature, ...]

    def __str__(self) -> str:
        return f"{self.text}\n" + "".join(f"{each}\n" for each in self.signatures)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The head of a log: its name, the size of its tree and the root."""

    origin: str
    size: int
    root: bytes

    def __str__(self) -> str:
        return f"{self.origin}\n{self.size}\n{b64encode(self.root).decode()}\n"


def is_key_name(name: str) -> bool:
    """Whether a name may stand in a note: not empty, without blanks and plus signs."""
    return name.split() == [name] and "+" not in name and name.isprintable()


def read_note(text: str) -> Note:
    """Take a note apart. Raises Unreadable."""
    body, separator, below = text.rpartition("\n\n")
    lines = below.split("\n")
    if _CONTROL.search(text):
        raise Unreadable("a control character in a note")
    if not separator or lines[-1] != "" or not 1 < len(lines) <= _MOST_SIGNATURES:
        raise Unreadable("no signed note")
    return Note(f"{body}\n", tuple(_signature(line) for line in lines[:-1]))


def read_checkpoint(note: Note) -> Checkpoint:
    """Read a note's text as a checkpoint; lines after the third are extensions. Raises Unreadable."""
    lines = note.text.split("\n")
    if len(lines) < 4 or not all(lines[:-1]) or not _is_number(lines[1]):
        raise Unreadable("no checkpoint")
    root = _decoded(lines[2])
    if len(root) != _HASH:
        raise Unreadable("the root of the checkpoint is no hash")
    return Checkpoint(lines[0], int(lines[1]), root)


def require_signed(note: Note, key: VerifierKey) -> int | None:
    """Return the time (seconds since 1970) of a witness's cosignature, None for a log's signature.

    Raises Unsigned unless this key signed the note.
    """
    why = Unsigned(f"no signature by {key.name}")
    for each in note.signatures:
        if (each.name, each.id) == (key.name, key.id):
            try:
                return require_good(note.text, each, key)
            except Unsigned as error:
                why = error  # a line that somebody else put in its place must not hide a good one
    raise why


def require_good(text: str, signature: Signature, key: VerifierKey) -> int | None:
    """As `require_signed`, for one signature line and the text above it."""
    at: int | None = None
    data, signed = signature.data, text.encode()
    if key.kind == WITNESS:
        at, data = int.from_bytes(data[:_TIME], "big"), data[_TIME:]
        if at >= 1 << 63:
            raise Unsigned(f"the time of the signature by {key.name} is none")
        signed = cosigned_octets(text, at)
    try:
        Ed25519PublicKey.from_public_bytes(key.key).verify(data, signed)
    except (InvalidSignature, ValueError) as error:
        raise Unsigned(f"the signature by {key.name} does not verify") from error
    return at


def cosigned_octets(text: str, at: int) -> bytes:
    """Return what a witness signs: its time, then the checkpoint (tlog-cosignature, format cosignature/v1)."""
    return f"cosignature/v1\ntime {at}\n{text}".encode()


def with_signatures(note: Note, more: Iterable[Signature]) -> Note:
    """Return the note with more signature lines below it."""
    return Note(note.text, (*note.signatures, *more))


def _signature(line: str) -> Signature:
    name, _, encoded = line.removeprefix(_MARK).partition(" ")
    data = _decoded(encoded)
    if not line.startswith(_MARK) or not is_key_name(name) or len(data) <= _ID:
        raise Unreadable("no signature line")
    return Signature(name, data[:_ID], data[_ID:])


def _decoded(text: str) -> bytes:
    try:
        data = b64decode(text, validate=True)
    except ValueError as error:
        raise Unreadable("no base64") from error
    if b64encode(data).decode() != text:
        raise Unreadable("base64 that is not canonical")
    return data


def _is_number(text: str) -> bool:
    return (
        text.isascii()
        and text.isdecimal()
        and len(text) <= _LONGEST_SIZE
        and (text == "0" or not text.startswith("0"))
    )
