"""The verifier stands alone and has tables of its own; here they are held against those of the bus."""

from __future__ import annotations

from lxml import etree

from bus import assets
from bus.documents.schema import SIGNATURE
from bus.documents.versions import VERSIONS
from bus.methods import METHODS
from bus.verifier import documents, methods


def test_the_verifier_has_an_account_of_the_same_types_and_versions() -> None:
    assert {
        version.tag: (version.cls.__name__, version.number) for version in VERSIONS.values()
    } == documents.ROOTS


def test_the_verifier_has_the_same_signature_methods() -> None:
    ours = {
        uri: (one.hash.name, one.curve().name if one.curve else "", one.smallest)
        for uri, one in METHODS.items()
    }
    assert {uri: (one.hash.name, one.curve, one.bits) for uri, one in methods.METHODS.items()} == ours


def test_the_schema_of_signatures_names_the_same_methods_and_no_others() -> None:
    xs = "{http://www.w3.org/2001/XMLSchema}"
    root = etree.parse(assets.path(SIGNATURE)).getroot()
    named = root.findall(f"{xs}simpleType[@name='SignatureAlgorithm']/{xs}restriction/{xs}enumeration")
    assert {one.get("value") for one in named} == set(METHODS)
