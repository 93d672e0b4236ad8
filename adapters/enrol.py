"""How this agency joins: keys are made here, the centre is asked by HTTPS, its answer makes the adapter ready to run.

Everything lies in one folder, and each step looks first whether it was done: a command that was interrupted, or that
waited for an operator in vain, is simply run again, and asks with the same keys for the same thing.

| In the folder | What |
|---|---|
| adapter.toml | the settings, with a sentence for each |
| keys/ | the agency's key and certificate, its witness's key, and what the centre handed over |
| keys/agency.<8 digits>.… | a pair for an earlier invitation, by its fingerprint: kept, and used no more |
| passwords/broker | the broker's password, once the centre has approved |
| keys/broker.… | instead of it, a key and its certificate, where the invitation says so |
| enrolment/ | the request as it was signed, and the key that its answer is sealed for |
"""

from __future__ import annotations

import os
import ssl
import tomllib
from base64 import b64decode, b64encode
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import httpx
from cryptography import x509
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding

from adapters.centre import Declined, answered, require_taken
from bus import assets
from bus.broker.topology import user_of
from bus.documents.enrolment import (
    Answer,
    Invitation,
    Request,
    digest_of,
    public_sealing_key,
    read_answer,
    request_digest,
    sign_request,
    unsealed,
)
from bus.documents.keys import replace_private, write_private
from bus.documents.logins import asked_for, require_fit
from bus.documents.making import KeyFiles, new_seal, write_pair
from bus.documents.notes import make_key, witness_key, witness_name
from bus.documents.seal import Seal, fingerprint_of
from bus.documents.tokens import Denied, Doubt
from bus.errors import Misconfigured, Problem
from bus.settings.tls import trusting
from bus.settings.writing import filled
from bus.verifier.notes import VerifierKey

_WITHIN: Final = 20.0


@dataclass(frozen=True, slots=True)
class Joining:
    """An agency's folder on its way into the bus."""

    folder: Path
    invitation: Invitation

    @property
    def settings(self) -> Path:
        """The settings file."""
        return self.folder / "adapter.toml"

    @property
    def ready(self) -> bool:
        """Whether nothing is left to be done."""
        return self._answer_file.exists() and self.settings.exists()

    @property
    def bus_fingerprint(self) -> str:
        """Of the bus's certificate, to be compared with what the centre reads out."""
        return fingerprint_of(x509.load_pem_x509_certificate(self.invitation.bus.encode()))

    @property
    def _password(self) -> Path:
        return self.folder / "passwords" / "broker"

    @property
    def _login(self) -> KeyFiles:
        return KeyFiles.named(self.folder / "keys", "broker")

    @property
    def _request_file(self) -> Path:
        """Each invitation has a request of its own; the same one each time, as the centre takes one only."""
        return self.folder / "enrolment" / f"{digest_of(self.invitation.secret)[:16]}.jws"

    @property
    def _answer_file(self) -> Path:
        """What the centre answered to it; kept last, when nothing else is left to be done."""
        return self._request_file.with_suffix(".answer")

    def prepare(self) -> Seal:
        """Make keys and settings where they are not there yet; return the agency's seal.

        Raises Misconfigured for a folder that is another agency's, and for an invitation that has ended.
        """
        self._require_own_folder()
        keys = self.folder / "keys"
        files = KeyFiles(keys / "agency.key.pem", keys / "agency.crt.pem")
        if not self._request_file.exists() and any(self._request_file.parent.glob("*.jws")):
            put_aside(files)
            put_aside(self._login)
        if not files.key.exists():
            seal = new_seal(self.invitation.agency)
            write_pair(seal.private_key, seal.certificate, files)
        if not (keys / "witness.key.pem").exists():
            make_key(keys / "witness.key.pem")
        for name, text in self._handed_over().items():
            if text and not (keys / name).exists():
                write_private(keys / name, f"{text}\n".encode())
        if not self.settings.exists():
            write_private(self.settings, self._settings_text().encode())
        return Seal.from_files(files.key, files.certificate)

    def ask(self) -> str:
        """Send the request, if it was not answered yet; return the name under which it is asked about.

        Raises Declined, and Transient while the centre cannot be reached.
        """
        seal = self.prepare()
        signed = self._request(seal)
        body = {"secret": self.invitation.secret, "request": signed}
        with self._client() as client:
            response = answered(lambda: client.post("/enrolments", json=body))
        require_taken(response)
        return request_digest(signed)

    def finish(self, name: str) -> bool:
        """Fetch the answer, and keep what it brings; False while there is none. Raises Declined and Transient."""
        with self._client() as client:
            response = answered(lambda: client.get(f"/enrolments/{name}"))
        if response.status_code == 202:
            return False
        require_taken(response)
        try:
            answer = read_answer(
                response.text.strip(), x509.load_pem_x509_certificate(self.invitation.bus.encode())
            )
            if answer.request != name:
                raise Denied(Doubt.OTHER_REQUEST, "made for another request")
            if answer.outcome == "declined":
                raise Declined("enrolment.declined", "", answer.reason)
            self._keep_login(answer)
        except (Denied, InvalidTag) as wrong:
            raise Misconfigured(
                Problem(
                    self.invitation.centre,
                    "(answer)",
                    "is not the bus's answer to this request",
                    "Call the centre",
                )
            ) from wrong
        replace_private(self._answer_file, response.text.strip().encode())
        return True

    def _keep_login(self, answer: Answer) -> None:
        """Keep what the answer brings for the broker: the certificate that was asked for, or a password."""
        if self.invitation.login:
            require_fit(answer.login, self._login.key, user_of(self.invitation.agency))
            replace_private(self._login.certificate, f"{answer.login}\n".encode())
        else:
            replace_private(self._password, f"{unsealed(answer, self._sealing_key())}\n".encode())

    def _require_own_folder(self) -> None:
        if datetime.now(UTC) > self.invitation.until and not self._request_file.exists():
            raise Misconfigured(
                Problem("the invitation", "until", "is over", "Ask the centre for another invitation")
            )
        if not self.settings.exists():
            return
        text = self.settings.read_text("utf-8")
        if f'agency = "{self.invitation.agency}"' not in text:
            fix = "Name another folder with --folder"
            raise Misconfigured(Problem(str(self.settings), "agency", "is another agency's", fix))
        if self._request_file.exists():
            return
        if ("certificate" in tomllib.loads(text).get("broker", {})) is not bool(self.invitation.login):
            wrong = f"is not what the invitation says, {self.invitation.login or 'a password'}"
            fix = "Move this file away and run the command again: it is made anew"
            raise Misconfigured(Problem(str(self.settings), "broker.certificate", wrong, fix))

    def _handed_over(self) -> dict[str, str]:
        said = self.invitation
        return {
            "bus.crt.pem": said.bus,
            "log.vkey": said.log_key,
            "authority.crt.pem": said.authority,
        }

    def _sealing_key(self) -> X25519PrivateKey:
        path = self.folder / "enrolment" / "sealing.key"
        if not path.exists():
            key = X25519PrivateKey.generate()
            write_private(path, b64encode(key.private_bytes_raw()))
        return X25519PrivateKey.from_private_bytes(b64decode(path.read_bytes()))

    def _request(self, seal: Seal) -> str:
        path = self._request_file
        if not path.exists():
            name = witness_name(VerifierKey.parse(self.invitation.log_key), self.invitation.agency)
            request = Request(
                agency=self.invitation.agency,
                certificate=seal.certificate.public_bytes(Encoding.PEM).decode().strip(),
                witness=str(witness_key(self.folder / "keys" / "witness.key.pem", name).verifier),
                sealing=public_sealing_key(self._sealing_key()),
                invitation=digest_of(self.invitation.secret),
                login=asked_for(self._login.key, user_of(self.invitation.agency))
                if self.invitation.login
                else "",
            )
            write_private(path, sign_request(request, seal).encode())
        return path.read_text("ascii")

    def _settings_text(self) -> str:
        said = self.invitation
        authority = {"ca_file": "keys/authority.crt.pem"} if said.authority else {}
        own = {"password_file": None, "certificate": "keys/broker.crt.pem", "key": "keys/broker.key.pem"}
        login = own if said.login else {}
        example = assets.path("config/adapter.toml").read_text("utf-8")
        return filled(
            example,
            {
                "": {"agency": said.agency},
                "broker": {"url": said.broker, "vhost": said.vhost, **authority, **login},
                "depot": {"url": said.centre, **authority},
                "witness": {"log_key": "keys/log.vkey"},
            },
        )

    def _client(self) -> httpx.Client:
        authority = self.folder / "keys" / "authority.crt.pem"
        tls: ssl.SSLContext = trusting(
            authority if authority.exists() else None, "the invitation's authority"
        )
        return httpx.Client(base_url=self.invitation.centre, verify=tls, timeout=_WITHIN, trust_env=False)


def put_aside(files: KeyFiles) -> None:
    """Keep a pair under the name of its fingerprint: another invitation is for another key."""
    if not files.certificate.exists():
        return
    name = fingerprint_of(x509.load_pem_x509_certificate(files.certificate.read_bytes()))[:8]
    for path in (files.key, files.certificate):  # its certificate last: until then, this can be done again
        if path.exists():
            stem, end = path.name.split(".", 1)
            os.replace(path, path.with_name(f"{stem}.{name}.{end}"))
