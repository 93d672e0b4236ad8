"""The pair that is to take the place of the seal's: made beside it, and put there without a moment between.

| File, for `agency.key.pem` | What |
|---|---|
| `agency.next.key.pem`, `agency.next.crt.pem` | the next key and its certificate |
| `agency.next.jws` | the request for it, as it was signed; written last, so that what lacks it was never asked for |
| `agency.<8 digits>.key.pem`, `….crt.pem` | a pair that was in use, by its fingerprint: kept |

A kill may come between any two steps. The certificates of both keys stand in the one file when the key is replaced, by
a rename, so that whatever reads the configured files finds a key with its certificate (`bus.documents.seal.read_pair`).
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding

from adapters.mailbox import Mailbox
from adapters.mailbox.keys import key_state
from adapters.renewal.next_pair import NextPair
from bus.documents.enrolment import Answer, Request, sign_request
from bus.documents.keys import replace_private
from bus.documents.making import KeyFiles, new_seal, write_pair
from bus.documents.seal import Seal, read_pair
from bus.failpoints import reached
from bus.platform.folders import sync_folder


@dataclass(frozen=True, slots=True)
class Successor(NextPair):
    """The next pair of an agency, and where it lies."""

    passphrase: str | None = field(default=None, repr=False)
    """The key's, and kept for the next one."""

    def kept(self, fingerprint: str) -> KeyFiles:
        """Where a pair that was in use is kept."""
        return self.beside(fingerprint[:8])

    def request(self) -> str:
        """Return the signed request for the next pair, made with it if there is none; always the same until discarded.

        Raises Misconfigured and OSError where the folder cannot be written.
        """
        if not self.asked:
            self.discard()
            seal = new_seal(self.agency)
            write_pair(seal.private_key, seal.certificate, self.next, passphrase=self.passphrase)
            sync_folder(self.next.key.parent)
            reached("renewal.pair-made")
            certificate = _pem(seal.certificate).decode().strip()
            signed = sign_request(Request(agency=self.agency, certificate=certificate), seal)
            replace_private(self.request_file, signed.encode())
        return self.request_file.read_text("ascii")

    def ends(self, seal: Seal) -> datetime:
        """Return when the certificate in use ends."""
        return seal.certificate.not_valid_after_utc

    def due(self, seal: Seal, at: datetime, before: timedelta) -> bool:
        """Whether the certificate is our own kind, in force, and near its end: another one's authority renews it."""
        return self.ends(seal) - before < at <= self.ends(seal) and self_signed(seal.certificate)

    def usable(self, mailbox: Mailbox, at: datetime) -> bool:
        """Whether what the next key seals is believed: it may have been pinned while this one's certificate ended."""
        return key_state(self.seal().certificate, self.agency, mailbox.directory(), at).good

    def shown(self) -> str:
        """Return the fingerprint by which an operator approves the request."""
        return self.seal().fingerprint

    def take(self, answer: Answer) -> None:
        """Do nothing with an approval: what counts is the directory."""

    def until(self) -> datetime:
        """Return when the next certificate ends."""
        return self.seal().certificate.not_valid_after_utc

    def seal(self) -> Seal:
        """Return the next pair. Raises Misconfigured for one that cannot be read."""
        return read_pair(self.next.key, self.next.certificate, self.passphrase)

    def put_in_place(self, before: Seal) -> None:
        """Make the next pair the configured one, and keep the one before it; this may be begun anew after a kill."""
        after, kept = self.seal(), self.kept(before.fingerprint)
        with suppress(FileExistsError):
            os.link(self.files.key, kept.key)
        replace_private(kept.certificate, _pem(before.certificate))
        reached("renewal.old-kept")
        replace_private(self.files.certificate, _pem(after.certificate) + _pem(before.certificate))
        reached("renewal.certificates-written")
        os.replace(self.next.key, self.files.key)
        sync_folder(self.files.key.parent)
        reached("renewal.key-in-place")

    def tidy(self, seal: Seal) -> None:
        """Once the next key is in place, and read as the seal, leave its certificate alone in its file.

        Not at once: whoever read the key before it was replaced may be about to read its certificate.
        """
        if self.asked and not self.next.key.exists():
            replace_private(self.files.certificate, _pem(seal.certificate))
            self.discard()


def self_signed(certificate: x509.Certificate) -> bool:
    """Whether a certificate vouches for itself, as those that the programs make."""
    try:
        certificate.verify_directly_issued_by(certificate)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.PEM)
