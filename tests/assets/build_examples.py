"""Writes `xsd/examples`: signed samples with their keys, intermediate octets and expected verdicts, for any language.

    python -m tests.assets.build_examples [folder]

Keys on P-256 follow from a text, ECDSA is deterministic (RFC 6979) and RSA by PKCS #1 v1.5 is so by itself, so that a
second run writes the same octets. The RSA key cannot follow from a text: it is made where it is missing, and kept.
"""

from __future__ import annotations

import json
import sys
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from lxml import etree

from bus.documents.letter import Content, File, Letter, Receiver, Sender, Signer
from bus.documents.making import certificate_for, named, usage
from bus.documents.notice import BUS, Event, Notice, ReasonText, Registration, Terms
from bus.documents.octets import seal_octets
from bus.documents.recipients import Recipient, RecipientSet
from bus.documents.reports import Reconciliation, octets
from bus.documents.seal import Seal
from bus.documents.tokens import AUDIENCE, JSON_TYPE
from bus.documents.versions import VERSIONS
from bus.documents.xml import build, canonical, canonical_part, to_bytes
from bus.identifiers import AgencyCode, ContentDigest, RawDigest
from bus.methods import SealKey, method_for
from bus.thai import BANGKOK
from tests.assets import example_changes as changes

FOLDER = Path(__file__).parents[2] / "xsd" / "examples"
AT = datetime(2026, 6, 1, 9, 0, tzinfo=BANGKOK)
"""As of when every sample is judged."""
SENDER, RECIPIENT = AgencyCode("0100500000"), AgencyCode("0100900000")
LETTER, NOTICE = UUID("11111111-1111-4111-8111-111111111111"), UUID("22222222-2222-4222-8222-222222222222")
PDF: Final = b"%PDF-1.7\n%%EOF\n"
PATH = f"/files/{sha256(PDF).hexdigest()}"
_SIGNED_INFO = "{http://www.w3.org/2000/09/xmldsig#}SignedInfo"
_WARNING = "SAMPLE · ตัวอย่าง: these private keys are public. Never use them anywhere."


def build_all(folder: Path, rsa_key: Path = FOLDER / "keys" / "agency-rsa.private.pem") -> dict[str, bytes]:
    """Write every file, and return them by name; `rsa_key` is taken from where it is kept."""
    files = _files(rsa_key)
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return files


def _files(rsa_key: Path) -> dict[str, bytes]:
    seals = _seals(rsa_key)
    files: dict[str, bytes] = {"sample.pdf": PDF}
    for name, seal in seals.items():
        files[f"keys/{name}.private.pem"] = seal.private_key.private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        )
        files[f"keys/{name}.crt.pem"] = seal.certificate.public_bytes(Encoding.PEM)
    vectors: list[dict[str, Any]] = []
    _documents(seals, files, vectors)
    _tokens(seals["agency-p256"], files, vectors)
    _json(seals, files, vectors)
    index = {
        "format": "saraban-examples/1",
        "warning": _WARNING,
        "at": AT.isoformat(),
        "agency": SENDER,
        "token": {"method": "PUT", "path": PATH, "at": int(AT.timestamp())},
        "vectors": vectors,
    }
    files["index.json"] = (json.dumps(index, ensure_ascii=False, indent=2) + "\n").encode()
    return files


# Keys ------------------------------------------------------------------------------------------------------------


def _seals(rsa_key: Path) -> dict[str, Seal]:
    """The sample seals: an agency's on RSA and on P-256, a stranger's, and that of the bus."""
    return {
        "agency-rsa": _seal(_rsa(rsa_key), "SAMPLE agency RSA"),
        "agency-p256": _seal(_p256("agency"), "SAMPLE agency P-256"),
        "stranger-p256": _seal(_p256("stranger"), "SAMPLE stranger P-256"),
        "bus-p256": _seal(_p256("bus"), "SAMPLE bus P-256"),
    }


@cache
def _rsa(path: Path) -> rsa.RSAPrivateKey:
    if not path.exists():
        return rsa.generate_private_key(65537, 2048)
    key = load_pem_private_key(path.read_bytes(), None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise TypeError(type(key))
    return key


def _p256(name: str) -> ec.EllipticCurvePrivateKey:
    secret = int.from_bytes(sha256(f"saraban sample {name}".encode()).digest())
    return ec.derive_private_key(secret, ec.SECP256R1())


def _seal(key: SealKey, name: str) -> Seal:
    """A certificate that is the same in each run, valid until 2036."""
    builder = certificate_for(key.public_key(), named(name), named(name))
    builder._serial_number = int.from_bytes(sha256(name.encode()).digest()[:15])
    builder = builder.not_valid_before(datetime(2026, 1, 1, tzinfo=UTC))
    builder = builder.not_valid_after(datetime(2036, 1, 1, tzinfo=UTC))
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(usage(digital_signature=True), critical=True)
    if isinstance(key, rsa.RSAPrivateKey):
        return Seal(key, builder.sign(key, SHA256()))
    return Seal(key, builder.sign(key, SHA256(), ecdsa_deterministic=True))


def signature_over(key: SealKey, data: bytes) -> bytes:
    """A signature as XML Signature and JOSE have it, the same in each run."""
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(data, padding.PKCS1v15(), SHA256())
    r, s = decode_dss_signature(key.sign(data, ec.ECDSA(SHA256(), deterministic_signing=True)))
    return r.to_bytes(32) + s.to_bytes(32)


# Letters, notices, verdicts --------------------------------------------------------------------------------------


def _documents(seals: Mapping[str, Seal], files: dict[str, bytes], vectors: list[dict[str, Any]]) -> None:
    mine = seals["agency-p256"]
    for name, document, who in (
        ("letter-rsa", _letter(), "agency-rsa"),
        ("letter-p256", _letter(), "agency-p256"),
        ("letter-1.1", _letter(), "agency-p256"),
        ("notice-delivered", _notice(Event.DELIVERED), "agency-p256"),
        ("notice-registered", _registered(), "agency-p256"),
        ("verdict-accepted", _accepted(), "bus-p256"),
        ("verdict-refused", _refused(), "bus-p256"),
    ):
        version = VERSIONS["letter/1.1"] if name == "letter-1.1" else None
        root = _signed(build(document, version), seals[who])
        raw = to_bytes(root)
        info = root[-1].find(_SIGNED_INFO)
        if info is None:
            raise ValueError(name)
        files[f"valid/{name}.xml"] = raw
        octets_of = {"canonical": canonical(root), "signed-info": canonical_part(info)}
        octets_of["key-info"] = canonical_part(root[-1][2])
        octets_of["signed-properties"] = canonical_part(root[-1][3][0][0])
        for part, data in octets_of.items():
            files[f"valid/{name}.{part}"] = data
        vectors.append(
            {
                "name": name,
                "file": f"valid/{name}.xml",
                "kind": name.partition("-")[0],
                "certificate": f"keys/{who}.crt.pem",
                "expected": "valid",
                "sha256": {"raw": sha256(raw).hexdigest()}
                | {part: sha256(data).hexdigest() for part, data in octets_of.items()},
            }
        )
    files["valid/letter-minimal.xml"] = changes.minimal(_letter(), mine, signature_over)
    vectors.append(_vector("letter-minimal", "valid/letter-minimal.xml", "letter", "valid"))
    good = files["valid/letter-p256.xml"]
    for name, (raw, code) in changes.bad(good, files["valid/letter-rsa.xml"]).items():
        files[f"invalid/{name}.xml"] = raw
        vectors.append(_vector(name, f"invalid/{name}.xml", "letter", code))
    strange = to_bytes(_signed(build(_letter()), seals["stranger-p256"]))
    files["invalid/stranger.xml"] = strange
    vectors.append(_vector("stranger", "invalid/stranger.xml", "letter", "key.unknown"))


def _vector(name: str, file: str, kind: str, expected: str, who: str = "agency-p256") -> dict[str, Any]:
    return {
        "name": name,
        "file": file,
        "kind": kind,
        "certificate": f"keys/{who}.crt.pem",
        "expected": expected,
    }


def _signed(root: etree._Element, seal: Seal) -> etree._Element:
    """Sign as the bus does, and put the deterministic signature in place of the random one."""
    seal_octets(root, seal, AT)
    info, value = root[-1][0], root[-1][1]
    value.text = b64encode(signature_over(seal.private_key, canonical_part(info))).decode()
    return root


def _letter() -> Letter:
    return Letter(
        letter_id=LETTER,
        number="นร 0505/1",
        date=date(2026, 6, 1),
        sent_at=AT,
        kind="external",
        sender=Sender(agency=SENDER, name="สำนักเลขาธิการคณะรัฐมนตรี (ตัวอย่าง)"),
        receivers=(Receiver(agency=RECIPIENT),),
        content=Content(
            subject="ตัวอย่าง & <ทดสอบ>",
            signers=(Signer(given_name="ก (ตัวอย่าง)", family_name="ข (ตัวอย่าง)", job_title="ผู้อำนวยการ"),),
        ),
        main_file=File(
            name="sample.pdf",
            size=len(PDF),
            digest=RawDigest(sha256(PDF).hexdigest()),
            media_type="application/pdf",
        ),
    )


def _digest() -> ContentDigest:
    return ContentDigest(sha256(canonical(build(_letter()))).hexdigest())


def _notice(event: Event, **more: Any) -> Notice:
    values: dict[str, Any] = {"notice_id": NOTICE, "event": event, "author": SENDER, "about": (SENDER,)}
    values |= {"letter_id": LETTER, "letter_digest": _digest(), "event_time": AT}
    return Notice(**values | more)


def _registered() -> Notice:
    registration = Registration(number="ร 1/2569", registered_at=AT, year=2569)
    return _notice(Event.REGISTERED, registration=registration)


def _accepted() -> Notice:
    frozen = RecipientSet.of([Recipient(agency=RECIPIENT, addressed=RECIPIENT, role="to")])
    terms = Terms(
        recipients_digest=frozen.digest,
        recipient_count=1,
        recipients=frozen.named,
        directory_version=1,
        calendar_version=1,
        receipt_due_by=AT,
        registration_due_by=AT,
    )
    return _notice(Event.ACCEPTED, author=BUS, about=(), received_time=AT, terms=terms)


def _refused() -> Notice:
    return _notice(
        Event.REFUSED_BY_BUS,
        author=BUS,
        about=(),
        received_time=AT,
        reason_code="recipient.unknown",
        reason_texts=(
            ReasonText(language="th", value="ไม่พบผู้รับ (ตัวอย่าง)"),
            ReasonText(language="en", value="No such recipient (sample)"),
        ),
    )


# Tokens, reports, statements -------------------------------------------------------------------------------------


def compact(header: Mapping[str, Any], payload: bytes, sign: Callable[[bytes], bytes]) -> bytes:
    """A compact JWS (RFC 7515) of this header, whatever it says."""
    first = json.dumps(header, separators=(",", ":")).encode()
    signing = _url(first) + b"." + _url(payload)
    return signing + b"." + _url(sign(signing))


def _url(data: bytes) -> bytes:
    return urlsafe_b64encode(data).rstrip(b"=")


def _jws(seal: Seal, kind: str, payload: bytes, **header: Any) -> bytes:
    stated = {"alg": method_for(seal.private_key).jose, "typ": kind, "kid": seal.fingerprint} | header
    return compact(stated, payload, lambda data: signature_over(seal.private_key, data))


def _tokens(seal: Seal, files: dict[str, bytes], vectors: list[dict[str, Any]]) -> None:
    issued = int(AT.timestamp())
    claims = {"iss": SENDER, "aud": AUDIENCE, "htm": "PUT", "htu": PATH, "iat": issued, "exp": issued + 60}
    claims |= {"jti": "SAMPLE-token-000001"}
    kind = "saraban-request+jwt"
    for name, changed, header, code in (
        ("token", {}, {}, "valid"),
        ("token-other-path", {"htu": "/files/0"}, {}, "token.other-request"),
        ("token-long-lived", {"exp": issued + 61}, {}, "token.time"),
        ("token-old", {"iat": issued - 200, "exp": issued - 140}, {}, "token.time"),
        ("token-other-key", {}, {"kid": "0" * 64}, "token.key"),
        ("token-more-header", {}, {"x5t": "a"}, "valid"),
        ("token-critical-header", {}, {"crit": ["exp"], "exp": 1}, "token.malformed"),
        ("token-other-type", {}, {"typ": "JWT"}, "token.malformed"),
    ):
        payload = json.dumps({**claims, **changed}, separators=(",", ":")).encode()
        _put(files, vectors, name, "token", _jws(seal, kind, payload, **header), code)
    good = files["valid/token.jws"]
    _put(files, vectors, "token-broken", "token", _broken(good), "token.signature")


def _broken(token: bytes) -> bytes:
    """Another signature of the same length."""
    rest, value = token.rsplit(b".", 1)
    return rest + b"." + (b"B" if value[:1] == b"A" else b"A") + value[1:]


def _json(seals: Mapping[str, Seal], files: dict[str, bytes], vectors: list[dict[str, Any]]) -> None:
    report = Reconciliation(
        id=UUID("33333333-3333-4333-8333-333333333333"),
        agency=SENDER,
        at=AT,
        contiguous=3,
        highest=7,
        missing=((5, 6),),
        directory=1,
    )
    payload = octets(report)
    good = _jws(seals["agency-p256"], JSON_TYPE, payload)
    _put(files, vectors, "report", "report", good, "valid")
    files["valid/report.json"] = payload
    _put(files, vectors, "report-broken", "report", _broken(good), "signature.broken")
    strange = _jws(seals["stranger-p256"], JSON_TYPE, payload)
    _put(files, vectors, "report-stranger", "report", strange, "key.unknown")
    wrong = payload.replace(b"reconciliation/1.1", b"reconciliation/9.9")
    bad = _jws(seals["agency-p256"], JSON_TYPE, wrong)
    _put(files, vectors, "report-unknown", "report", bad, "report.unreadable")
    statement = b'{"digest":"%s","since":0,"size":1,"version":1}' % (b"0" * 64)
    signed = _jws(seals["bus-p256"], JSON_TYPE, statement)
    _put(files, vectors, "directory", "directory", signed, "valid", "bus-p256")


def _put(
    files: dict[str, bytes],
    vectors: list[dict[str, Any]],
    name: str,
    kind: str,
    data: bytes,
    expected: str,
    who: str = "agency-p256",
) -> None:
    file = f"{'valid' if expected == 'valid' else 'invalid'}/{name}.jws"
    files[file] = data
    vectors.append(_vector(name, file, kind, expected, who))


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    print(f"{len(build_all(target))} files are in {target}")
