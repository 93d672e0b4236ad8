"""The signature over its octets: how it is made, and how the router checks it.

`signing.py` also verifies with signxml, which parses and serialises a document a dozen times to allow for every form
that a signature may have. Here `profile.py` has examined the form before anything is checked, and has said what each
reference covers. What is left is arithmetic: a digest for each reference and one signature over canonical octets (XML
Signature, sections 3.1 and 3.2; XAdES, ETSI EN 319 132-1, for the properties).

The recipient's adapter verifies the same letter with signxml before it signs a receipt, so two implementations have to
agree; tests hold them, the verifier of packs and xmlsec1 against each other over every sample, defect and mutant.
"""

from __future__ import annotations

import hmac
from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from typing import Any, cast

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

from bus.documents import profile
from bus.documents.profile import Claim
from bus.documents.seal import Seal
from bus.documents.xml import Envelope, canonical, canonical_part, hardened_parser, to_bytes
from bus.errors import RefusalCode, Refused
from bus.methods import METHODS, method_for

OUR_FORM = """\
<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#" xmlns:xades="http://uri.etsi.org/01903/v1.3.2#" \
Id="signature"><ds:SignedInfo>\
<ds:CanonicalizationMethod Algorithm="http://www.w3.org/2006/12/xml-c14n11"/>\
<ds:SignatureMethod Algorithm="{method}"/>\
<ds:Reference Id="document" URI=""><ds:Transforms>\
<ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/>\
<ds:Transform Algorithm="http://www.w3.org/2006/12/xml-c14n11"/></ds:Transforms>\
<ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/><ds:DigestValue/></ds:Reference>\
<ds:Reference URI="#properties" Type="http://uri.etsi.org/01903#SignedProperties">\
<ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/><ds:DigestValue/></ds:Reference>\
<ds:Reference URI="#key">\
<ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/><ds:DigestValue/></ds:Reference>\
</ds:SignedInfo><ds:SignatureValue/>\
<ds:KeyInfo Id="key"><ds:X509Data><ds:X509Certificate>{certificate}</ds:X509Certificate></ds:X509Data></ds:KeyInfo>\
<ds:Object><xades:QualifyingProperties Target="#signature"><xades:SignedProperties Id="properties">\
<xades:SignedSignatureProperties><xades:SigningTime>{time}</xades:SigningTime>\
<xades:SigningCertificateV2><xades:Cert><xades:CertDigest>\
<ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/><ds:DigestValue>{digest}</ds:DigestValue>\
</xades:CertDigest></xades:Cert></xades:SigningCertificateV2></xades:SignedSignatureProperties>\
<xades:SignedDataObjectProperties><xades:DataObjectFormat ObjectReference="#document">\
<xades:Description>Saraban Bus document</xades:Description><xades:MimeType>application/xml</xades:MimeType>\
</xades:DataObjectFormat></xades:SignedDataObjectProperties></xades:SignedProperties></xades:QualifyingProperties>\
</ds:Object></ds:Signature>"""
"""The signature that we make; nothing that is put into it needs escaping."""
_DECLARATION = b"<?xml version='1.0' encoding='UTF-8'?>\n"


def seal_octets(root: etree._Element, seal: Seal, at: datetime) -> bytes:
    """Put a seal's signature into an unsigned document; return the signed octets.

    `at` is the time that the signature claims to be made at, to the second.
    """
    signed = canonical(root)
    method = method_for(seal.private_key)
    signature = _our_form(method.uri, seal.certificate, _written(at))
    root.append(signature)  # before any digest: what is canonical also depends on the namespaces around it
    info, value, key, _ = signature
    covered = (signed, canonical_part(_properties(signature)), canonical_part(key))
    _state(info, map(_digest, covered))
    value.text = _encoded(method.sign(seal.private_key, canonical_part(info)))
    return signed


def _our_form(method: str, certificate: x509.Certificate, time: str) -> etree._Element:
    """Our signature without its digests and its value."""
    der = certificate.public_bytes(Encoding.DER)
    written = OUR_FORM.format(method=method, certificate=_encoded(der), time=time, digest=_digest(der))
    return etree.fromstring(written, hardened_parser())


def _state(info: etree._Element, digests: Iterable[str]) -> None:
    for reference, digest in zip(info.iterfind(f"{profile.DS}Reference"), digests, strict=True):
        reference[-1].text = digest


@dataclass(frozen=True, slots=True)
class _Frame:
    """The signature of one seal in documents of one namespace, as text in which some places are left open.

    They are made by the parser and the canonicaliser, as for every document, and once instead of for each.
    """

    whole: str
    """As it stands in the document."""
    info: str
    properties: str
    """Canonical, as `info` is: what is signed, and what a reference covers."""
    key: str
    """The digest of KeyInfo."""


def seal_written(octets: bytes, namespace: str, seal: Seal, at: datetime) -> bytes:
    """Return a document whose canonical octets are known, with a seal's signature.

    Its root declares `namespace` as the default one and no other. The result is what `seal_octets` makes of its tree.
    """
    method = method_for(seal.private_key)
    frame = _framed(method.uri, seal.certificate, namespace)
    time = _written(at)
    properties = frame.properties.format(time=time)
    digests = {
        "document": _digest(octets),
        "properties": _digest(properties.encode()),
        "key": frame.key,
    }
    value = method.sign(seal.private_key, frame.info.format(**digests).encode())
    signature = frame.whole.format(time=time, value=_encoded(value), **digests)
    end = octets.rindex(b"</")
    return b"".join((_DECLARATION, octets[:end], signature.encode(), octets[end:]))


@lru_cache(maxsize=16)
def _framed(method: str, certificate: x509.Certificate, namespace: str) -> _Frame:
    root = etree.Element(etree.QName(namespace, "Frame"), nsmap=cast(Any, {None: namespace}))
    signature = _our_form(method, certificate, "{time}")
    root.append(signature)
    info, value, key, _ = signature
    _state(info, ("{document}", "{properties}", "{key}"))
    value.text = "{value}"
    written = to_bytes(root).decode()
    return _Frame(
        whole=written[written.index("<ds:Signature ") : written.rindex("</")],
        info=canonical_part(info).decode(),
        properties=canonical_part(_properties(signature)).decode(),
        key=_digest(canonical_part(key)),
    )


def _properties(signature: etree._Element) -> etree._Element:
    return signature[-1][0][0]


@dataclass(frozen=True, slots=True)
class Parts:
    """What a signature of a permitted form states, and the octets that it is about; nothing of it is verified."""

    method: str
    """The URI of one of `METHODS`."""
    certificate: bytes
    """DER, not looked into; the one that the signed properties name."""
    covered: tuple[tuple[bytes, bytes], ...]
    """The octets that each reference covers, with the digest that it states; once those of the document."""
    signed_info: bytes
    value: bytes


def parts_of(envelope: Envelope, claim: Claim) -> Parts:
    """Return the parts of a signature as `profile.examine` found them in the tree."""
    return Parts(
        method=claim.method,
        certificate=claim.certificate,
        covered=tuple(
            (
                envelope.octets if one.part is None else canonical_part(one.part, exclusive=one.exclusive),
                one.digest,
            )
            for one in claim.references
        ),
        signed_info=canonical_part(claim.signed_info, exclusive=claim.exclusive),
        value=claim.value,
    )


def check_octets(parts: Parts, certificate: x509.Certificate) -> None:
    """Raise Refused(signature.broken) unless every digest and the signature are right under a certificate's key.

    The certificate is the one that the parts name, pinned for the agency.
    """
    for octets, digest in parts.covered:
        _require(hmac.compare_digest(sha256(octets).digest(), digest), "a digest is another")
    try:
        METHODS[parts.method].verify(certificate.public_key(), parts.value, parts.signed_info)
    except InvalidSignature as exc:
        raise Refused(RefusalCode.SIGNATURE_BROKEN, "the signature does not verify") from exc


def _written(at: datetime) -> str:
    return at.isoformat(timespec="seconds")


def _digest(octets: bytes) -> str:
    return _encoded(sha256(octets).digest())


def _encoded(octets: bytes) -> str:
    return b64encode(octets).decode("ascii")


def _require(holds: bool, detail: str) -> None:
    if not holds:
        raise Refused(RefusalCode.SIGNATURE_BROKEN, detail)
