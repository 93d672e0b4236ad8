"""The signature over an ASiC-E container (ETSI EN 319 162-1): detached XAdES that names each member with its SHA-256.

It goes into the container as `META-INF/signatures.xml`. The documents inside have seals of their own; this one says who
put them together, and that nothing was added or taken out since.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

from bus.documents.seal import Seal
from bus.documents.xml import DS_NAMESPACE
from bus.identifiers import RawDigest
from bus.methods import method_for

_ASIC = "http://uri.etsi.org/02918/v1.2.1#"
_XADES = "http://uri.etsi.org/01903/v1.3.2#"
_C14N11 = "http://www.w3.org/2006/12/xml-c14n11"
_SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"
_PROPERTIES = "http://uri.etsi.org/01903#SignedProperties"


def seal_members(members: Mapping[str, RawDigest], seal: Seal, at: datetime) -> bytes:
    """Return the signature document over members, given by name with their SHA-256 (hexadecimal)."""
    root = etree.Element(
        f"{{{_ASIC}}}XAdESSignatures", nsmap={"asic": _ASIC, "ds": DS_NAMESPACE, "xades": _XADES}
    )
    signature = _add(root, "Signature", Id="container-signature")
    info = _add(signature, "SignedInfo")
    value = _add(signature, "SignatureValue")
    _add(_add(_add(signature, "KeyInfo"), "X509Data"), "X509Certificate").text = b64encode(
        seal.certificate.public_bytes(Encoding.DER)
    ).decode()
    properties = _properties(signature, seal, at)
    method = method_for(seal.private_key)
    _add(info, "CanonicalizationMethod", Algorithm=_C14N11)
    _add(info, "SignatureMethod", Algorithm=method.uri)
    for name, digest in sorted(members.items()):
        _reference(info, name, bytes.fromhex(digest))
    own = _reference(info, "#container-properties", sha256(_c14n(properties)).digest(), Type=_PROPERTIES)
    transforms = etree.Element(f"{{{DS_NAMESPACE}}}Transforms")
    _add(transforms, "Transform", Algorithm=_C14N11)
    own.insert(0, transforms)
    value.text = b64encode(method.sign(seal.private_key, _c14n(info))).decode()
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8")


def _properties(signature: etree._Element, seal: Seal, at: datetime) -> etree._Element:
    qualifying = etree.SubElement(
        _add(signature, "Object"), f"{{{_XADES}}}QualifyingProperties", Target="#container-signature"
    )
    properties = etree.SubElement(qualifying, f"{{{_XADES}}}SignedProperties", Id="container-properties")
    signed = etree.SubElement(properties, f"{{{_XADES}}}SignedSignatureProperties")
    etree.SubElement(signed, f"{{{_XADES}}}SigningTime").text = at.isoformat(timespec="seconds")
    named = etree.SubElement(signed, f"{{{_XADES}}}SigningCertificateV2")
    digest = etree.SubElement(etree.SubElement(named, f"{{{_XADES}}}Cert"), f"{{{_XADES}}}CertDigest")
    _digest(digest, seal.certificate.fingerprint(SHA256()))
    return properties


def _reference(info: etree._Element, uri: str, digest: bytes, **attributes: str) -> etree._Element:
    reference = _add(info, "Reference", URI=uri, **attributes)
    _digest(reference, digest)
    return reference


def _digest(parent: etree._Element, digest: bytes) -> None:
    _add(parent, "DigestMethod", Algorithm=_SHA256)
    _add(parent, "DigestValue").text = b64encode(digest).decode()


def _add(parent: etree._Element, name: str, **attributes: str) -> etree._Element:
    return etree.SubElement(parent, f"{{{DS_NAMESPACE}}}{name}", attributes)


def _c14n(element: etree._Element) -> bytes:
    return etree.tostring(element, method="c14n", with_comments=False)
