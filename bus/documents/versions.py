"""The documents that travel, one row for each type and version: whatever knows a namespace reads it here.

A later version of a type is the earlier one and optional elements more. One frozen class holds all versions; a field
that came later says so where it is declared (`since`), and only there. How a version is added: its schema, its row,
its fields (docs/decisions/0015-versions-and-methods-as-data.md).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Any, Final, Literal

from bus.documents.letter import Letter
from bus.documents.notice import Notice
from bus.errors import RefusalCode, Refused

DocumentType = Literal["letter", "notice"]
DocumentClass = type[Letter] | type[Notice]
BoundClass = type[Any]


@dataclass(frozen=True, slots=True, eq=False)
class DocumentVersion:
    """One version of one type of document."""

    name: str
    """As the directory states it (`reads`): `letter/1.1`."""
    type: DocumentType
    number: str
    """As the root's attribute `version` has it: `1.1`."""
    namespace: str
    tag: str
    """Of the root."""
    id_tag: str
    """Of the child that bears the document's id."""
    schema: str
    """Its schema file, below the project's assets."""
    cls: DocumentClass
    since: str
    """The release of Saraban Bus that was the first to read it."""

    def lacks(self, cls: BoundClass) -> dict[str, str]:
        """Return the fields of a bound class that came later, each with the name of its element."""
        bound = ((one.name, one.metadata["binding"]) for one in fields(cls))
        return {name: at.name for name, at in bound if _order(at.since) > _order(self.number)}


def _order(number: str) -> tuple[int, ...]:
    return tuple(map(int, number.split(".")))


def _row(type_: DocumentType, number: str, cls: DocumentClass, since: str) -> DocumentVersion:
    namespace = f"urn:saraban-bus:{type_}:{number}"
    return DocumentVersion(
        name=f"{type_}/{number}",
        type=type_,
        number=number,
        namespace=namespace,
        tag=f"{{{namespace}}}{cls.__name__}",
        id_tag=f"{{{namespace}}}{cls.__name__}ID",
        schema=f"xsd/{type_}/{number}/{type_}.xsd",
        cls=cls,
        since=since,
    )


VERSIONS: Final[Mapping[str, DocumentVersion]] = MappingProxyType(
    {
        row.name: row
        for row in (
            _row("letter", "1.0", Letter, since="0.1.0"),
            _row("letter", "1.1", Letter, since="0.2.0"),
            _row("notice", "1.0", Notice, since="0.1.0"),
            _row("notice", "1.1", Notice, since="0.2.0"),
        )
    }
)
"""By name; of each type the oldest first."""

_BY_TAG: Final = {row.tag: row for row in VERSIONS.values()}
_OF_CLASS: Final = {
    cls: tuple(row for row in VERSIONS.values() if row.cls is cls) for cls in (Letter, Notice)
}
_LACKS: Final = {row.name: row.lacks(row.cls) for row in VERSIONS.values()}
_OTHER_VERSION: Final = re.compile(r"\{urn:saraban-bus:(letter|notice):[^}]*\}(Letter|Notice)")


def version_of(tag: Any) -> DocumentVersion:
    """Return the version of a document by the tag of its root. Raises Refused(type.*) for what is not in the table."""
    found = _BY_TAG.get(str(tag))
    if found is None:
        known = _OTHER_VERSION.fullmatch(str(tag))
        code = RefusalCode.TYPE_UNKNOWN_VERSION if known else RefusalCode.TYPE_UNKNOWN_ROOT
        raise Refused(code, str(tag), where="/")
    return found


def versions_of(document: Letter | Notice) -> tuple[DocumentVersion, ...]:
    """Return all versions of a document's type, the oldest first."""
    return _OF_CLASS[type(document)]


def beyond(document: Letter | Notice, version: DocumentVersion) -> list[str]:
    """Return the elements of a document for which a version has no room."""
    return [name for field, name in _LACKS[version.name].items() if getattr(document, field) is not None]


def oldest_for(document: Letter | Notice) -> DocumentVersion:
    """Return the oldest version in which all of a document can be written."""
    return next(version for version in versions_of(document) if not beyond(document, version))
