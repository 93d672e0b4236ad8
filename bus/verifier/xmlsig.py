"""XML signatures in a pack: those of the documents (enveloped XAdES), and the bus's own over the pack (detached).

Identity never comes from the signature: it has to verify under the certificate that the caller gives.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from lxml import etree
from signxml.algorithms import DigestAlgorithm, SignatureMethod
from signxml.exceptions import SignXMLException
from signxml.xades.xades import XAdESSignatureConfiguration, XAdESVerifier

from bus.verifier.findings import Broken
from bus.verifier.methods import METHODS, check_value, fitting_key
from bus.verifier.signature_form import DS, XADES, XML_BLANKS, base64_of, exactly_one, form_of

_NAMES = {"ds": DS, "xades": XADES}
_METHODS = frozenset(map(SignatureMethod, METHODS))
_METHOD = "ds:SignedInfo/ds:SignatureMethod"
_SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"
_C14N11 = "http://www.w3.org/2006/12/xml-c14n11"

# The bus accepts nothing beyond these, and a small document can take minutes to canonicalise.
_LARGEST = 1_048_576
_MOST_NAMESPACES = 48
_BOUNDS = tuple(
    etree.XPath(path)
    for path in (f"boolean({'/*' * 33})", "count(//*) > 25000", "boolean(//*[count(@*) > 64])")
)
_UNWRITABLE = frozenset('&<"\t\r\n')
"""libxml2 writes namespace names into a canonical form as they are, where these would say something else."""
_PROLOG = re.compile(
    rb"""(?:\xef\xbb\xbf)?
    (?:<\?xml\s+version\s*=\s*(?:"1\.0"|'1\.0')
       (?:\s+encoding\s*=\s*(?:"[uU][tT][fF]-8"|'[uU][tT][fF]-8'))?
       (?:\s+standalone\s*=\s*(?:"(?:yes|no)"|'(?:yes|no)'))?\s*\?>)?
    \s*<""",
    re.VERBOSE,
)
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
    """A document as it was signed: its octets' SHA-256 (hexadecimal), and the tree made of nothing but them."""

    digest: str
    root: etree._Element

    def text(self, path: str) -> str | None:
        """The text at a path of local names, such as `SenderParty/Name`; None if nothing is there."""
        found = self.root.find("/".join(f"{{*}}{name}" for name in path.split("/")))
        return None if found is None else (found.text or "").strip(XML_BLANKS)

    def texts(self, path: str) -> list[str]:
        """All texts at a path."""
        found = self.root.findall("/".join(f"{{*}}{name}" for name in path.split("/")))
        return [(one.text or "").strip(XML_BLANKS) for one in found]


def parse(data: bytes) -> etree._Element:
    """Parse a document that travelled on the bus, within the bounds that it has there. Raises Broken."""
    if len(data) > _LARGEST or data.count(b"xmlns") > _MOST_NAMESPACES:
        raise Broken("it is larger than a document may be")
    root = _tree(data)
    if any(bound(root) for bound in _BOUNDS):
        raise Broken("it is larger, deeper or wider than a document may be")
    if any(set(uri or "") & _UNWRITABLE for element in root.iter() for uri in element.nsmap.values()):
        raise Broken("a namespace has a name that no canonical form can hold")
    _c14n(root)
    return root


def _tree(data: bytes) -> etree._Element:
    """Parse UTF-8 without DTD, entities, comments, instructions or network. Raises Broken."""
    prolog = _PROLOG.match(data)
    if prolog is None or b"\0" in data or data[prolog.end() : prolog.end() + 1] in (b"!", b"?"):
        raise Broken(
            "a document type declaration, a comment, an instruction or another encoding stands before it"
        )
    try:
        root = etree.fromstring(data, _parser())
    except (etree.XMLSyntaxError, ValueError) as error:
        raise Broken("it is no XML") from error
    if any(not isinstance(one.tag, str) for one in root.getroottree().iter()):
        raise Broken("a comment or a processing instruction")
    return root


def _c14n(element: etree._Element) -> bytes:
    try:
        return etree.tostring(element, method="c14n", with_comments=False)
    except etree.C14NError as error:
        raise Broken("it has no canonical form: a namespace has a relative name") from error


def _own_root(element: etree._Element) -> etree._Element:
    """The element as a root of its own, with all namespaces around it.

    lxml writes a wrong `xmlns=""` into the canonical form of an element whose default namespace is not its root's.
    """
    return etree.fromstring(etree.tostring(element, with_tail=False), _parser())


class _Verifier(XAdESVerifier):
    """signxml's verifier, mended where it takes the text behind an element for a part of it, and where lxml errs."""

    def _tostring(self, xml_node: etree._Element, **options: Any) -> bytes:
        return bytes(etree.tostring(xml_node, with_tail=False, **options))

    def _c14n(self, nodes: Any, *args: Any, **options: Any) -> bytes:
        return bytes(super()._c14n(_own_root(nodes), *args, **options))


def certificate_of(data: bytes) -> x509.Certificate:
    """Return the certificate that a document's signature names, which proves nothing yet. Raises Broken."""
    found = parse(data).findall(f"{{{DS}}}Signature/{{{DS}}}KeyInfo/{{{DS}}}X509Data/{{{DS}}}X509Certificate")
    if len(found) != 1:
        raise Broken("it does not bear one signature with one certificate")
    return _loaded(found[0].text or "")


def verified(data: bytes, certificate: x509.Certificate, at: datetime) -> Signed:
    """Verify a document under a certificate as of a time. Raises Broken.

    One signature of the permitted form; what is returned is what was signed, and it is all of the document.
    """
    root = parse(data)
    form = form_of(root)
    fitting_key(certificate, exactly_one(form.signature, _METHOD).get("Algorithm"))
    expected = XAdESSignatureConfiguration(
        require_x509=True,
        location="./",
        expect_references=form.references,
        signature_methods=_METHODS,
        digest_algorithms=frozenset({DigestAlgorithm.SHA256}),
        verification_time=at,
    )
    arguments: dict[str, Any] = {"x509_cert": certificate, "parser": _parser(), "validate_schema": False}
    try:
        result = _Verifier().verify(data, expect_config=expected, **arguments)[form.document]
    except _FOREIGN_ERRORS as error:
        raise Broken("its signature does not verify") from error
    _take_out(root, form.signature)
    if result.signed_xml is None or result.signed_data != _c14n(root):
        raise Broken("its signature does not cover all of it")
    return Signed(hashlib.sha256(result.signed_data).hexdigest(), parse(result.signed_data))


def _take_out(root: etree._Element, signature: etree._Element) -> None:
    """Remove the signature and leave the text behind it, which lxml would remove with it."""
    before, text = signature.getprevious(), signature.tail or ""
    root.remove(signature)
    if before is None:
        root.text = (root.text or "") + text
    else:
        before.tail = (before.tail or "") + text


def sealed_members(data: bytes) -> tuple[x509.Certificate, dict[str, str]]:
    """Verify the signature over a pack; return its certificate and the SHA-256 of each member that it names.

    Raises Broken. Whose certificate it is, is for the caller to judge.
    """
    signature = exactly_one(_tree(data), "ds:Signature")
    info = exactly_one(signature, "ds:SignedInfo")
    if exactly_one(info, "ds:CanonicalizationMethod").get("Algorithm") != _C14N11:
        raise Broken("another canonicalization")
    certificate = _loaded(exactly_one(signature, "ds:KeyInfo/ds:X509Data/ds:X509Certificate").text or "")
    value = base64_of(exactly_one(signature, "ds:SignatureValue").text)
    method = exactly_one(signature, _METHOD).get("Algorithm")
    check_value(certificate, method, value, _c14n(_own_root(info)))
    properties = exactly_one(signature, "ds:Object/xades:QualifyingProperties/xades:SignedProperties")
    digests: dict[str, str] = {}
    for reference in info.iterfind("ds:Reference", _NAMES):
        uri, digest = _reference(reference)
        if uri in digests:
            raise Broken(f"{uri} is named twice")
        digests[uri] = digest
    covered = digests.pop(f"#{properties.get('Id')}", None)
    if covered != hashlib.sha256(_c14n(_own_root(properties))).hexdigest():
        raise Broken("the signature's own properties are not those that were signed")
    return certificate, digests


def _reference(reference: etree._Element) -> tuple[str, str]:
    if exactly_one(reference, "ds:DigestMethod").get("Algorithm") != _SHA256:
        raise Broken("another digest than SHA-256")
    uri = reference.get("URI") or ""
    if not uri.startswith("#") and reference.find("ds:Transforms", _NAMES) is not None:
        raise Broken(f"{uri} is transformed before it is hashed")
    return uri, base64_of(exactly_one(reference, "ds:DigestValue").text).hex()


def _loaded(text: str) -> x509.Certificate:
    try:
        return x509.load_der_x509_certificate(base64_of(text))
    except (ValueError, x509.InvalidVersion) as error:
        raise Broken("its certificate cannot be read") from error


def _parser() -> etree.XMLParser:
    return etree.XMLParser(
        encoding="utf-8", resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False
    )
