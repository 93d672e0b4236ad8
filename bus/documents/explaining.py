"""Why a document does not fit its schema, in words: what xmlschema finds, and what the schema says of it.

It is imported when the first document is refused (schema.py): importing xmlschema takes longer than most commands take
to answer, and most programs never refuse anything.
"""

from __future__ import annotations

from functools import cache

import xmlschema
from lxml import etree
from xmlschema.validators import XsdAttribute, XsdAttributeGroup, XsdElement, XsdFacet, XsdGroup

from bus import assets
from bus.errors import LONGEST_DETAIL, RefusalCode, Refused


def explained(root: etree._Element, file: str) -> Refused | None:
    """The first thing that xmlschema finds wrong, or None where it is the more lenient of the two."""
    try:
        error = next(_explaining(file).iter_errors(root), None)
    except xmlschema.XMLSchemaException:
        return None
    if error is None:
        return None
    element = error.elem if error.invalid_child is None else error.invalid_child
    where = f"{error.path or '/'} line {getattr(element, 'sourceline', '?')}"
    return refusal(_code_by_xmlschema(error), "; ".join([error.reason or "", *_meaning(error)]), root, where)


def refusal(code: RefusalCode, detail: str, root: etree._Element, where: str) -> Refused:
    """Return the refusal with what is wrong, without the document's own namespace, and no longer than it need be."""
    own_namespace = f"{{{etree.QName(root).namespace}}}"
    return Refused(code, detail.replace(own_namespace, "")[:LONGEST_DETAIL], where=where)


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


@cache
def _explaining(file: str) -> xmlschema.XMLSchema10:
    return xmlschema.XMLSchema10(str(assets.path(file)))
