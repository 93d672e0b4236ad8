"""The verifier stands alone and has tables of its own; here they are held against those of the bus."""

from __future__ import annotations

from bus.documents.versions import VERSIONS
from bus.verifier import documents


def test_the_verifier_has_an_account_of_the_same_types_and_versions() -> None:
    assert {
        version.tag: (version.cls.__name__, version.number) for version in VERSIONS.values()
    } == documents.ROOTS
