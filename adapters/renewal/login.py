"""The next certificate for the broker, with its key: asked for in the seal's name, and put in place in two renames.

| File, for `broker.key.pem` | What |
|---|---|
| `broker.next.key.pem` | the next key |
| `broker.next.jws` | the request for its certificate, as it was signed; without it, nothing was asked for |
| `broker.next.crt.pem` | the certificate that the centre issued, until it is in place |

First the certificate takes its place, then the key. A kill between the two leaves a certificate without its key; so
`settle` comes before the configured files are read, and does what is left.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from adapters.mailbox import Mailbox
from adapters.renewal.next_pair import NextPair
from bus.broker.topology import user_of
from bus.documents.enrolment import Answer, Request, read_request, sign_request
from bus.documents.keys import replace_private
from bus.documents.logins import asked_for, is_for, require_fit
from bus.documents.seal import Seal
from bus.failpoints import reached
from bus.platform.folders import sync_folder


@dataclass(frozen=True, slots=True)
class LoginSuccessor(NextPair):
    """The next pair with which an agency logs in, and where it lies."""

    seal: Callable[[], Seal]
    """What the request is signed with."""
    passphrase: str | None = field(default=None, repr=False)
    """The key's, and kept for the next one."""

    def ends(self, seal: Seal) -> datetime:
        """Return when the certificate in use ends."""
        return _end(self.files.certificate)

    def due(self, seal: Seal, at: datetime, before: timedelta) -> bool:
        """Whether the certificate in use is near its end, or has ended: it is the seal that asks for the next one."""
        return self.ends(seal) - before < at

    def usable(self, mailbox: Mailbox, at: datetime) -> bool:
        """Whether the centre has issued the next certificate."""
        return self.next.certificate.exists()

    def request(self) -> str:
        """Return the signed request for the next certificate; always the same until discarded.

        Raises Misconfigured and OSError where the folder cannot be written.
        """
        if not self.asked:
            self.discard()
            wanted = asked_for(self.next.key, user_of(self.agency), self.passphrase)
            sync_folder(self.next.key.parent)
            reached("renewal.login-key-made")
            seal = self.seal()
            certificate = seal.certificate.public_bytes(Encoding.PEM).decode().strip()
            request = Request(agency=self.agency, certificate=certificate, login=wanted)
            replace_private(self.request_file, sign_request(request, seal).encode())
        return self.request_file.read_text("ascii")

    def shown(self) -> str:
        """Return the fingerprint by which an operator approves the request."""
        return read_request(self.request_file.read_text("ascii")).fingerprint

    def take(self, answer: Answer) -> None:
        """Keep the certificate of an answer. Raises Misconfigured for one that is not for the next key."""
        require_fit(answer.login, self.next.key, user_of(self.agency), self.passphrase)
        replace_private(self.next.certificate, f"{answer.login}\n".encode())
        reached("renewal.login-answered")

    def put_in_place(self, before: Seal) -> None:
        """Make the next pair the configured one; `settle` goes on after a kill."""
        os.replace(self.next.certificate, self.files.certificate)
        sync_folder(self.files.certificate.parent)
        reached("renewal.login-certificate-in-place")
        self.settle()

    def settle(self) -> None:
        """Put the next key beside its certificate, where that is in place already; else do nothing."""
        if not self.asked or self.next.certificate.exists() or not self.next.key.exists():
            return
        if is_for(self.files.certificate.read_text("ascii"), self.next.key, self.passphrase):
            with suppress(FileNotFoundError):  # a second program may be doing the same
                os.replace(self.next.key, self.files.key)
            sync_folder(self.files.key.parent)
            reached("renewal.login-key-in-place")

    def tidy(self, seal: Seal) -> None:
        """Once the next pair is in place, forget that it was asked for."""
        if self.asked and not self.next.key.exists():
            self.discard()

    def until(self) -> datetime:
        """Return when the next certificate ends."""
        return _end(self.next.certificate)


def _end(certificate: Path) -> datetime:
    return x509.load_pem_x509_certificate(certificate.read_bytes()).not_valid_after_utc
