"""Structured mutants of signed documents: every insertion of a list, at every place of a real document.

A mutant is made by someone without a key (the bytes are changed), or by a signer (they are changed, and then the
digests and the signature are made right again, as far as what was changed allows it).
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from lxml import etree

from bus.documents.seal import Seal
from bus.documents.xml import canonical, canonical_part, hardened_parser
from bus.errors import Refused

_TAG = re.compile(rb"<[^<>]+>")
_ATTRIBUTE = re.compile(rb"""\s([\w:]+)="([^"]*)\"""")

BLANKS = [
    " ", "\t", "\n", "\r", "\r\n", "&#13;", "&#10;", "&#9;", "&#x20;", "\u00a0", "&#xA0;", "\u2003", "&#x2003;",
    "\u3000", "\u200b", "\ufeff", "\u0085", "&#x85;", "\u2028", "\x0b", "&#11;", " \u00a0 ",
]  # fmt: skip
ENTITIES = ["&amp;", "&lt;", "&gt;", "&nbsp;", "&x;", "&#0;", "&#x110000;", "&", "ก", "x"]
SECTIONS = [
    "<![CDATA[]]>",
    "<![CDATA[ ]]>",
    "<![CDATA[\n]]>",
    "<![CDATA[<!DOCTYPE a>]]>",
    "<![CDATA[A]]>",
    "]]>",
]
NODES = ["<!---->", "<!-- <!DOCTYPE a> -->", "<?a b?>", "<!DOCTYPE a>", "<?xml version='1.0'?>"]
ELEMENTS = [
    "<a/>", "<a xmlns=''/>", "<ds:Object/>", "<ds:Transforms/>", "<x:y xmlns:x='urn:x'/>", "<x:y xmlns:x='x'/>",
    "<xades:UnsignedProperties/>", "<ds:Signature/>",
]  # fmt: skip
BASE64 = ["=", "==", "A", "AAAA", "-", "_", "*", "+", "/", ".", "\u0e01"]
INTO_TEXT = [*BLANKS, *ENTITIES, *SECTIONS, *NODES, *ELEMENTS, *BASE64]

ATTRIBUTES = [
    ' xmlns="a"', ' xmlns=""', ' xmlns="urn:a"', ' xmlns:a="b"', ' xmlns:a="../b"', ' xmlns:a="urn:a"', ' xmlns:a=""',
    ' xmlns:ds="urn:x"', ' xmlns:ds="http://www.w3.org/2000/09/xmldsig#"', ' xmlns:xades="x"',
    ' xmlns:xml="http://www.w3.org/XML/1998/namespace"', ' xmlns:xmlns="http://www.w3.org/2000/xmlns/"',
    ' Id="x"', ' id="x"', ' ID="x"', ' iD="x"', ' xml:id="x"', ' Id="signature"', ' Id="document"', ' id="key"',
    ' xml:lang="th"', ' xml:space="preserve"', ' xml:base="a"', ' a="b"', ' xmlns:q="urn:q" q:a="b"',
    ' xmlns:q="urn:q" q:Id="b"', ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="a"',
    ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:nil="true"',
    ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="urn:a a.xsd"',
    ' Type="http://uri.etsi.org/01903#SignedProperties"', ' URI="#key"', ' Encoding="a"', ' Algorithm="a"',
]  # fmt: skip
VALUES = [
    "", " ", "&#10;", "&#13;", "&#9;", "\u00a0", "#", "##", "#xpointer(/)", "xpointer(/)", "#xpointer(id('key'))",
    "a b", "ก", "1a", "-a", "a:b", "%20", "%23key", "'", "&quot;", "&amp;", "&lt;", "A" * 200, "http://example.org/",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Mutant:
    """Changed bytes, and in words where they were changed and how."""

    raw: bytes
    change: str


def mutants(raw: bytes) -> Iterator[Mutant]:
    """All mutants of a document, in a fixed order."""
    yield from _between(raw)
    yield from _in_texts(raw)
    yield from _in_attributes(raw)
    yield from _rewritten(raw)


def _between(raw: bytes) -> Iterator[Mutant]:
    """Something inserted at every border of a tag, and something into every start tag."""
    for tag in _TAG.finditer(raw):
        for at in sorted({tag.start(), tag.end()}):
            for text in INTO_TEXT:
                yield _inserted(raw, at, text)
        if tag[0][1:2] not in b"/?!":
            name = re.match(rb"<[\w:]+", tag[0])
            assert name
            for text in ATTRIBUTES:
                yield _inserted(raw, tag.start() + name.end(), text)


def _in_texts(raw: bytes) -> Iterator[Mutant]:
    """Something inserted behind the first character of every text, in its middle and before its last."""
    for text in re.finditer(rb">([^<>]+)<", raw):
        characters = text[1].decode()
        for place in sorted({1, len(characters) // 2, len(characters) - 1} - {0, len(characters)}):
            at = text.start(1) + len(characters[:place].encode())
            for inserted in INTO_TEXT:
                yield _inserted(raw, at, inserted)


def _in_attributes(raw: bytes) -> Iterator[Mutant]:
    """Every value of an attribute with something before and behind it, and something else instead of it."""
    for tag in _TAG.finditer(raw):
        for attribute in _ATTRIBUTE.finditer(tag[0]):
            start, end = tag.start() + attribute.start(2), tag.start() + attribute.end(2)
            for value in VALUES:
                yield _inserted(raw, start, value)
                yield _inserted(raw, end, value)
                yield Mutant(
                    raw[:start] + value.encode() + raw[end:], f"{_place(raw, start)}: value is {value!r}"
                )


def _rewritten(raw: bytes) -> Iterator[Mutant]:
    """Every long text in base64 in other lines, other characters, other bits at its end; and much of nothing."""
    for text in re.finditer(rb">([A-Za-z0-9+/=\s]{40,})<", raw):
        bare = re.sub(rb"\s", b"", text[1])
        variants = {
            "lines of 76": b"\n".join(bare[n : n + 76] for n in range(0, len(bare), 76)),
            "lines of 64 with CRLF": b"\r\n".join(bare[n : n + 64] for n in range(0, len(bare), 64)),
            "a blank after each": b" ".join(bare[n : n + 1] for n in range(len(bare))),
            "tabs around": b"\t" + bare + b"\t",
            "no padding": bare.rstrip(b"="),
            "url alphabet": bare.replace(b"+", b"-").replace(b"/", b"_"),
            "character references": b"".join(b"&#%d;" % byte for byte in bare),
            "as CDATA": b"<![CDATA[" + bare + b"]]>",
            "half of it CDATA": bare[:20] + b"<![CDATA[" + bare[20:] + b"]]>",
            "other bits at the end": _other_bits(bare),
            "16,000 blanks": bare + b" " * 16_000,
            "900,000 blanks": bare + b" " * 900_000,
            "900,000 blanks before": b"\n" * 900_000 + bare,
            "nothing": b"",
        }
        for name, variant in variants.items():
            yield Mutant(
                raw[: text.start(1)] + variant + raw[text.end(1) :], f"{_place(raw, text.start(1))}: {name}"
            )


def _other_bits(bare: bytes) -> bytes:
    """The same octets by a lenient reader: the bits that the padding leaves over are not zero."""
    padding = len(bare) - len(bare.rstrip(b"="))
    if not padding:
        return bare + b"===="
    last = bare[-padding - 1 : -padding]
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    other = alphabet[(alphabet.index(last) + 1) % 64]
    return bare[: -padding - 1] + bytes([other]) + b"=" * padding


def _inserted(raw: bytes, at: int, text: str) -> Mutant:
    return Mutant(raw[:at] + text.encode() + raw[at:], f"{_place(raw, at)}: {text[:60]!r}")


def _place(raw: bytes, at: int) -> str:
    """Where in the document, so that a person finds it: what stands around."""
    return (
        f"…{raw[max(0, at - 40) : at].decode(errors='replace')}|{raw[at : at + 20].decode(errors='replace')}…"
    )


def signed_again(raw: bytes, seal: Seal) -> bytes | None:
    """The bytes with digests and signature made right by the signer, where both can still be found; else None."""
    try:
        root = etree.fromstring(raw, hardened_parser())
        signature = root[-1]
        info, _, key, properties = signature[0], signature[1], signature[2], signature[3][0][0]
        parts = {f"#{one.get('Id')}": canonical_part(one) for one in (properties, key)}
        for one in list(info)[2:]:
            octets = parts[str(one.get("URI"))] if one.get("URI") else canonical(root)
            raw = raw.replace(str(one[-1].text).encode(), b64encode(sha256(octets).digest()))
        info = etree.fromstring(raw, hardened_parser())[-1][0]
        assert isinstance(seal.private_key, ec.EllipticCurvePrivateKey)
        r, s = decode_dss_signature(seal.private_key.sign(canonical_part(info), ec.ECDSA(SHA256())))
    except (etree.LxmlError, LookupError, ValueError, Refused):
        return None
    value = b64encode(r.to_bytes(32) + s.to_bytes(32))
    return re.sub(rb"(SignatureValue[^>]*>)[A-Za-z0-9+/=]{88}(</)", rb"\g<1>" + value + rb"\g<2>", raw)
