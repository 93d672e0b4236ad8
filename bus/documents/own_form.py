"""A signature in our own form, found among the canonical octets of its document without walking its tree.

Nearly every document is signed in the form that `octets.py` writes. The canonical octets of that form are a text of
which all but a few values is known beforehand, so that comparing it says what `profile.py` finds out element by
element. Whatever is not that text, to the octet, is left to `profile.py`: nothing is refused here.

Comparing octets is enough because of what the rest of the document is asked for here, in its octets too: its root's
start tag declares its own namespace and no other, so that the namespaces around the signature are known; nothing else
in it is of the namespace of signatures; and no attribute in it is an Id, however that is spelled. In a canonical form
`<` is markup, an attribute is a name, `="` and its value, and no character is written as a reference that need not be
(Canonical XML 1.1, section 2.3).
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from functools import cache
from hashlib import sha256

from bus.documents.octets import OUR_FORM, Parts
from bus.documents.profile import LONGEST_TEXT, XADES
from bus.documents.versions import DocumentVersion
from bus.documents.xml import DS_NAMESPACE, SIGNATURE, Envelope, canonical, parse
from bus.methods import METHODS

_DIGEST = "[A-Za-z0-9+/]{43}="
_BASE64 = f"[A-Za-z0-9+/]{{1,{LONGEST_TEXT - 2}}}={{0,2}}"
_TIME = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:Z|[+-][0-9]{2}:[0-9]{2})"
"""As the schema has it (xsd/signature/1.0/xades.xsd)."""
_PARTS = {
    "info": ("<ds:SignedInfo", "</ds:SignedInfo>"),
    "keyinfo": ("<ds:KeyInfo", "</ds:KeyInfo>"),
    "signed": ("<xades:SignedProperties", "</xades:SignedProperties>"),
}
"""What is canonicalised by itself: how each begins and ends."""


def parts_of(envelope: Envelope) -> Parts | None:
    """Return what a signature in our own form states; None for whatever `profile.examine` has to look at."""
    if envelope.signature_span is None:
        return None
    start, end = envelope.signature_span
    found = _pattern().fullmatch(envelope.canonical, start, end)
    if found is None or not _alone(envelope.octets, start, envelope.version):
        return None
    names = ("document", "properties", "key", "named", "value", "certificate")
    if None in (values := [_decoded(found[name]) for name in names]):
        return None
    document, properties, key, named, value, certificate = (one or b"" for one in values)
    if sha256(certificate).digest() != named:
        return None
    info, keyinfo, signed = (_by_itself(found[part], part, envelope.version) for part in _PARTS)
    return Parts(
        method=found["method"].decode("ascii"),
        certificate=certificate,
        covered=((envelope.octets, document), (signed, properties), (keyinfo, key)),
        signed_info=info,
        value=value,
    )


def stands_alone(envelope: Envelope) -> bool:
    """Whether a document bears no signature, and its own namespace alone is declared around where that would stand."""
    return envelope.root.find(SIGNATURE) is None and envelope.octets.startswith(_start_tag(envelope.version))


@cache
def _pattern() -> re.Pattern[bytes]:
    """The canonical form of what we write, with a group for each value and each part."""
    written = OUR_FORM.format(method="METHOD", certificate="CERTIFICATE", time="TIME", digest="NAMED")
    text = re.escape(canonical(parse(written.encode())).decode())
    for name in ("document", "properties", "key"):
        text = text.replace("<ds:DigestValue></", f"<ds:DigestValue>(?P<{name}>{_DIGEST})</", 1)
    text = text.replace("<ds:SignatureValue></", f"<ds:SignatureValue>(?P<value>{_BASE64})</")
    text = text.replace("METHOD", f"(?P<method>{'|'.join(map(re.escape, METHODS))})")
    text = text.replace("CERTIFICATE", f"(?P<certificate>{_BASE64})")
    text = text.replace("TIME", _TIME).replace("NAMED", f"(?P<named>{_DIGEST})")
    for part, (begins, ends) in _PARTS.items():
        text = text.replace(begins, f"(?P<{part}>{begins}").replace(ends, f"{ends})")
    return re.compile(text.encode("ascii"))


def _alone(rest: bytes, at: int, version: DocumentVersion) -> bool:
    """Whether all the rest of a document leaves its signature, which stood there, as it is by itself."""
    return (
        rest.startswith(_start_tag(version))
        and rest.count(b"<", at) == 1  # the end tag of the root: it was the last element
        and DS_NAMESPACE.encode() not in rest
        and b'id="' not in rest.lower()
    )


@cache
def _start_tag(version: DocumentVersion) -> bytes:
    return f'<{version.cls.__name__} xmlns="{version.namespace}" version="{version.number}">'.encode()


def _by_itself(octets: bytes, part: str, version: DocumentVersion) -> bytes:
    """The canonical form of a part: the namespaces that are declared around it stand in its own start tag."""
    name = len(_PARTS[part][0])
    return octets[:name] + _around(version) + octets[name:]


@cache
def _around(version: DocumentVersion) -> bytes:
    return f' xmlns="{version.namespace}" xmlns:ds="{DS_NAMESPACE}" xmlns:xades="{XADES[1:-1]}"'.encode()


def _decoded(text: bytes) -> bytes | None:
    """The octets of a text in base64; None if it is not written in the one way (RFC 4648, section 3.5)."""
    try:
        octets = b64decode(text, validate=True)
    except (Base64Error, ValueError):
        return None
    return octets if b64encode(octets) == text else None
