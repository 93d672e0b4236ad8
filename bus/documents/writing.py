"""Letters and notices straight to their canonical octets, without a tree: for what the bus itself says all the time.

`xml.py` builds the tree of a document, which a schema can judge; its canonical form is what is written here. A
generator of documents holds the two together (tests/unit/test_writing.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from bus.documents.plans import AttributeSlot, Codec, Flat, Plan, Slot, plan_of
from bus.documents.versions import DocumentVersion
from bus.documents.xml import Document


def octets_of(document: Document, version: DocumentVersion) -> bytes:
    """Return the canonical form of an unsigned document, as `canonical(build(document, version))` does.

    Nothing is validated. Raises ValueError for a value that the wire does not allow, for a field for which the version
    has no room, and for a document with an extension: what is foreign is not written as it is.
    """
    plan = plan_of(version.cls, version)
    attributes = _attributes(plan.attributes, document, version=version.number)
    name = version.cls.__name__
    return f'<{name} xmlns="{version.namespace}"{attributes}>{_content(plan, document)}</{name}>'.encode()


def _content(plan: Plan, value: Any) -> str:
    for field, name in plan.lacks.items():
        if getattr(value, field) is not None:
            raise ValueError(f"this version has no {name}")
    if plan.text:
        if plan.text.kind == "xml":
            raise ValueError("an extension")
        return _text(plan.text.codec, getattr(value, plan.text.field))
    written: list[str] = []
    for part in plan.parts:
        content = getattr(value, part.field)
        if content is None:
            continue
        if isinstance(part, Flat):
            written.append(_content(part.plan, content))
        else:
            written += [_child(part, one, value) for one in (content if part.many else (content,))]
    return "".join(written)


def _child(slot: Slot, content: Any, owner: Any) -> str:
    name, inner = _local(slot.tag), _local(slot.inner)
    its_own = slot.plan.attributes if slot.plan else ()
    text = _content(slot.plan, content) if slot.plan else _text(slot.codec, content)
    outside = _pairs(slot.attributes, owner)
    if inner:
        text = f"<{inner}{_joined(_pairs(its_own, content))}>{text}</{inner}>"
    else:
        outside |= _pairs(its_own, content)
    return f"<{name}{_joined(outside)}>{text}</{name}>"


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]


def _attributes(slots: Iterable[AttributeSlot], owner: Any, **more: str) -> str:
    return _joined(_pairs(slots, owner) | more)


def _pairs(slots: Iterable[AttributeSlot], owner: Any) -> dict[str, str]:
    return {one.name: one.codec.write(getattr(owner, one.field)) for one in slots}


def _joined(attributes: dict[str, str]) -> str:
    """Attributes as a canonical form has them: by name, escaped (Canonical XML 1.1, sections 1.1 and 2.3)."""
    return "".join(f' {name}="{_in_attribute(text)}"' for name, text in sorted(attributes.items()))


def _text(codec: Codec, value: Any) -> str:
    text = codec.write(value).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return text.replace("\r", "&#xD;")


def _in_attribute(text: str) -> str:
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
    return text.replace("\t", "&#x9;").replace("\n", "&#xA;").replace("\r", "&#xD;")
