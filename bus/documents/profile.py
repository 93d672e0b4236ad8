"""The form in which a document is signed, checked on the tree alone, before any cryptography.

A signature library accepts whatever the standards of XML Signature allow. Here `xsd/signature/1.0` says what may stand
in a signature, and what a schema cannot say follows below it: what each reference names, and that no Id stands
elsewhere. So nothing unsigned has room in it and no reference can be led elsewhere. What is accepted beside our own
form, and what is not, stands with its reasons in docs/decisions/0004-one-signature-profile.md.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections import Counter
from dataclasses import dataclass
from hashlib import sha256
from typing import cast

from lxml import etree

from bus.documents import schema
from bus.documents.xml import DS_NAMESPACE, SIGNATURE, position
from bus.errors import RefusalCode, Refused

ENVELOPED = "http://www.w3.org/2000/09/xmldsig#enveloped-signature"
EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"

DS = f"{{{DS_NAMESPACE}}}"
XADES = "{http://uri.etsi.org/01903/v1.3.2#}"
_PROPERTIES = f"{DS}Object/{XADES}QualifyingProperties/{XADES}SignedProperties"
_SIGNER = f"{XADES}SignedSignatureProperties/{XADES}SigningCertificateV2/{XADES}Cert"
_FORMAT = f"{XADES}SignedDataObjectProperties/{XADES}DataObjectFormat"
_ALGORITHMS = (f"{DS}SignatureMethod", f"{DS}DigestMethod")
_BLANKS = re.compile("[ \t\r\n]+")
"""White space as XML has it (XML 1.0, section 2.3); Python's own idea of it is wider."""
LONGEST_TEXT = 16_384
"""Characters: no text of a signature is longer; the schema says the same, and takes longer to say it."""
_TOO_LONG = etree.XPath(f"boolean(.//text()[string-length() > {LONGEST_TEXT}])")
# Verifiers look for a reference's target under several spellings of the attribute, so all of them count.
_EVERY_ID = etree.XPath("//@*[translate(local-name(), 'ID', 'id') = 'id']")
# By the first a document would talk to the validator; the others are inherited by what is canonicalised (xml:*).
_MEDDLING = etree.XPath(
    "boolean(descendant-or-self::*/@xsi:* | /*/@xml:*)",
    namespaces={"xsi": "http://www.w3.org/2001/XMLSchema-instance"},
)


@dataclass(frozen=True, slots=True)
class Covered:
    """One reference of a signature: what it covers, and the digest that it states."""

    part: etree._Element | None
    """An element of the signature; None for the whole document without the signature."""
    exclusive: bool
    """Whether the part is canonicalised exclusively; the document never is."""
    digest: bytes


@dataclass(frozen=True, slots=True)
class Claim:
    """What a signature of the right form says; nothing of it is verified."""

    method: str
    """The URI of one of `METHODS`: the schema names no other."""
    certificate: bytes
    """DER, not looked into; the one that the signed properties name."""
    references: tuple[Covered, ...]
    """In the signature's own order; exactly one covers the document."""
    signed_info: etree._Element
    exclusive: bool
    """Whether SignedInfo is canonicalised exclusively."""
    value: bytes


def examine(root: etree._Element) -> Claim:
    """Raise Refused(signature.*) unless the document bears one signature, of the permitted form, in its one place."""
    signature = _the_signature(root)
    if _TOO_LONG(signature):
        raise _refusal("a text is too long", signature)
    if _MEDDLING(signature):
        raise _refusal("an attribute of XMLSchema-instance, or of the namespace xml", signature)
    if (verdict := schema.verdict(signature, schema.SIGNATURE)) is not None:
        message, line = verdict
        algorithm = "Algorithm" in message and any(f"'{tag}'" in message for tag in _ALGORITHMS)
        code = RefusalCode.SIGNATURE_ALGORITHM if algorithm else RefusalCode.SIGNATURE_PROFILE
        raise Refused(code, message, where=f"/ line {line}")
    _check_ids(root, signature)
    info, properties = _at(signature, f"{DS}SignedInfo"), _at(signature, _PROPERTIES)
    return Claim(
        method=_algorithm(_at(info, f"{DS}SignatureMethod")),
        certificate=_certificate(signature, properties),
        references=_references(signature, info, properties),
        signed_info=info,
        exclusive=_algorithm(_at(info, f"{DS}CanonicalizationMethod")) == EXCLUSIVE,
        value=_decoded(_at(signature, f"{DS}SignatureValue")),
    )


def _certificate(signature: etree._Element, properties: etree._Element) -> bytes:
    """The certificate in KeyInfo, which is the one that the signed properties name."""
    certificate = _decoded(_at(signature, f"{DS}KeyInfo/{DS}X509Data/{DS}X509Certificate"))
    named = _at(properties, f"{_SIGNER}/{XADES}CertDigest/{DS}DigestValue")
    if sha256(certificate).digest() != _decoded(named):
        raise _refusal("the signed properties name another certificate than stands in KeyInfo", named)
    return certificate


def _the_signature(root: etree._Element) -> etree._Element:
    found = list(root.iter(SIGNATURE))
    if not found:
        raise Refused(RefusalCode.SIGNATURE_MISSING, "the document bears no signature")
    if len(found) > 1:
        raise Refused(RefusalCode.SIGNATURE_SEVERAL, f"the document bears {len(found)} signatures")
    if root is found[0] or root[-1] is not found[0]:
        detail = "the signature is not the last element of the document's root"
        raise Refused(RefusalCode.SIGNATURE_MISPLACED, detail, where=position(found[0]))
    if len(list(root.iterchildren(f"{DS}*"))) > 1:
        raise _refusal("a part of a signature stands outside of it", root)
    return found[0]


def _check_ids(root: etree._Element, signature: etree._Element) -> None:
    """All Ids are those of the signature, each of them once: the schema has seen to their form."""
    inside = [str(name) for one in signature.iter() if (name := one.get("Id")) is not None]
    if Counter(cast("list[str]", _EVERY_ID(root))) != Counter(set(inside)):
        raise _refusal("an Id stands twice, or outside of the signature", signature)


def _references(
    signature: etree._Element, info: etree._Element, properties: etree._Element
) -> tuple[Covered, ...]:
    """What the references cover: the document and the properties once each, and KeyInfo at most once."""
    key = _at(signature, f"{DS}KeyInfo")
    parts = {"": None, f"#{properties.get('Id')}": properties}
    if key.get("Id") is not None:
        parts[f"#{key.get('Id')}"] = key
    references = info.findall(f"{DS}Reference")
    by_uri = {str(one.get("URI")): one for one in references}
    whole = by_uri.get("")
    if len(by_uri) != len(references) or not by_uri.keys() <= parts.keys():
        raise _refusal("a reference names something else, or the same as another", info)
    if whole is None or f"#{properties.get('Id')}" not in by_uri:
        raise _refusal("the document or the signed properties are not referred to", info)
    for uri, one in by_uri.items():
        if (one.get("Type") is not None) is not (parts[uri] is properties):
            raise _refusal("Type stands where the signed properties are referred to, and only there", one)
    if _at(signature, f"{DS}Object/{XADES}QualifyingProperties").get("Target") != f"#{signature.get('Id')}":
        raise _refusal("the properties are those of another signature", properties)
    described = properties.find(_FORMAT)
    if described is not None and described.get("ObjectReference") != f"#{whole.get('Id')}":
        raise _refusal("the properties describe something else than the document", described)
    return tuple(_covered(one, parts[uri]) for uri, one in by_uri.items())


def _covered(reference: etree._Element, part: etree._Element | None) -> Covered:
    transforms = [_algorithm(one) for one in reference.iterfind(f"{DS}Transforms/{DS}Transform")]
    if part is None and transforms[:1] != [ENVELOPED]:
        raise _refusal("the document is referred to without taking the signature out of it", reference)
    canonicalised = transforms[1:] if part is None else transforms
    if len(canonicalised) > 1 or ENVELOPED in canonicalised:
        raise _refusal("more transforms than there is room for", reference)
    exclusive = canonicalised == [EXCLUSIVE]
    if part is None and exclusive:
        # The digest of this reference is the identity of the document; by two canonical forms it would have two.
        raise _refusal("the document is canonicalised exclusively", reference)
    return Covered(part, exclusive, _decoded(_at(reference, f"{DS}DigestValue")))


def _at(element: etree._Element, path: str) -> etree._Element:
    found = element.find(path)
    if found is None:
        raise _refusal("a part of the signature is missing", element)
    return found


def _algorithm(element: etree._Element) -> str:
    return str(element.get("Algorithm"))


def _decoded(element: etree._Element) -> bytes:
    """The octets of a text in base64, written in the one way (RFC 4648, section 3.5) but for white space."""
    text = _BLANKS.sub("", element.text or "")
    try:
        octets = b64decode(text, validate=True)
    except (Base64Error, ValueError) as exc:
        raise _refusal("this is no base64", element) from exc
    if b64encode(octets).decode("ascii") != text:
        raise _refusal("this base64 can be written in a shorter or another way", element)
    return octets


def _refusal(detail: str, element: etree._Element) -> Refused:
    return Refused(RefusalCode.SIGNATURE_PROFILE, detail, where=position(element))
