"""What may stand in a document and in its signature, before any cryptography: the verifier's own account of the form.

The bus has a schema for it; here it is one line for each element, so that two accounts have to agree.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

from lxml import etree

from bus.verifier.findings import Broken
from bus.verifier.methods import METHODS

DS = "http://www.w3.org/2000/09/xmldsig#"
XADES = "http://uri.etsi.org/01903/v1.3.2#"
SIGNATURE = f"{{{DS}}}Signature"
XML_BLANKS = " \t\r\n"
ENVELOPED = f"{DS}enveloped-signature"
SIGNED_PROPERTIES = "http://uri.etsi.org/01903#SignedProperties"
_PREFIXES = {"ds": DS, "xades": XADES}

_INCLUSIVE = r"http://www\.w3\.org/(2006/12/xml-c14n11|TR/2001/REC-xml-c14n-20010315)"
_C14N = rf"({_INCLUSIVE}|http://www\.w3\.org/2001/10/xml-exc-c14n#)"
_METHOD = "|".join(map(re.escape, METHODS))
_SHA256 = r"http://www\.w3\.org/2001/04/xmlenc#sha256"
_NAME = r"[A-Za-z_][A-Za-z0-9._-]{0,127}"
_BASE64 = r"[A-Za-z0-9+/= \t\r\n]{1,16384}"
_SHORT = r"(?s:.{0,1000})"
_TIME = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})"

# element: its attributes (? may be missing), its children in order, its text where it has any; all regular expressions
_FORM: dict[str, tuple[dict[str, str], str, str | None]] = {
    "ds:Signature": ({"Id": _NAME}, "ds:SignedInfo ds:SignatureValue ds:KeyInfo ds:Object ", None),
    "ds:SignedInfo": (
        {"Id?": _NAME},
        "ds:CanonicalizationMethod ds:SignatureMethod (ds:Reference ){2,3}",
        None,
    ),
    "ds:CanonicalizationMethod": ({"Algorithm": _C14N}, "", None),
    "ds:SignatureMethod": ({"Algorithm": _METHOD}, "", None),
    "ds:Reference": (
        {"Id?": _NAME, "URI": f"(#{_NAME})?", "Type?": re.escape(SIGNED_PROPERTIES)},
        "(ds:Transforms )?ds:DigestMethod ds:DigestValue ",
        None,
    ),
    "ds:Transforms": ({}, "(ds:Transform ){1,2}", None),
    "ds:Transform": ({"Algorithm": f"({_C14N}|{re.escape(ENVELOPED)})"}, "", None),
    "ds:DigestMethod": ({"Algorithm": _SHA256}, "", None),
    "ds:DigestValue": ({}, "", _BASE64),
    "ds:SignatureValue": ({"Id?": _NAME}, "", _BASE64),
    "ds:KeyInfo": ({"Id?": _NAME}, "ds:X509Data ", None),
    "ds:X509Data": ({}, "ds:X509Certificate ", None),
    "ds:X509Certificate": ({}, "", _BASE64),
    "ds:Object": ({"Id?": _NAME}, "xades:QualifyingProperties ", None),
    "xades:QualifyingProperties": ({"Id?": _NAME, "Target": f"#{_NAME}"}, "xades:SignedProperties ", None),
    "xades:SignedProperties": (
        {"Id": _NAME},
        "xades:SignedSignatureProperties (xades:SignedDataObjectProperties )?",
        None,
    ),
    "xades:SignedSignatureProperties": (
        {"Id?": _NAME},
        "xades:SigningTime xades:SigningCertificateV2 ",
        None,
    ),
    "xades:SigningTime": ({}, "", _TIME),
    "xades:SigningCertificateV2": ({}, "xades:Cert ", None),
    "xades:Cert": ({}, "xades:CertDigest (xades:IssuerSerialV2 )?", None),
    "xades:CertDigest": ({}, "ds:DigestMethod ds:DigestValue ", None),
    "xades:IssuerSerialV2": ({}, "", _BASE64),
    "xades:SignedDataObjectProperties": ({"Id?": _NAME}, "xades:DataObjectFormat ", None),
    "xades:DataObjectFormat": (
        {"ObjectReference": f"#{_NAME}"},
        "(xades:Description )?(xades:MimeType )?(xades:Encoding )?",
        None,
    ),
    "xades:Description": ({}, "", _SHORT),
    "xades:MimeType": ({}, "", _SHORT),
    "xades:Encoding": ({}, "", _SHORT),
}


@dataclass(frozen=True, slots=True)
class Form:
    """A signature that has the permitted form; nothing of it is verified."""

    signature: etree._Element
    references: int
    document: int
    """Which of the references, from 0, covers the document."""


def form_of(root: etree._Element) -> Form:
    """Return what a document's one signature looks like. Raises Broken when it has another form, or there is none."""
    signatures = list(root.iter(SIGNATURE))
    if len(signatures) != 1 or root is signatures[0] or root[-1] is not signatures[0]:
        raise Broken("it does not bear one signature, in its place")
    signature = signatures[0]
    if len(root.findall(f"{{{DS}}}*")) != 1:
        raise Broken("a part of a signature stands outside of it")
    if any(str(name).startswith("{http://www.w3.org/XML/1998/namespace}") for name in root.attrib):
        raise Broken("its root bears an attribute of the namespace xml")
    for element in signature.iter():
        _match(element)
    _check_names(root, signature)
    references = signature.findall("ds:SignedInfo/ds:Reference", _PREFIXES)
    _check_references(signature, references)
    return Form(signature, len(references), [one.get("URI") for one in references].index(""))


def base64_of(text: str | None) -> bytes:
    """Decode base64 that is written in the one way, with XML's white space in it or none. Raises Broken."""
    bare = (text or "").translate(dict.fromkeys(map(ord, XML_BLANKS)))
    try:
        octets = b64decode(bare, validate=True)
    except ValueError as error:
        raise Broken("a value is no base64") from error
    if b64encode(octets).decode("ascii") != bare:
        raise Broken("a value is not written as base64 is")
    return octets


def exactly_one(element: etree._Element, path: str) -> etree._Element:
    """The one element at a path (prefixes `ds` and `xades`). Raises Broken."""
    found = element.findall(path, _PREFIXES)
    if len(found) != 1:
        raise Broken(f"{path} stands {len(found)} times in the signature")
    return found[0]


def _match(element: etree._Element) -> None:
    name = _short(element)
    if name not in _FORM:
        raise Broken(f"its signature has an element that does not belong there: {name[:80]}")
    attributes, children, text = _FORM[name]
    wanted = {key.rstrip("?"): pattern for key, pattern in attributes.items()}
    found = {str(key): str(value) for key, value in element.attrib.items()}
    required = {key for key in attributes if not key.endswith("?")}
    if not required <= found.keys() <= wanted.keys():
        raise Broken(f"{name} in its signature has other attributes than it may have")
    if not all(re.fullmatch(wanted[key], value) for key, value in found.items()):
        raise Broken(f"an attribute of {name} in its signature has another value than it may have")
    if not re.fullmatch(children, "".join(f"{_short(child)} " for child in element)):
        raise Broken(f"{name} in its signature has other parts than it may have")
    if text is None:
        between = [element.text, *(child.tail for child in element)]
        if any((one or "").strip(XML_BLANKS) for one in between):
            raise Broken(f"text stands in {name} of its signature")
    elif not re.fullmatch(text, element.text or ""):
        raise Broken(f"{name} in its signature has another text than it may have")
    elif text is _BASE64:
        base64_of(element.text)


def _short(element: etree._Element) -> str:
    tag = str(element.tag)
    for prefix, namespace in _PREFIXES.items():
        if tag.startswith(f"{{{namespace}}}"):
            return f"{prefix}:{etree.QName(tag).localname}"
    return tag


def _check_names(root: etree._Element, signature: etree._Element) -> None:
    """Every Id, in any spelling, is one of the signature's, and no two are the same."""
    names = list(_ids(root))
    inside = list(_ids(signature))
    if len(names) != len(inside) or len(set(names)) != len(names):
        raise Broken("an Id stands outside of its signature, or twice")


def _ids(element: etree._Element) -> Iterator[str]:
    for one in element.iter():
        for name, value in cast("dict[str, str]", one.attrib).items():
            if etree.QName(name).localname.lower() == "id":
                yield value


def _check_references(signature: etree._Element, references: list[etree._Element]) -> None:
    """The document and the properties are covered once each, KeyInfo at most once, and nothing else."""
    qualifying = exactly_one(signature, "ds:Object/xades:QualifyingProperties")
    properties = exactly_one(qualifying, "xades:SignedProperties")
    own, keys = f"#{properties.get('Id')}", f"#{exactly_one(signature, 'ds:KeyInfo').get('Id')}"
    uris = [one.get("URI") for one in references]
    if sorted(map(str, uris)) not in (sorted(["", own]), sorted(["", own, keys])):
        raise Broken("its signature does not refer to the document and its properties, once each")
    for one in references:
        uri = one.get("URI")
        if (one.get("Type") is not None) != (uri == own):
            raise Broken("a reference of its signature states another type")
        transforms = [str(each.get("Algorithm")) for each in one.iterfind("ds:Transforms/*", _PREFIXES)]
        pattern = rf"{re.escape(ENVELOPED)} ({_INCLUSIVE} )?" if uri == "" else f"({_C14N} )?"
        if not re.fullmatch(pattern, "".join(f"{each} " for each in transforms)):
            raise Broken("a reference of its signature is transformed otherwise than it may be")
    if qualifying.get("Target") != f"#{signature.get('Id')}":
        raise Broken("the properties in its signature are those of another one")
    described = properties.find("*/xades:DataObjectFormat", _PREFIXES)
    whole = references[uris.index("")].get("Id")
    if described is not None and described.get("ObjectReference") != f"#{whole}":
        raise Broken("the properties in its signature describe something else than the document")
