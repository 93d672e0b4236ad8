"""The only place where XML is parsed and written: bytes ⇄ tree ⇄ letters and notices.

Gates 1 and 2 stand here. A submission is UTF-8 of at most 1 MiB without DTD, comments or processing instructions;
nothing is ever resolved or fetched.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any, cast

from lxml import etree

from bus.documents.letter import Letter
from bus.documents.notice import Notice
from bus.documents.plans import AttributeSlot, Codec, Flat, Plan, Slot, TextSlot, plan_of
from bus.documents.versions import DocumentType, DocumentVersion, oldest_for, version_of
from bus.errors import RefusalCode, Refused
from bus.identifiers import ContentDigest

MAX_BYTES = 1_048_576

# A small document can be dear: canonicalising costs elements x namespaces squared, and attributes squared. Without the
# bounds below a single submission of 1 MiB takes minutes.
MAX_DEPTH = 32
"""Elements within elements; a signed letter has ten."""
MAX_ELEMENTS = 25_000
"""A notice of the bus that names 20,000 silent recipients fits in."""
MAX_ATTRIBUTES = 64
"""Of one element."""
MAX_NAMESPACES = 48
"""Occurrences of `xmlns` in the bytes; a signed letter has three."""

BLANKS = " \t\r\n"
"""White space as XML has it (XML 1.0, section 2.3); Python's own `strip` and `split` take more."""

DS_NAMESPACE = "http://www.w3.org/2000/09/xmldsig#"
SIGNATURE = f"{{{DS_NAMESPACE}}}Signature"

Document = Letter | Notice

UUID_FORM = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

# What may stand before the root: an XML declaration of version 1.0 in UTF-8, and blanks. Looking at these bytes before
# the parser does keeps every DTD away from it, for a DOCTYPE can stand nowhere else.
_PROLOG = re.compile(
    rb"""(?:\xef\xbb\xbf)?
    (?:<\?xml\s+version\s*=\s*(?:"1\.0"|'1\.0')
       (?:\s+encoding\s*=\s*(?:"utf-8"|'utf-8'))?
       (?:\s+standalone\s*=\s*(?:"(?:yes|no)"|'(?:yes|no)'))?\s*\?>)?
    \s*(?P<next><!DOCTYPE|<!--|<\?xml(?=\s)|<\?|<|)""",
    re.VERBOSE | re.IGNORECASE,
)
# libxml2 writes namespace names into a canonical form as they are, so that one with a quotation mark in it would say
# something else there. Looking at each element costs; so it is done only where such a name may be declared.
_SUSPECT_NAMESPACE = re.compile(rb"""xmlns[^\s=]*\s*=\s*(?:"[^"]*&|'[^']*[&"])""")
_UNWRITABLE = re.compile(r"""[&<"\t\r\n]""")
_FOREIGN_NODE = etree.XPath("boolean(//comment() | //processing-instruction())")
_BOUNDS = {
    f"elements lie more than {MAX_DEPTH} deep": etree.XPath("boolean(" + "/*" * (MAX_DEPTH + 1) + ")"),
    f"there are more than {MAX_ELEMENTS} elements": etree.XPath(f"count(//*) > {MAX_ELEMENTS}"),
}
_TOO_MANY_ATTRIBUTES = etree.XPath(f"boolean(//*[count(@*) > {MAX_ATTRIBUTES}])")
INSTANCE_ATTRIBUTE = etree.XPath(
    "boolean(//@xsi:*)", namespaces={"xsi": "http://www.w3.org/2001/XMLSchema-instance"}
)


@dataclass(frozen=True)
class Envelope:
    """A submission that passed gates 1 and 2: it is XML of a known type and version, and nothing in it is verified."""

    raw: bytes
    root: etree._Element
    canonical: bytes
    """Canonical XML of the whole root, signature and all."""
    version: DocumentVersion
    id: str
    """The UUID that the document claims, or nothing when it claims none that can be read."""

    @property
    def type(self) -> DocumentType:
        """`letter` or `notice`."""
        return self.version.type

    @cached_property
    def octets(self) -> bytes:
        """What the document's signature has to cover: its canonical form, made once."""
        if self.root.find(SIGNATURE) is None:
            return self.canonical
        if self.signature_span is None:
            return canonical(self.root)
        start, end = self.signature_span
        return self.canonical[:start] + self.canonical[end:]

    @cached_property
    def signature_span(self) -> tuple[int, int] | None:
        """Where the root's only signature begins and ends in `canonical`; None if octets alone do not say so.

        `<` in a canonical form is markup and nothing else. So where one start tag alone bears the signature's qualified
        name, it is the signature's own, and so is the one end tag; and nothing else is written in another way for it.
        """
        signatures = self.root.findall(SIGNATURE)
        if len(signatures) != 1:
            return None
        prefix = signatures[0].prefix
        name = f"{prefix}:Signature".encode() if prefix else b"Signature"
        start = self.canonical.find(b"<" + name + b" ")
        if (
            start < 0
            or start != self.canonical.rfind(b"<" + name + b" ")
            or b"<" + name + b">" in self.canonical
        ):
            return None
        end_tag = b"</" + name + b">"
        return start, self.canonical.index(end_tag, start) + len(end_tag)

    @cached_property
    def digest(self) -> ContentDigest:
        """The digest of the document: lower-case hexadecimal SHA-256 of its octets, whoever signed it."""
        return ContentDigest(sha256(self.octets).hexdigest())


def hardened_parser() -> etree.XMLParser:
    """A parser that knows no DTD, entity, network or huge tree, and reads UTF-8 whatever a declaration says."""
    return etree.XMLParser(
        encoding="utf-8", resolve_entities=False, load_dtd=False, no_network=True, huge_tree=False
    )


def parse(raw: bytes) -> etree._Element:
    """Gate 1: the root of a well-formed document within all bounds, without DTD, comments and instructions."""
    return _parsed(raw)[0]


def _parsed(raw: bytes) -> tuple[etree._Element, bytes]:
    """The root, and its canonical form: what has none can bear no signature."""
    if len(raw) > MAX_BYTES:
        raise Refused(RefusalCode.XML_TOO_LARGE, f"{len(raw)} bytes; {MAX_BYTES} are allowed")
    _look_at_prolog(raw)
    if raw.count(b"xmlns") > MAX_NAMESPACES:
        raise Refused(RefusalCode.XML_TOO_LARGE, f"more than {MAX_NAMESPACES} namespaces are declared")
    try:
        root = etree.fromstring(raw, hardened_parser())
    except etree.XMLSyntaxError as exc:
        raise Refused(RefusalCode.XML_NOT_WELL_FORMED, exc.msg or "", where=f"line {exc.lineno}") from exc
    if _FOREIGN_NODE(root):
        raise Refused(RefusalCode.XML_FOREIGN_NODE, "a comment or a processing instruction")
    for excess, exceeded in _BOUNDS.items():
        if exceeded(root):
            raise Refused(RefusalCode.XML_TOO_LARGE, excess)
    # Each attribute has its `=`: counting those is quicker than looking at every element.
    if raw.count(b"=") > MAX_ATTRIBUTES and _TOO_MANY_ATTRIBUTES(root):
        raise Refused(RefusalCode.XML_TOO_LARGE, f"an element has more than {MAX_ATTRIBUTES} attributes")
    if _SUSPECT_NAMESPACE.search(raw) and any(_UNWRITABLE.search(uri) for uri in _namespaces(root)):
        raise Refused(
            RefusalCode.XML_NOT_WELL_FORMED, "a namespace has a name that no canonical form can hold"
        )
    return root, _c14n(root, exclusive=False)


def _namespaces(root: etree._Element) -> Iterator[str]:
    return (uri or "" for element in root.iter() for uri in element.nsmap.values())


def parse_again(octets: bytes) -> etree._Element:
    """The root of a document's canonical form: its tree has been within all bounds, and so it is."""
    try:
        return etree.fromstring(octets, hardened_parser())
    except etree.XMLSyntaxError as exc:
        raise Refused(RefusalCode.XML_NOT_WELL_FORMED, "its canonical form cannot be read") from exc


def _look_at_prolog(raw: bytes) -> None:
    match = _PROLOG.match(raw)
    follows = match["next"].upper() if match else b""
    if follows == b"<!DOCTYPE":
        raise Refused(RefusalCode.XML_DTD, "a document type declaration")
    if follows == b"<?XML":
        raise Refused(RefusalCode.XML_NOT_WELL_FORMED, "the XML declaration says neither 1.0 nor UTF-8")
    if follows in (b"<!--", b"<?"):
        raise Refused(RefusalCode.XML_FOREIGN_NODE, "a comment or a processing instruction")
    if not follows or b"\0" in raw:
        raise Refused(RefusalCode.XML_NOT_WELL_FORMED, "this is not XML in UTF-8")


def open_envelope(raw: bytes) -> Envelope:
    """Gates 1 and 2: parse, and know the type and the version; raises Refused."""
    root, octets = _parsed(raw)
    version = version_of(root.tag)
    if root.get("version", version.number) != version.number:
        raise Refused(RefusalCode.TYPE_UNKNOWN_VERSION, root.get("version", ""), where="/@version")
    for extension in root.iterfind(f"{{{version.namespace}}}Extension"):
        if (extension.get("mustUnderstand") or "").strip(BLANKS) in ("true", "1"):
            detail = ", ".join(str(child.tag) for child in extension)
            raise Refused(RefusalCode.TYPE_EXTENSION, detail, where=position(extension))
    claimed = root.findtext(version.id_tag) or ""
    id_ = claimed if UUID_FORM.fullmatch(claimed) else ""
    return Envelope(raw=raw, root=root, canonical=octets, version=version, id=id_)


def canonical(root: etree._Element) -> bytes:
    """Canonical XML 1.1 without comments of a root without its ds:Signature children; `root` stays as it is.

    lxml writes Canonical XML 1.0; for a whole document the two are the same octets (they part only where a subset
    inherits xml:id or xml:base from ancestors that it leaves out).
    """
    if root.find(SIGNATURE) is not None:
        root = deepcopy(root)
        for signature in root.findall(SIGNATURE):
            _take_out(root, signature)
    return _c14n(root, exclusive=False)


def _take_out(root: etree._Element, child: etree._Element) -> None:
    """Remove a child and leave the text behind it where it is; lxml's own `remove` takes that with it."""
    before, text = child.getprevious(), child.tail or ""
    root.remove(child)
    if before is None:
        root.text = (root.text or "") + text
    else:
        before.tail = (before.tail or "") + text


def canonical_part(element: etree._Element, *, exclusive: bool = False) -> bytes:
    """Canonical XML without comments of an element with the namespaces around it, as a reference to it covers it.

    It is made a root of its own before: lxml writes a wrong `xmlns=""` for an element whose default namespace is not
    the root's. Attributes of the xml namespace are not taken from above, as Canonical XML would: `profile.py` has seen
    that there are none.
    """
    own = etree.fromstring(etree.tostring(element, with_tail=False), hardened_parser())
    return _c14n(own, exclusive=exclusive)


def _c14n(element: etree._Element, *, exclusive: bool) -> bytes:
    try:
        return etree.tostring(element, method="c14n", exclusive=exclusive, with_comments=False)
    except etree.C14NError as exc:
        raise Refused(RefusalCode.XML_NOT_WELL_FORMED, "a namespace has a relative name") from exc


def content_digest(root: etree._Element) -> ContentDigest:
    """The digest of a document: lower-case hexadecimal SHA-256 of its canonical form, whoever signed it."""
    return ContentDigest(sha256(canonical(root)).hexdigest())


def to_bytes(root: etree._Element) -> bytes:
    """The document as it is sent and stored: UTF-8 with an XML declaration."""
    return etree.tostring(root, encoding="UTF-8", xml_declaration=True)


def position(element: etree._Element) -> str:
    """Where an element stands, for people: `/Letter/MainFile line 12`."""
    path = [etree.QName(one).localname for one in (element, *element.iterancestors())]
    return f"/{'/'.join(reversed(path))} line {element.sourceline}"


# Tree to values --------------------------------------------------------------------------------------------------


def read(root: etree._Element) -> Document:
    """The letter or notice that a tree states; nothing but a signature is passed over.

    The tree has been validated; of one that has not been, what cannot be read raises Refused.
    """
    version = version_of(root.tag)
    return cast(Document, _read(plan_of(version.cls, version), root, skip=SIGNATURE))


def _read(plan: Plan, element: etree._Element, *, skip: str = "") -> Any:
    own = _read_attributes(plan.attributes, element)
    groups = {"": own}
    if plan.text:
        own[plan.text.field] = _read_text(plan.text, element)
    else:
        for child in element:
            if child.tag != skip:
                _read_child(plan, child, groups)
    for flat in plan.flats:
        if flat.field in groups:
            own[flat.field] = _made(flat.plan.cls, groups[flat.field], element)
    return _made(plan.cls, own, element)


def _read_child(plan: Plan, child: etree._Element, groups: dict[str, dict[str, Any]]) -> None:
    slot, group = plan.by_tag.get(str(child.tag), (None, ""))
    if slot is None:
        raise Refused(
            RefusalCode.SCHEMA_ELEMENT, "an element that does not belong here", where=position(child)
        )
    values = groups.setdefault(group, {})
    if slot.attributes:
        values.update(_read_attributes(slot.attributes, child))
    holder = _only_child(child, slot.inner) if slot.inner else child
    value = _read(slot.plan, holder) if slot.plan else _value(slot.codec, _text(holder), holder)
    if slot.many:
        values.setdefault(slot.field, []).append(value)
    elif slot.field in values:
        raise Refused(
            RefusalCode.SCHEMA_ELEMENT, "an element that stands there already", where=position(child)
        )
    else:
        values[slot.field] = value


def _read_text(slot: TextSlot, element: etree._Element) -> Any:
    return _foreign_content(element) if slot.kind == "xml" else _value(slot.codec, _text(element), element)


def _read_attributes(wanted: tuple[AttributeSlot, ...], element: etree._Element) -> dict[str, Any]:
    found = ((one, element.get(one.name)) for one in wanted)
    return {one.field: _value(one.codec, text, element) for one, text in found if text is not None}


def _value(codec: Codec, text: str, element: etree._Element) -> Any:
    try:
        return codec.read(text)
    except ValueError as exc:
        raise Refused(RefusalCode.SCHEMA_VALUE, str(exc), where=position(element)) from exc


def _text(element: etree._Element) -> str:
    if len(element):
        raise Refused(
            RefusalCode.SCHEMA_ELEMENT, "an element where text is expected", where=position(element)
        )
    return element.text or ""


def _only_child(element: etree._Element, tag: str = "") -> etree._Element:
    children = list(element)
    if len(children) != 1 or (tag and children[0].tag != tag):
        raise Refused(
            RefusalCode.SCHEMA_ELEMENT, "exactly one element is expected here", where=position(element)
        )
    return children[0]


def _foreign_content(element: etree._Element) -> str:
    """Exclusive C14N: the same string wherever the element stood, with the namespaces that it uses and no others."""
    return _c14n(_only_child(element), exclusive=True).decode()


def _made(cls: type, values: dict[str, Any], element: etree._Element) -> Any:
    try:
        return cls(**{field: tuple(one) if type(one) is list else one for field, one in values.items()})
    except TypeError as exc:
        raise Refused(
            RefusalCode.SCHEMA_ELEMENT, "something required is missing", where=position(element)
        ) from exc


# Values to tree --------------------------------------------------------------------------------------------------


def build(document: Document, version: DocumentVersion | None = None) -> etree._Element:
    """The tree of a letter or notice, unsigned; raises Refused for a value that XML or the wire does not allow.

    In the oldest version that has room for all of it unless one is named. Raises ValueError for a version that has no
    room for a field that is set: whoever chooses a version has to look before (`versions.beyond`).
    """
    version = version or oldest_for(document)
    root = etree.Element(version.tag, {"version": version.number}, nsmap=cast(Any, {None: version.namespace}))
    _write(plan_of(version.cls, version), document, root)
    return root


def without(root: etree._Element, names: Iterable[str]) -> etree._Element:
    """Empty some children of a root, by name; return it."""
    for name in names:
        for child in root.findall(f"{{*}}{name}"):
            child.text = ""
    return root


def _write(plan: Plan, value: Any, element: etree._Element) -> None:
    for field, name in plan.lacks.items():
        if getattr(value, field) is not None:
            raise ValueError(f"{etree.QName(element).namespace} has no {name}")
    _write_attributes(plan.attributes, value, element)
    if plan.text and plan.text.kind == "xml":
        element.append(_foreign_element(_written(plan.text.codec, getattr(value, plan.text.field), element)))
    elif plan.text:
        element.text = _written(plan.text.codec, getattr(value, plan.text.field), element)
    for part in plan.parts:
        content = getattr(value, part.field)
        if content is None:
            continue
        if isinstance(part, Flat):
            _write(part.plan, content, element)
        else:
            for one in content if part.many else (content,):
                _write_child(part, one, value, element)


def _write_child(slot: Slot, content: Any, owner: Any, parent: etree._Element) -> None:
    child = etree.SubElement(parent, slot.tag)
    _write_attributes(slot.attributes, owner, child)
    holder = etree.SubElement(child, slot.inner) if slot.inner else child
    if slot.plan:
        _write(slot.plan, content, holder)
    else:
        holder.text = _written(slot.codec, content, holder)


def _write_attributes(attributes: tuple[AttributeSlot, ...], owner: Any, element: etree._Element) -> None:
    for one in attributes:
        element.set(one.name, _written(one.codec, getattr(owner, one.field), element))


def _written(codec: Codec, value: Any, element: etree._Element) -> str:
    try:
        return codec.write(value)
    except ValueError as exc:
        raise Refused(RefusalCode.SCHEMA_VALUE, str(exc), where=position(element)) from exc


def _foreign_element(content: str) -> etree._Element:
    root = parse(content.encode())
    # An element of no namespace would silently fall into ours when it is written inside the document.
    if any("}" not in str(one.tag) for one in root.iter()):
        raise Refused(RefusalCode.SCHEMA_ELEMENT, "an extension has an element of no namespace")
    return root
