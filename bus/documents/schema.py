"""Gate 3: a document against its schema; libxml2 decides, and xmlschema explains a refusal in words."""

from __future__ import annotations

from functools import cache
from threading import Lock
from typing import Any, cast

from lxml import etree

from bus import assets
from bus.documents.versions import version_of
from bus.documents.xml import INSTANCE_ATTRIBUTE, Envelope
from bus.errors import LONGEST_DETAIL, RefusalCode, Refused

SIGNATURE = "xsd/signature/1.0/signature.xsd"

# xmlschema takes minutes for a million bytes of wrong elements: whoever sends such gets the words of libxml2.
_TOO_MUCH = etree.XPath("count(//*) > 3000 or string-length(/) > 200000")

# lxml keeps the errors of a run on the validator itself, so that one thread at a time may use it.
_ONE_AT_A_TIME = Lock()


def check(envelope: Envelope) -> None:
    """Raise Refused(schema.*) unless the document is valid; `where` is the path and the line."""
    check_tree(envelope.root)


def check_tree(root: etree._Element) -> None:
    """The same for a tree that has not been an envelope, such as one that is about to be signed."""
    file = version_of(root.tag).schema
    # Such attributes would let a document talk to the validator about its own schema.
    if INSTANCE_ATTRIBUTE(root):
        raise Refused(RefusalCode.SCHEMA_ATTRIBUTE, "attributes of XMLSchema-instance are not allowed")
    if (wrong := _first_error(root, file)) is not None:
        from bus.documents.explaining import explained, refusal  # only now: see there

        found = None if _TOO_MUCH(root) else explained(root, file)
        raise found or refusal(_code_by_libxml2(wrong), wrong.message, root, f"/ line {wrong.line}")


def verdict(element: etree._Element, file: str) -> tuple[str, int] | None:
    """What libxml2 finds wrong first with an element, in its own words, and the line; None when it is valid."""
    wrong = _first_error(element, file)
    return None if wrong is None else (str(wrong.message)[:LONGEST_DETAIL], int(wrong.line))


def _first_error(root: etree._Element, file: str) -> Any:
    """An entry of libxml2's log (`message`, `line`, `type_name`), or None."""
    with _ONE_AT_A_TIME:
        validator = _deciding(file)
        return None if validator.validate(root) else cast(Any, validator.error_log)[0]


@cache
def _deciding(file: str) -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(str(assets.path(file))))


def _code_by_libxml2(verdict: Any) -> RefusalCode:
    name = str(verdict.type_name).removeprefix("SCHEMAV_")
    if ", attribute '" in verdict.message or name.startswith(
        ("CVC_COMPLEX_TYPE_3", "CVC_COMPLEX_TYPE_4", "CVC_AU")
    ):
        return RefusalCode.SCHEMA_ATTRIBUTE
    if name.startswith(("ELEMENT_CONTENT", "CVC_COMPLEX_TYPE_2", "CVC_TYPE_3_1")):
        return RefusalCode.SCHEMA_ELEMENT
    return RefusalCode.SCHEMA_VALUE
