"""Signing notes: the log's checkpoints, and a witness's cosignatures of them; `bus.verifier.notes` reads them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from bus.documents.keys import read_private_key, write_private_key
from bus.errors import Misconfigured, Problem
from bus.verifier.notes import (
    LOG,
    WITNESS,
    Note,
    Signature,
    VerifierKey,
    cosigned_octets,
    is_key_name,
)


@dataclass(frozen=True, slots=True)
class NoteKey:
    """An Ed25519 key with the name that it signs under; the key appears in no representation."""

    name: str
    kind: int
    private_key: Ed25519PrivateKey = field(repr=False)

    @property
    def verifier(self) -> VerifierKey:
        """The public half, for whoever is to check."""
        public = self.private_key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return VerifierKey(self.name, self.kind, public)

    def sign(self, text: str) -> Signature:
        """Sign a note's text, as a log does."""
        return Signature(self.name, self.verifier.id, self.private_key.sign(text.encode()))

    def cosign(self, note: Note, at: int) -> Signature:
        """Sign a checkpoint as a witness that has seen it at this time (seconds since 1970)."""
        signed = self.private_key.sign(cosigned_octets(note.text, at))
        return Signature(self.name, self.verifier.id, at.to_bytes(8, "big") + signed)


def log_key(path: Path, name: str, passphrase: str | None = None) -> NoteKey:
    """Read the log's key. Raises Misconfigured for one that is missing, readable by others or of another kind,

    and for a name that cannot stand in a note.
    """
    if not is_key_name(name):
        fix = "Write a name without blanks and plus signs, such as saraban.example/ledger"
        raise Misconfigured(Problem("bus.toml", "ledger.origin", "cannot stand in a signed note", fix))
    return NoteKey(name, LOG, _read(path, passphrase))


def witness_name(log: VerifierKey, agency: str) -> str:
    """Return the name under which an agency's witness signs: below that of the log."""
    return f"{log.name}/{agency}"


def witness_key(path: Path, name: str, passphrase: str | None = None) -> NoteKey:
    """Read a witness's key; raises as for a log's."""
    return NoteKey(name, WITNESS, _read(path, passphrase))


def make_key(path: Path, passphrase: str | None = None) -> None:
    """Write a new key, readable by its owner only. Raises Misconfigured if there is one: none is written over."""
    write_private_key(path, Ed25519PrivateKey.generate(), passphrase)


def _read(path: Path, passphrase: str | None) -> Ed25519PrivateKey:
    key = read_private_key(path, passphrase, _unfit, "Give an Ed25519 key, as PEM.")
    if not isinstance(key, Ed25519PrivateKey):
        raise TypeError(type(key))
    return key


def _unfit(key: PrivateKeyTypes) -> str | None:
    return None if isinstance(key, Ed25519PrivateKey) else "a key of another kind"
