"""Sealing a document, and believing one: XAdES with inclusive C14N 1.1 and SHA-256.

What must hold before `verify` answers (gates 5 and 6), in this order:

1. the document bears one signature, in the one form and place that `profile.py` states;
2. the certificate in it is strong enough, and is one of those pinned for the agency that is to be the author, or one
   for which a public authority pinned for that agency vouches (bus/directory/vouching.py);
3. at the given time it was valid, not revoked, and made for digital signatures;
4. the signature verifies, with that certificate, by signxml;
5. what signxml returns as signed is the whole document. The answer is made from that, and from nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, Generic, TypeGuard, TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from lxml import etree
from signxml.algorithms import DigestAlgorithm, SignatureMethod
from signxml.exceptions import SignXMLException
from signxml.verifier import VerifyResult
from signxml.xades.xades import XAdESSignatureConfiguration, XAdESVerifier

from bus.directory import PinnedCertificate, Vouched
from bus.documents import own_form, profile, schema
from bus.documents.letter import Letter
from bus.documents.notice import Notice
from bus.documents.octets import check_octets, parts_of, seal_octets, seal_written
from bus.documents.pins import load, pin_of, require_fit, require_in_force
from bus.documents.seal import Seal
from bus.documents.versions import DocumentVersion, oldest_for
from bus.documents.writing import octets_of
from bus.documents.xml import (
    MAX_BYTES,
    Document,
    Envelope,
    build,
    canonical,
    hardened_parser,
    parse_again,
    read,
    to_bytes,
)
from bus.errors import RefusalCode, Refused
from bus.identifiers import ContentDigest
from bus.methods import METHODS
from bus.thai import now

DocumentT_co = TypeVar("DocumentT_co", bound=Document, covariant=True)

_METHODS = frozenset(map(SignatureMethod, METHODS))

# What signxml, lxml and cryptography raise about a document. Anything else is a fault of ours and must be seen as one.
_FOREIGN_ERRORS = (
    SignXMLException,
    InvalidSignature,
    UnsupportedAlgorithm,
    etree.LxmlError,
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    NotImplementedError,
)


@dataclass(frozen=True, slots=True)
class Signed:
    """A sealed document: the bytes to send, and the digest that every signature of the same content shares."""

    raw: bytes
    digest: ContentDigest


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified(Generic[DocumentT_co]):
    """A document that an agency demonstrably signed; only `verify` makes one."""

    document: DocumentT_co
    version: str
    """In which it is written: `letter/1.1`."""
    digest: ContentDigest
    """Lower-case hexadecimal SHA-256 of the signed octets: the identity of the content."""
    raw: bytes
    fingerprint: str
    """Of the certificate that verified it: a pinned one, or one for which a pinned authority vouches."""


@dataclass(frozen=True, slots=True)
class Checked:
    """A signature of a permitted form, checked under the certificate that stands in it: nobody's until it is pinned."""

    certificate: bytes
    """DER."""
    method: str
    found: Document | Refused
    """What was signed; or why it is not to be believed, whoever's the certificate is."""


def is_letter(verified: Verified[Document]) -> TypeGuard[Verified[Letter]]:
    """Narrow to a letter."""
    return isinstance(verified.document, Letter)


def is_notice(verified: Verified[Document]) -> TypeGuard[Verified[Notice]]:
    """Narrow to a notice."""
    return isinstance(verified.document, Notice)


def sign(document: Document, seal: Seal, version: DocumentVersion | None = None) -> Signed:
    """Seal a document; raises Refused when it does not follow its schema or grows too large to be sent.

    In the oldest version that has room for all of it unless one is named (see `build`).
    """
    return sign_tree(build(document, version), seal)


def sign_own(notice: Notice, seal: Seal, version: DocumentVersion | None = None) -> Signed:
    """Seal a notice of the machine itself, made of values that it has checked, without asking the schema once more.

    Written straight in canonical form (`writing.py`). For what quotes others there is `sign`. In the oldest version
    that has room for all of it unless one is named. Raises ValueError for a value that the wire does not allow.
    """
    version = version or oldest_for(notice)
    octets = octets_of(notice, version)
    raw = seal_written(octets, version.namespace, seal, now())
    return Signed(raw=raw, digest=ContentDigest(sha256(octets).hexdigest()))


def sign_tree(root: etree._Element, seal: Seal) -> Signed:
    """The same for a document that is built already; the signature is put into the tree."""
    schema.check_tree(root)
    octets = seal_octets(root, seal, now())
    raw = to_bytes(root)
    _require_room(raw)
    return Signed(raw=raw, digest=ContentDigest(sha256(octets).hexdigest()))


def sign_envelope(envelope: Envelope, seal: Seal) -> Signed:
    """Seal a document that was opened and bears no seal; raises as `sign_tree`.

    Where no namespace stands around the signature but the document's own, its octets are known already.
    """
    if not own_form.stands_alone(envelope):
        return sign_tree(envelope.root, seal)
    schema.check(envelope)
    raw = seal_written(envelope.octets, envelope.version.namespace, seal, now())
    _require_room(raw)
    return Signed(raw=raw, digest=envelope.digest)


def _require_room(raw: bytes) -> None:
    if len(raw) > MAX_BYTES:
        raise Refused(RefusalCode.XML_TOO_LARGE, f"{len(raw)} bytes; {MAX_BYTES} are allowed")


def verify(
    envelope: Envelope,
    pins: Sequence[PinnedCertificate],
    at: datetime,
    *,
    vouched: Sequence[Vouched] = (),
    by_octets: bool = False,
) -> Verified[Document]:
    """Gates 5 and 6: the document as it was signed under one of the pins, judged as of `at`; raises Refused.

    `vouched` are the organizations pinned for the same agency, for certificates that are not pinned themselves.

    `by_octets` checks the signature in this project's own way (octets.py) instead of by signxml: for the router, which
    does it for every letter. The pin, its validity and the form of the signature are judged alike.
    """
    if by_octets:
        document, fingerprint = believe(check(envelope), pins, at, vouched)
        return _verified(envelope, document, fingerprint)
    claim = profile.examine(envelope.root)
    pin = pin_of(claim.certificate, claim.method, pins, vouched, at)
    require_in_force(pin, pins, at)
    signed = _verified_by_signxml(envelope, claim, pin.certificate, at)
    if signed.signed_xml is None or signed.signed_data != canonical(envelope.root):
        raise Refused(RefusalCode.SIGNATURE_BROKEN, "the signature does not cover the whole document")
    return _verified(envelope, read(signed.signed_xml), pin.fingerprint)


def _verified(envelope: Envelope, document: Document, fingerprint: str) -> Verified[Document]:
    return Verified(
        document=document,
        version=envelope.version.name,
        digest=envelope.digest,
        raw=envelope.raw,
        fingerprint=fingerprint,
    )


def check(envelope: Envelope) -> Checked:
    """Check a signature over its octets, under the certificate in it. Raises Refused for a form that is not permitted.

    A function of the bytes alone: whether the certificate may speak for anybody is what `believe` says.
    """
    parts = own_form.parts_of(envelope) or parts_of(envelope, profile.examine(envelope.root))
    found: Document | Refused
    try:
        certificate = load(parts.certificate)
        require_fit(certificate, parts.method)
        check_octets(parts, certificate)
        found = read(parse_again(envelope.octets))
    except Refused as wrong:
        found = wrong
    return Checked(parts.certificate, parts.method, found)


def believe(
    checked: Checked, pins: Sequence[PinnedCertificate], at: datetime, vouched: Sequence[Vouched]
) -> tuple[Document, str]:
    """Return a document and its certificate's fingerprint, if that may speak; raises Refused, first for the key."""
    pin = pin_of(checked.certificate, checked.method, pins, vouched, at)
    require_in_force(pin, pins, at)
    if isinstance(checked.found, Refused):
        raise checked.found
    return checked.found, pin.fingerprint


class _Verifier(XAdESVerifier):
    """signxml's verifier, mended in two places; it keeps the state of its call, so each call has its own."""

    def _tostring(self, xml_node: etree._Element, **options: Any) -> bytes:
        # The text behind an element is no part of it; signxml takes it along, and cannot read `&#13;` there.
        return bytes(etree.tostring(xml_node, with_tail=False, **options))

    def _c14n(self, nodes: Any, *args: Any, **options: Any) -> bytes:
        # An element is made a root of its own before: see xml.canonical_part.
        own = etree.fromstring(self._tostring(nodes), hardened_parser())
        return bytes(super()._c14n(own, *args, **options))


def _verified_by_signxml(
    envelope: Envelope, claim: profile.Claim, certificate: x509.Certificate, at: datetime
) -> VerifyResult:
    """The reference to the document as signxml verified it."""
    expected = XAdESSignatureConfiguration(
        require_x509=True,
        location="./",
        expect_references=len(claim.references),
        signature_methods=_METHODS,
        digest_algorithms=frozenset({DigestAlgorithm.SHA256}),
        verification_time=at,
    )
    # profile.py has examined the form by a narrower schema than the signature's own.
    arguments: dict[str, Any] = {
        "x509_cert": certificate,
        "parser": hardened_parser(),
        "validate_schema": False,
    }
    try:
        verified = _Verifier().verify(envelope.raw, expect_config=expected, **arguments)
    except _FOREIGN_ERRORS as exc:
        raise Refused(RefusalCode.SIGNATURE_BROKEN, "the signature does not verify") from exc
    return verified[next(n for n, one in enumerate(claim.references) if one.part is None)]
