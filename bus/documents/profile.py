"""The one form in which a document is signed, and its check on the tree alone, before any cryptography.

A signature library accepts whatever the standards of XML Signature allow. Here one outline is accepted, element by
element and attribute by attribute, so that nothing unsigned has room in it and no reference can be led elsewhere.
"""

from __future__ import annotations

import re
from base64 import b64decode
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

from lxml import etree

from bus.documents.xml import DS_NAMESPACE, SIGNATURE, hardened_parser, position
from bus.errors import Rejected, RejectionCode

ECDSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"
RSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
_METHODS = (ECDSA_SHA256, RSA_SHA256)

# Depth by indentation; each attribute with the value that it must have. A value beginning with $ is what the signature
# itself chose: its four Ids, which must differ, and one of the two signature methods.
_OUTLINE = """\
ds:Signature Id=$signature
 ds:SignedInfo
  ds:CanonicalizationMethod Algorithm=http://www.w3.org/2006/12/xml-c14n11
  ds:SignatureMethod Algorithm=$method
  ds:Reference Id=$document URI=
   ds:Transforms
    ds:Transform Algorithm=http://www.w3.org/2000/09/xmldsig#enveloped-signature
    ds:Transform Algorithm=http://www.w3.org/2006/12/xml-c14n11
   ds:DigestMethod Algorithm=http://www.w3.org/2001/04/xmlenc#sha256
   ds:DigestValue
  ds:Reference URI=#$properties Type=http://uri.etsi.org/01903#SignedProperties
   ds:DigestMethod Algorithm=http://www.w3.org/2001/04/xmlenc#sha256
   ds:DigestValue
  ds:Reference URI=#$key
   ds:DigestMethod Algorithm=http://www.w3.org/2001/04/xmlenc#sha256
   ds:DigestValue
 ds:SignatureValue
 ds:KeyInfo Id=$key
  ds:X509Data
   ds:X509Certificate
 ds:Object
  xades:QualifyingProperties Target=#$signature
   xades:SignedProperties Id=$properties
    xades:SignedSignatureProperties
     xades:SigningTime
     xades:SigningCertificateV2
      xades:Cert
       xades:CertDigest
        ds:DigestMethod Algorithm=http://www.w3.org/2001/04/xmlenc#sha256
        ds:DigestValue
    xades:SignedDataObjectProperties
     xades:DataObjectFormat ObjectReference=#$document
      xades:Description
      xades:MimeType
"""
_PREFIXES = {"ds": DS_NAMESPACE, "xades": "http://uri.etsi.org/01903/v1.3.2#"}
_BASE64 = (f"{{{DS_NAMESPACE}}}DigestValue", f"{{{DS_NAMESPACE}}}SignatureValue")
_ALGORITHMS = (f"{{{DS_NAMESPACE}}}SignatureMethod", f"{{{DS_NAMESPACE}}}DigestMethod")


@dataclass(frozen=True, slots=True)
class _Part:
    """An element of the outline."""

    tag: str
    attributes: dict[str, str]
    chosen: tuple[tuple[str, str], ...]
    """Those of its attributes that hold what the signature chose: the name, and what was chosen."""
    children: list[_Part]


def _outline() -> _Part:
    above: list[_Part] = []
    for line in _OUTLINE.splitlines():
        part, depth = _part_of(line), len(line) - len(line.lstrip())
        if depth:
            above[depth - 1].children.append(part)
        above[depth:] = [part]
    return above[0]


def _part_of(line: str) -> _Part:
    name, *pairs = line.split()
    prefix, _, local = name.partition(":")
    attributes = {pair.partition("=")[0]: pair.partition("=")[2] for pair in pairs}
    chosen = tuple((name, value.lstrip("#")) for name, value in attributes.items() if "$" in value)
    return _Part(f"{{{_PREFIXES[prefix]}}}{local}", attributes, chosen, [])


_EXPECTED = _outline()
_CHOSEN = {
    name: etree.XPath(f"string({path})", namespaces=_PREFIXES)
    for name, path in {
        "$signature": "@Id",
        "$document": "ds:SignedInfo/ds:Reference[1]/@Id",
        "$properties": "ds:Object/xades:QualifyingProperties/xades:SignedProperties/@Id",
        "$key": "ds:KeyInfo/@Id",
    }.items()
}
_METHOD = etree.XPath("string(ds:SignedInfo/ds:SignatureMethod/@Algorithm)", namespaces=_PREFIXES)
_SIGNING_TIME = etree.XPath("string(.//xades:SigningTime)", namespaces=_PREFIXES)
_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)")
_CERTIFICATE = etree.XPath("string(ds:KeyInfo/ds:X509Data/ds:X509Certificate)", namespaces=_PREFIXES)
# Verifiers look for a reference's target under several spellings of the attribute, so all of them count.
_EVERY_ID = etree.XPath("//@*[translate(local-name(), 'ID', 'id') = 'id']")


@dataclass(frozen=True, slots=True)
class Claim:
    """What a signature of the right form says of itself; nothing of it is verified."""

    method: str
    """`ECDSA_SHA256` or `RSA_SHA256`."""
    certificate: bytes
    """DER, not looked into."""


def skeleton(method: str) -> etree._Element:
    """Return a signature of the right form by one of the two methods, without its texts."""
    return etree.fromstring(_written(method), hardened_parser())


@cache
def _written(method: str) -> bytes:
    # Kept as bytes, not as a tree: parsing is faster than building, and a tree would be shared by threads.
    names = {chosen: chosen.removeprefix("$") for chosen in _CHOSEN}
    root = etree.Element(_EXPECTED.tag, nsmap=cast(Any, _PREFIXES))
    _fill(root, _EXPECTED, {**names, "$method": method})
    return etree.tostring(root)


def _fill(element: etree._Element, part: _Part, chosen: dict[str, str]) -> None:
    for name, value in _filled(part, chosen).items():
        element.set(name, value)
    for child in part.children:
        _fill(etree.SubElement(element, child.tag), child, chosen)


def examine(root: etree._Element) -> Claim:
    """Raise Rejected(signature.*) unless the document bears one signature, of the one form, in its one place."""
    signature = _the_signature(root)
    chosen = {name: str(find(signature)) for name, find in _CHOSEN.items()}
    every_id = [str(one) for one in cast("list[str]", _EVERY_ID(root))]
    if len(set(every_id)) != len(every_id) or set(every_id) != set(chosen.values()):
        raise _refusal("an Id is missing, stands twice, or stands outside of the signature", signature)
    method = str(_METHOD(signature))
    _match(_EXPECTED, signature, {**chosen, "$method": method if method in _METHODS else _METHODS[0]})
    if not _DATE_TIME.fullmatch(str(_SIGNING_TIME(signature))):
        raise _refusal("SigningTime is no time with a zone", signature)
    return Claim(method=method, certificate=_certificate(signature))


def _the_signature(root: etree._Element) -> etree._Element:
    found = list(root.iter(SIGNATURE))
    if not found:
        raise Rejected(RejectionCode.SIGNATURE_MISSING, "the document bears no signature")
    if len(found) > 1:
        raise Rejected(RejectionCode.SIGNATURE_SEVERAL, f"the document bears {len(found)} signatures")
    if root[-1] is not found[0]:
        detail = "the signature is not the last element of the document's root"
        raise Rejected(RejectionCode.SIGNATURE_MISPLACED, detail, where=position(found[0]))
    if len(list(root.iterchildren(f"{{{DS_NAMESPACE}}}*"))) > 1:
        raise _refusal("a part of a signature stands outside of it", root)
    return found[0]


def _match(part: _Part, element: etree._Element, chosen: dict[str, str]) -> None:
    """Compare an element and all below it with the outline; the first difference decides."""
    if element.tag != part.tag:
        raise _refusal("another element is expected here", element)
    if (element.tail and element.tail.strip()) or (part.children and element.text and element.text.strip()):
        raise _refusal("text stands between its parts", element)
    if element.tag in _BASE64:
        _require_base64(element)
    attributes = dict(cast("dict[str, str]", element.attrib))
    if attributes != _filled(part, chosen):
        raise _refusal(f"the attributes are {attributes}", element, _code_of(element))
    children = list(element)
    for expected, child in zip(part.children, children, strict=False):
        _match(expected, child, chosen)
    if len(children) != len(part.children):
        raise _refusal("it has more or fewer parts than it may have", element)


def _filled(part: _Part, chosen: dict[str, str]) -> dict[str, str]:
    if not part.chosen:
        return part.attributes
    own = {name: part.attributes[name].replace(what, chosen[what]) for name, what in part.chosen}
    return {**part.attributes, **own}


def _require_base64(element: etree._Element) -> None:
    """A lenient decoder passes over what is no base64, and would leave room for it here."""
    try:
        b64decode("".join((element.text or "").split()), validate=True)
    except ValueError as exc:
        raise _refusal("this is no base64", element) from exc


def _certificate(signature: etree._Element) -> bytes:
    try:
        return b64decode("".join(str(_CERTIFICATE(signature)).split()), validate=True)
    except ValueError as exc:
        raise _refusal("KeyInfo holds no readable certificate", signature) from exc


def _code_of(element: etree._Element) -> RejectionCode:
    algorithm = element.tag in _ALGORITHMS and list(element.attrib) == ["Algorithm"]
    return RejectionCode.SIGNATURE_ALGORITHM if algorithm else RejectionCode.SIGNATURE_PROFILE


def _refusal(
    detail: str, element: etree._Element, code: RejectionCode = RejectionCode.SIGNATURE_PROFILE
) -> Rejected:
    return Rejected(code, detail, where=position(element))
