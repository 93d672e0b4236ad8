"""What is done to a signed sample letter so that it is refused, and the smallest form in which one is accepted."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable
from hashlib import sha256

from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

from bus.documents.letter import Letter
from bus.documents.seal import Seal
from bus.documents.xml import DS_NAMESPACE, build, canonical, canonical_part, to_bytes
from bus.methods import SealKey

_SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"
_C14N = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
_MINIMAL = f"""\
<Signature xmlns="{DS_NAMESPACE}" Id="s"><SignedInfo><CanonicalizationMethod Algorithm="{_C14N}"/>\
<SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"/><Reference URI=""><Transforms>\
<Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/></Transforms>\
<DigestMethod Algorithm="{_SHA256}"/><DigestValue/></Reference>\
<Reference URI="#p" Type="http://uri.etsi.org/01903#SignedProperties">\
<DigestMethod Algorithm="{_SHA256}"/><DigestValue/></Reference></SignedInfo><SignatureValue/>\
<KeyInfo><X509Data><X509Certificate>CERTIFICATE</X509Certificate></X509Data></KeyInfo>\
<Object><QualifyingProperties xmlns="http://uri.etsi.org/01903/v1.3.2#" Target="#s"><SignedProperties Id="p">\
<SignedSignatureProperties><SigningTime>2026-06-01T02:00:00Z</SigningTime><SigningCertificateV2><Cert><CertDigest>\
<DigestMethod xmlns="{DS_NAMESPACE}" Algorithm="{_SHA256}"/>\
<DigestValue xmlns="{DS_NAMESPACE}">FINGERPRINT</DigestValue></CertDigest></Cert></SigningCertificateV2>\
</SignedSignatureProperties></SignedProperties></QualifyingProperties></Object></Signature>"""
"""Canonical XML 1.0, the default namespace, no reference to KeyInfo and no DataObjectFormat: all of it permitted."""


def minimal(letter: Letter, seal: Seal, sign: Callable[[SealKey, bytes], bytes]) -> bytes:
    """A letter signed in the smallest form that is accepted."""
    root = build(letter)
    der = seal.certificate.public_bytes(Encoding.DER)
    text = _MINIMAL.replace("CERTIFICATE", b64encode(der).decode())
    text = text.replace("FINGERPRINT", b64encode(sha256(der).digest()).decode())
    signed = canonical(root)
    signature = etree.fromstring(text)
    root.append(signature)
    info = signature[0]
    for reference, data in zip(list(info)[2:], (signed, canonical_part(signature[3][0][0])), strict=True):
        reference[-1].text = b64encode(sha256(data).digest()).decode()
    signature[1].text = b64encode(sign(seal.private_key, canonical_part(info))).decode()
    return to_bytes(root)


def bad(good: bytes, other: bytes) -> dict[str, tuple[bytes, str]]:
    """By name, what became of a good letter, and the code of its refusal; `other` is signed with another key."""
    signature = good[good.index(b"<ds:Signature") : good.index(b"</ds:Signature>") + len(b"</ds:Signature>")]
    value = re.search(rb"<ds:SignatureValue>(.)", good)
    if value is None:
        raise ValueError("no value")
    at = value.start(1)
    flipped = good[:at] + (b"B" if value[1] == b"A" else b"A") + good[at + 1 :]
    return {
        "content-changed": (good.replace(b"0505/1<", b"0505/2<"), "signature.broken"),
        "value-changed": (flipped, "signature.broken"),
        "blank-added": (good.replace(b"<ds:Signature ", b" <ds:Signature ", 1), "signature.broken"),
        "time-changed": (
            good.replace(b"SigningTime>2026", b"SigningTime>2025", 1),
            "signature.broken",
        ),
        "other-signers-value": (_with_value_of(good, other), "signature.broken"),
        "unsigned": (good.replace(signature, b""), "signature.missing"),
        "signed-twice": (good.replace(signature, signature + signature), "signature.several"),
        "signature-first": (
            good.replace(signature, b"").replace(b"<LetterID>", signature + b"<LetterID>", 1),
            "schema.element",
        ),
        "digest-sha1": (
            good.replace(b"2001/04/xmlenc#sha256", b"2000/09/xmldsig#sha1"),
            "signature.algorithm",
        ),
        "document-exclusive": (
            good.replace(
                b'Transform Algorithm="http://www.w3.org/2006/12/xml-c14n11"',
                b'Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"',
            ),
            "signature.profile",
        ),
        "reference-elsewhere": (good.replace(b'URI="#key"', b'URI="#other"'), "signature.profile"),
        "base64-padded": (
            good.replace(b"=</ds:DigestValue>", b"==</ds:DigestValue>", 1),
            "signature.profile",
        ),
        "doctype": (good.replace(b"<Letter ", b"<!DOCTYPE Letter><Letter ", 1), "xml.dtd"),
        "comment": (good.replace(b"<LetterID>", b"<!-- --><LetterID>", 1), "xml.foreign-node"),
        "cut-off": (good[:-3], "xml.not-well-formed"),
        "element-unknown": (good.replace(b"<KindCode>", b"<Kind/><KindCode>", 1), "schema.element"),
        "version-unknown": (good.replace(b"letter:1.0", b"letter:9.0", 1), "type.unknown-version"),
        "root-unknown": (b'<Other xmlns="urn:other"/>', "type.unknown-root"),
    }


def _with_value_of(good: bytes, other: bytes) -> bytes:
    pattern = re.compile(rb"<ds:SignatureValue>.*?</ds:SignatureValue>", re.DOTALL)
    value = pattern.search(other)
    if value is None:
        raise ValueError("no value")
    return pattern.sub(value[0].replace(b"\\", b"\\\\"), good)
