"""The three documents by which an agency joins: the centre's invitation, the agency's request, the centre's answer.

| Document | Signed with | Says |
|---|---|---|
| invitation | the bus's key | addresses and keys of the centre, the agency's code and names, a secret for one use |
| request | the agency's new key | its certificate, its witness's key, a key to seal the answer's secret for |
| answer | the bus's key | whether it was approved, in which version of the directory, and how to log in to the broker |

Each is JSON in its canonical form, signed as a compact JWS of a type of its own (`bus.documents.tokens`), so that none
can pass for another thing that was signed with the same key. An invitation and a request bring the certificate that
they are verified with: an invitation is believed because of who handed it over, a request because of the secret beside
it, and of the fingerprint that two persons compare.
"""

from __future__ import annotations

import hashlib
import secrets
import textwrap
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Final, Literal, TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from bus.documents.seal import Seal, fingerprint_of
from bus.documents.tokens import Denied, Doubt, open_signed_json, signed_json, unverified_json
from bus.errors import Misconfigured, Problem
from bus.identifiers import AgencyCode, RawDigest
from bus.toml import Table, canonical_json, read_json
from bus.verifier.notes import WITNESS, Unreadable, VerifierKey

MOST_BYTES: Final = 32 * 1024
_INVITATION: Final = "saraban-invitation+jws"
_REQUEST: Final = "saraban-enrolment+jws"
_ANSWER: Final = "saraban-enrolment-answer+jws"
_SUITE: Final = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
_CODE: Final = "[0-9]{10}"
_PEM: Final = "(?s)-----BEGIN CERTIFICATE-----\n.+"
_CSR: Final = "(?s)-----BEGIN CERTIFICATE REQUEST-----\n.+"
_DIGEST: Final = "[0-9a-f]{64}"
_BASE64: Final = "[A-Za-z0-9+/]+={0,2}"
_Document = TypeVar("_Document")

Outcome = Literal["approved", "declined"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """What an agency needs to join, in one file."""

    agency: AgencyCode
    name_th: str
    name_en: str
    until: datetime
    """The end of its secret."""
    secret: str
    centre: str
    """Where the depot, the log and the enrolment are reached, as a URL."""
    broker: str
    """The broker's URL, without user and password."""
    vhost: str
    bus: str
    """The certificate of the bus, as PEM."""
    log_key: str
    """The public key of the ledger's log (`bus.verifier.notes`)."""
    authority: str = ""
    """The certificate of the private authority of broker and centre, as PEM; empty where the system's serve."""
    login: str = ""
    """`certificate` where the agency logs in to the broker by one; empty for a password."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What an agency asks to be pinned."""

    agency: AgencyCode
    certificate: str
    """Of its new key, as PEM."""
    witness: str = ""
    """The public key with which it will cosign heads; of a renewal it counts for nothing, and may be empty."""
    sealing: str = ""
    """An X25519 key in base64, for which the answer's password is sealed; it may be empty likewise."""
    invitation: RawDigest | None = None
    """SHA-256 of the invitation's secret; None of an agency that renews its key."""
    login: str = ""
    """A certificate request (PKCS #10, PEM) for the broker, where the agency logs in by certificate."""

    @property
    def renews_login(self) -> bool:
        """Whether it asks for the broker's next certificate alone, in the name of a seal that is pinned."""
        return self.invitation is None and bool(self.login)

    @property
    def fingerprint(self) -> str:
        """Of what is new in it, as two persons compare it: the certificate, or the request for the broker's."""
        if self.renews_login:
            return hashlib.sha256(self.login.encode()).hexdigest()
        return fingerprint_of(x509.load_pem_x509_certificate(self.certificate.encode()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of a request."""

    agency: AgencyCode
    request: RawDigest
    """SHA-256 of the request as it was signed."""
    outcome: Outcome
    directory: int = 0
    """The version of the directory from which on the certificate is pinned; 0 where it was declined."""
    password: str = ""
    """The broker's, sealed for the request's key, in base64; empty where it was declined, and of a renewal."""
    login: str = ""
    """The certificate with which the agency logs in to the broker, as PEM, where it asked for one."""
    reason: str = ""
    """Why it was declined, in the operator's words."""


def new_secret() -> str:
    """Return a secret for one invitation: 256 bits."""
    return secrets.token_urlsafe(32)


def digest_of(secret: str) -> RawDigest:
    """Return what the centre keeps of a secret."""
    return RawDigest(hashlib.sha256(secret.encode()).hexdigest())


def write_invitation(invitation: Invitation, seal: Seal) -> str:
    """Return the file of an invitation: what it says for people to read, and what is signed."""
    names = f"{invitation.name_th} ({invitation.name_en})"
    lines = [
        f"# คำเชิญเข้าร่วมระบบ · Invitation to Saraban Bus: {invitation.agency} {names}",
        f"# ใช้ได้ครั้งเดียว ถึง · Serves once, until: {invitation.until.isoformat(timespec='minutes')}",
        f"# ศูนย์กลาง · Centre: {invitation.centre}",
        f"# ลายนิ้วมือใบรับรองของศูนย์กลาง · Fingerprint of the bus: {seal.fingerprint}",
        "# เก็บเป็นความลับ แล้วสั่ง · Keep it secret, then run: saraban-adapter init FILE",
    ]
    signed = signed_json(_octets(invitation), seal, _INVITATION)
    return "\n".join([*lines, *textwrap.wrap(signed, 100), ""])


def read_invitation(text: str) -> Invitation:
    """Return what an invitation says. Raises Misconfigured for what is none, or has been changed."""
    signed = "".join(line.strip() for line in text.splitlines() if not line.startswith("#"))
    return _self_certified(signed, _INVITATION, "invitation", _invitation, lambda one: one.bus)


def sign_request(request: Request, seal: Seal) -> str:
    """Return a request, signed with the key that it asks to be pinned."""
    return signed_json(_octets(request), seal, _REQUEST)


def read_request(signed: str) -> Request:
    """Return a request that is signed with its own key. Raises Misconfigured."""
    return _self_certified(signed, _REQUEST, "request", _request, lambda one: one.certificate)


def sign_answer(answer: Answer, seal: Seal) -> str:
    """Return an answer, signed by the bus."""
    return signed_json(_octets(answer), seal, _ANSWER)


def read_answer(signed: str, bus: x509.Certificate) -> Answer:
    """Return an answer of the bus. Raises Misconfigured, or Denied where another signed it."""
    return _read(open_signed_json(signed, [bus], _ANSWER), "answer", _answer)


def public_sealing_key(key: X25519PrivateKey) -> str:
    """Return the public half of a key for which a password can be sealed, as a request has it."""
    return b64encode(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()


def sealed(password: str, request: Request, signed: str) -> str:
    """Return a password that only who made this request can read (RFC 9180; its context is the request)."""
    key = X25519PublicKey.from_public_bytes(b64decode(request.sealing))
    return b64encode(_SUITE.encrypt(password.encode(), key, request_digest(signed).encode())).decode()


def unsealed(answer: Answer, key: X25519PrivateKey) -> str:
    """Return the password of an answer. Raises cryptography's InvalidTag if it was sealed for another request."""
    return _SUITE.decrypt(b64decode(answer.password), key, answer.request.encode()).decode()


def request_digest(signed: str) -> RawDigest:
    """Return the name under which a request is asked about: the SHA-256 of what was signed."""
    return RawDigest(hashlib.sha256(signed.encode()).hexdigest())


def _octets(document: Invitation | Request | Answer) -> bytes:
    said = asdict(document).items()
    return canonical_json({name: value for name, value in said if value not in (None, "", 0)})


def _self_certified(
    signed: str,
    kind: str,
    name: str,
    read: Callable[[Table], _Document],
    certificate: Callable[[_Document], str],
) -> _Document:
    """Read a document, and verify it with the certificate that is in it."""
    try:
        if len(signed) > MOST_BYTES:
            raise Denied(Doubt.MALFORMED, "longer than such a document can be")
        document = _read(unverified_json(signed, kind), name, read)
        open_signed_json(signed, [x509.load_pem_x509_certificate(certificate(document).encode())], kind)
    except (Denied, ValueError, RecursionError, UnsupportedAlgorithm, x509.InvalidVersion) as wrong:
        raise _unreadable(name) from wrong
    return document


def _read(raw: bytes, name: str, read: Callable[[Table], _Document]) -> _Document:
    table = read_json(raw, name)
    document = read(table)
    table.close()
    table.mistakes.raise_any()
    return document


def _invitation(table: Table) -> Invitation:
    return Invitation(
        agency=_code(table),
        name_th=table.text("name_th", meant="the Thai name"),
        name_en=table.text("name_en", meant="the English name"),
        until=table.moment("until") or datetime.max.replace(tzinfo=UTC),
        secret=table.text("secret", like="[A-Za-z0-9_-]{43}", meant="a secret"),
        centre=table.text("centre", like="https?://.+", meant="a URL"),
        broker=table.text("broker", like="amqps?://.+", meant="a URL"),
        vhost=table.text("vhost"),
        bus=table.text("bus", like=_PEM, meant="a certificate"),
        log_key=table.text("log_key", meant="a log's key"),
        authority=table.optional_text("authority", like=_PEM, meant="a certificate") or "",
        login=table.optional_text("login", like="certificate", meant="certificate") or "",
    )


def _request(table: Table) -> Request:
    stated = table.optional_text("invitation", like=_DIGEST, meant="a SHA-256")
    joins = stated is not None
    return Request(
        agency=_code(table),
        certificate=table.text("certificate", like=_PEM, meant="a certificate"),
        witness=_witness(table) if joins or "witness" in table.values else "",
        sealing=_sealing(table) if joins or "sealing" in table.values else "",
        invitation=None if stated is None else RawDigest(stated),
        login=table.optional_text("login", like=_CSR, meant="a certificate request") or "",
    )


def _answer(table: Table) -> Answer:
    outcome = table.text("outcome", like="approved|declined", meant="approved or declined")
    version = table.values.get("directory", 0)
    return Answer(
        agency=_code(table),
        request=RawDigest(table.text("request", like=_DIGEST, meant="a SHA-256")),
        outcome="approved" if outcome == "approved" else "declined",
        directory=table.positive("directory") if version else 0,
        password=table.optional_text("password", like=_BASE64, meant="base64") or "",
        reason=table.optional_text("reason") or "",
        login=table.optional_text("login", like=_PEM, meant="a certificate") or "",
    )


def _witness(table: Table) -> str:
    stated = table.text("witness", meant="a witness's key")
    try:
        if VerifierKey.parse(stated).kind == WITNESS:
            return stated
    except Unreadable:
        pass
    table.wrong("witness", "is no witness's public key", "Make the request anew")
    return stated


def _sealing(table: Table) -> str:
    stated = table.text("sealing", like="[A-Za-z0-9+/]{43}=", meant="an X25519 key")
    try:
        # A point of small order has no secret with anybody, and would fail only when the answer is sealed.
        X25519PrivateKey.generate().exchange(X25519PublicKey.from_public_bytes(b64decode(stated)))
    except ValueError:
        table.wrong("sealing", "is no X25519 key", "Make the request anew")
    return stated


def _code(table: Table) -> AgencyCode:
    return AgencyCode(table.text("agency", like=_CODE, meant="an agency's code of ten digits"))


def _unreadable(name: str) -> Misconfigured:
    wrong = "is not what it should be, or was changed on the way"
    return Misconfigured(Problem(name, "(whole)", wrong, "Ask for it again"))
