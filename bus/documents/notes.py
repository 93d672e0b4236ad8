"""Signing notes: the log's checkpoints, and a witness's cosignatures of them; `bus.verifier.notes` reads them."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

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

_OTHERS = 0o077


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
    """Read the log's key. Raises Misconfigured for one that is missing, readable by others or of another kind."""
    return NoteKey(name, LOG, _read(path, passphrase))


def witness_key(path: Path, name: str, passphrase: str | None = None) -> NoteKey:
    """Read a witness's key; raises as for a log's."""
    return NoteKey(name, WITNESS, _read(path, passphrase))


def make_key(path: Path, passphrase: str | None = None) -> None:
    """Write a new key, readable by its owner only. Raises FileExistsError: a key is never written over."""
    encryption: KeySerializationEncryption = (
        BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
    )
    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
    path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())


def require_name(name: str, file: str, key: str) -> str:
    """Return a name that may stand in notes. Raises Misconfigured."""
    if is_key_name(name):
        return name
    fix = "Write a name without blanks and plus signs, such as saraban.example/ledger"
    raise Misconfigured(Problem(file, key, "cannot stand in a signed note", fix))


def _read(path: Path, passphrase: str | None) -> Ed25519PrivateKey:
    try:
        with path.open("rb") as file:
            rights, pem = os.fstat(file.fileno()).st_mode, file.read()
        if rights & _OTHERS:
            wrong, fix = "can be read by others than its owner", f"Run: chmod 600 {path}"
        else:
            key = load_pem_private_key(pem, passphrase.encode() if passphrase else None)
            if isinstance(key, Ed25519PrivateKey):
                return key
            wrong, fix = "is of another kind", "Give an Ed25519 key, as PEM."
    except OSError as exc:
        wrong, fix = f"cannot be read ({exc.strerror})", "Give the path of the key, or make one."
    except TypeError:
        wrong = "is encrypted and no passphrase is given, or a passphrase is given and it is not encrypted"
        fix = "Set the passphrase for an encrypted key, and for no other."
    except (ValueError, UnsupportedAlgorithm):
        wrong, fix = "is no private key, or has another passphrase", "Give a PEM key and its own passphrase."
    raise Misconfigured(Problem(str(path), "key", wrong, fix))
