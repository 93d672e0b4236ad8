"""Gate 3: a document against its schema; libxml2 decides, and xmlschema explains a refusal in words."""

from __future__ import annotations

from functools import cache
from threading import Lock
from typing import Any, cast

import xmlschema
from lxml import etree
from xmlschema.validators import XsdAttribute, XsdAttributeGroup, XsdElement, XsdFacet, XsdGroup

from bus import assets
from bus.documents.versions import version_of
from bus.documents.xml import INSTANCE_ATTRIBUTE, Envelope
from bus.errors import RefusalCode, Refused

SIGNATURE = "xsd/signature/1.0/signature.xsd"

_LONGEST_DETAIL = 1000
"""Characters: an explanation may quote the document."""

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
        refusal = None if _TOO_MUCH(root) else _explained(root, file)
        raise refusal or _refusal(_code_by_libxml2(wrong), wrong.message, root, f"/ line {wrong.line}")


def verdict(element: etree._Element, file: str) -> tuple[str, int] | None:
    """What libxml2 finds wrong first with an element, in its own words, and the line; None when it is valid."""
    wrong = _first_error(element, file)
    return None if wrong is None else (str(wrong.message)[:_LONGEST_DETAIL], int(wrong.line))


def _first_error(root: etree._Element, file: str) -> Any:
    """An entry of libxml2's log (`message`, `line`, `type_name`), or None."""
    with _ONE_AT_A_TIME:
        validator = _deciding(file)
        return None if validator.validate(root) else cast(Any, validator.error_log)[0]


@cache
def _deciding(file: str) -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(str(assets.path(file))))


@cache
def _explaining(file: str) -> xmlschema.XMLSchema10:
    return xmlschema.XMLSchema10(str(assets.path(file)))


def _explained(root: etree._Element, file: str) -> Refused | None:
    """The first thing that xmlschema finds wrong, or None where it is the more lenient of the two."""
    try:
        error = next(_explaining(file).iter_errors(root), None)
    except xmlschema.XMLSchemaException:
        return None
    if error is None:
        return None
    element = error.elem if error.invalid_child is None else error.invalid_child
    where = f"{error.path or '/'} line {getattr(element, 'sourceline', '?')}"
    return _refusal(_code_by_xmlschema(error), "; ".join([error.reason or "", *_meaning(error)]), root, where)


def _refusal(code: RefusalCode, detail: str, root: etree._Element, where: str) -> Refused:
    own_namespace = f"{{{etree.QName(root).namespace}}}"
    return Refused(code, detail.replace(own_namespace, "")[:_LONGEST_DETAIL], where=where)


def _code_by_libxml2(verdict: Any) -> RefusalCode:
    name = str(verdict.type_name).removeprefix("SCHEMAV_")
    if ", attribute '" in verdict.message or name.startswith(
        ("CVC_COMPLEX_TYPE_3", "CVC_COMPLEX_TYPE_4", "CVC_AU")
    ):
        return RefusalCode.SCHEMA_ATTRIBUTE
    if name.startswith(("ELEMENT_CONTENT", "CVC_COMPLEX_TYPE_2", "CVC_TYPE_3_1")):
        return RefusalCode.SCHEMA_ELEMENT
    return RefusalCode.SCHEMA_VALUE


def _code_by_xmlschema(error: xmlschema.XMLSchemaValidationError) -> RefusalCode:
    # A value that does not fit is reported by its facet, and only the reason tells whether an attribute held it.
    if isinstance(error.validator, XsdAttributeGroup | XsdAttribute) or (error.reason or "").startswith(
        "attribute "
    ):
        return RefusalCode.SCHEMA_ATTRIBUTE
    if isinstance(error.validator, XsdGroup | XsdElement):
        return RefusalCode.SCHEMA_ELEMENT
    return RefusalCode.SCHEMA_VALUE


def _meaning(error: xmlschema.XMLSchemaValidationError) -> list[str]:
    """What the schema says, in Thai and English, about the type that a value does not fit."""
    annotation = getattr(getattr(error.validator, "parent", None), "annotation", None)
    if not isinstance(error.validator, XsdFacet) or annotation is None:
        return []
    return [text for one in annotation.documentation if (text := one.text)]
