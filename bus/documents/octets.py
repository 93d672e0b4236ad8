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
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

from bus.documents import profile
from bus.documents.profile import Claim
from bus.documents.seal import Seal
from bus.documents.xml import Envelope, canonical, canonical_part, hardened_parser
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


def seal_octets(root: etree._Element, seal: Seal, at: datetime) -> bytes:
    """Put a seal's signature into an unsigned document; return the signed octets.

    `at` is the time that the signature claims to be made at, to the second.
    """
    signed = canonical(root)
    certificate = seal.certificate.public_bytes(Encoding.DER)
    method = method_for(seal.private_key)
    written = OUR_FORM.format(
        method=method.uri,
        certificate=_encoded(certificate),
        time=at.isoformat(timespec="seconds"),
        digest=_encoded(sha256(certificate).digest()),
    )
    signature = etree.fromstring(written, hardened_parser())
    root.append(signature)  # before any digest: what is canonical also depends on the namespaces around it
    info, value, key, _ = signature
    covered = (signed, canonical_part(_properties(signature)), canonical_part(key))
    for reference, octets in zip(info.iterfind(f"{profile.DS}Reference"), covered, strict=True):
        reference[-1].text = _encoded(sha256(octets).digest())
    value.text = _encoded(method.sign(seal.private_key, canonical_part(info)))
    return signed


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


def _encoded(octets: bytes) -> str:
    return b64encode(octets).decode("ascii")


def _require(holds: bool, detail: str) -> None:
    if not holds:
        raise Refused(RefusalCode.SIGNATURE_BROKEN, detail)
