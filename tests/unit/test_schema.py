"""The schemas: both validators agree about them, and each kind of violation is refused with its code and place."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import xmlschema
from lxml import etree

from bus import assets
from bus.documents import schema
from bus.documents.letter import Receiver
from bus.documents.notice import Event
from bus.documents.recipients import MOST, MOST_NAMED
from bus.documents.versions import VERSIONS, DocumentVersion, version_of
from bus.documents.xml import Document, build, open_envelope, to_bytes
from bus.errors import RefusalCode, Refused
from bus.identifiers import AgencyCode
from tests.assets import factory

SAMPLES: dict[str, Document] = {**factory.letters(), **factory.notices()}
LIBXML2 = {one: etree.XMLSchema(etree.parse(assets.path(one.schema))) for one in VERSIONS.values()}
XMLSCHEMA = {one: xmlschema.XMLSchema10(assets.path(one.schema)) for one in VERSIONS.values()}
SHARED = [f"xsd/common/1.0/{name}.xsd" for name in ("types", "letter", "notice")]
XS = "{http://www.w3.org/2001/XMLSchema}"


def both(root: etree._Element, version: DocumentVersion) -> tuple[bool, bool]:
    return LIBXML2[version].validate(root), XMLSCHEMA[version].is_valid(root)


# The schemas themselves -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", [*(one.schema for one in VERSIONS.values()), *SHARED])
def test_everything_in_a_schema_is_documented_in_thai_and_english(file: str) -> None:
    parts = [
        *etree.parse(assets.path(file)).iter(
            f"{XS}schema", f"{XS}element", f"{XS}attribute", f"{XS}complexType", f"{XS}simpleType"
        )
    ]
    assert len(parts) > (10 if file in SHARED else 3)
    for part in parts:
        texts = {
            one.get("{http://www.w3.org/XML/1998/namespace}lang"): one.text or ""
            for one in part.findall(f"{XS}annotation/{XS}documentation")
        }
        assert set(texts) == {"th", "en"}, part.get("name")
        assert re.search("[ก-๙]", texts["th"]) or texts["th"] in ("true หรือ false",), part.get("name")
        assert re.search("[a-z]", texts["en"]), part.get("name")


@pytest.mark.parametrize("version", VERSIONS.values(), ids=VERSIONS)
def test_no_element_of_ours_may_bear_an_id_attribute(version: DocumentVersion) -> None:
    names = {
        str(one.get("name")).lower()
        for file in (version.schema, *SHARED)
        for one in etree.parse(assets.path(file)).iter(f"{XS}attribute")
    }
    assert {"version", "algorithm"} < names
    assert "id" not in names


# Agreement ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SAMPLES)
def test_both_validators_accept_every_sample(name: str) -> None:
    root = build(SAMPLES[name])
    assert both(root, version_of(root.tag)) == (True, True)


TEXTS = [
    "", " ", "\n", "\u00a0", "ก", " ก", "ก ", "ก  ข", "ก\u3000ข", "\u3000ก", "ก\tข", "ก\nข",
    "ก\u0085ข", "ก\u2028ข", "\u0e48", "𝔖", "\U0010ffff", "ก" * 100, "ก" * 101, "ก" * 255, "ก" * 256,
    "𝔖" * 255, "𝔖" * 256, "ก" * 1000, "ก" * 1001, "ก" * 2001, "0", "00", "007", "+5", "-0", "-1",
    "5 ", " 5", "1e3", "1.0", "549755813888", "549755813889", "2147483648", "๕", "٣", "2483",
    "2484", "0100900000", "010090000", "01009000000", "๐๑๐๐๙๐๐๐๐๐", "001", "bus", "a", "A", "a-b",
    "-a", "a" * 40, "a" * 41, "xml.dtd", "a.b.c", "2026-11-22", " 2026-11-22", "2026-11-31",
    "2026-02-29", "2028-02-29", "1900-02-29", "0000-01-01", "0999-01-01", "2026-13-01",
    "2026-11-22Z", "-2026-11-22", "12026-11-22", "2569-11-22", "2026-11-22T09:00:00+07:00",
    "2026-11-22T09:00:00.1+07:00", "2026-11-22T09:00:00.1234567+07:00", "2026-11-22T09:00:00Z",
    "2026-11-22T09:00:00", "2026-11-22T09:00:00+08:00", "2026-11-22T24:00:00+07:00",
    "2026-11-22T23:59:60+07:00", "2026-11-31T09:00:00+07:00", "2026-11-22 09:00:00+07:00",
    "9999-12-31T23:59:59.999999+07:00", "true", "false", "1", "TRUE", "ab" * 32, "AB" * 32,
    "ab" * 31, "00000000-0000-0000-0000-000000000001", "00000000-0000-0000-0000-00000000000A",
    "{0}", "AAAA", "AAA=", "AA==", "AB==", "AAB=", "A===", "AAAA AAAA", "AA=A", "====", "AAA",
    "application/pdf", "Application/PDF", "text/plain; a=b", "a.pdf", "../a", "..", ".a", "a/b",
    "a\\b", "a\u202eb", "a b", "http://x", "https://ต\u0e31วอย\u0e48าง", "ftp://x", "http://",
    "a@b", "a@b@c", "th", "en", "1.0", "SHA-256", "http://uri.etsi.org/19522/Event/Relay",
    "http://uri.etsi.org/19522/Event/",
]  # fmt: skip
NAMES = ["Id", "version", "algorithm", "mimeCode", "mustUnderstand", "lang", "foo", "{urn:example}a"]


def retext(element: etree._Element, chance: random.Random) -> None:
    # The one known difference stands in a test of its own, below.
    texts = [text for text in TEXTS if text.strip() or not text.strip(" \n")] if len(element) else TEXTS
    element.text = chance.choice(texts)


def reattribute(element: etree._Element, chance: random.Random) -> None:
    names = [str(name) for name in element.attrib] or NAMES
    element.set(chance.choice(names), chance.choice(TEXTS))


def unattribute(element: etree._Element, chance: random.Random) -> None:
    for name in element.attrib:
        del element.attrib[name]


def drop(element: etree._Element, chance: random.Random) -> None:
    if (parent := element.getparent()) is not None:
        parent.remove(element)


def double(element: etree._Element, chance: random.Random) -> None:
    if element.getparent() is not None:
        element.addnext(deepcopy(element))


def swap(element: etree._Element, chance: random.Random) -> None:
    if (following := element.getnext()) is not None:
        following.addnext(element)


def rename(element: etree._Element, chance: random.Random) -> None:
    others = [str(one.tag) for one in element.getroottree().getroot().iter()]
    element.tag = chance.choice([*others, "{urn:example}foreign", "nowhere"])


def move(element: etree._Element, chance: random.Random) -> None:
    target = chance.choice(list(element.getroottree().getroot().iter()))
    if element.getparent() is not None and element not in target.iterancestors() and target is not element:
        target.append(element)


def add(element: etree._Element, chance: random.Random) -> None:
    tag = chance.choice(["{urn:example}foreign", "{http://www.w3.org/2000/09/xmldsig#}Signature", "nowhere"])
    etree.SubElement(element, tag).text = chance.choice(["", "ก"])


MUTATIONS: list[Callable[[etree._Element, random.Random], None]] = [
    *[retext] * 6, *[reattribute] * 2, unattribute, drop, drop, double, swap, rename, move, add,
]  # fmt: skip


@pytest.mark.parametrize("seed", range(5))
def test_both_validators_agree_about_mutated_samples(seed: int) -> None:
    chance = random.Random(seed)
    small = [one for name, one in SAMPLES.items() if name != "five hundred receivers"]
    verdicts: Counter[bool] = Counter()
    for _ in range(500):
        document = chance.choice(small)
        root = build(document)
        version = version_of(root.tag)
        for _ in range(chance.choice([1, 1, 1, 2])):
            chance.choice(MUTATIONS)(chance.choice(list(root.iter())), chance)
        by_libxml2, by_xmlschema = both(root, version)
        assert by_libxml2 == by_xmlschema, etree.tostring(root, encoding="unicode")
        verdicts[by_libxml2] += 1
    assert verdicts[True] > 20
    assert verdicts[False] > 200


@pytest.mark.parametrize("version", VERSIONS.values(), ids=VERSIONS)
def test_both_validators_agree_about_every_type_and_every_text(version: DocumentVersion) -> None:
    types = {
        str(one.get("name"))
        for file in (version.schema, "xsd/common/1.0/types.xsd", f"xsd/common/1.0/{version.type}.xsd")
        for one in etree.parse(assets.path(file)).iter(f"{XS}simpleType")
    }
    accepted: set[str] = set()
    for name in sorted(types):
        by_libxml2, by_xmlschema = single_element_schemas(version, name)
        for text in TEXTS:
            element = etree.Element("one")
            element.text = text
            verdict = by_libxml2.validate(element)
            assert verdict == by_xmlschema.is_valid(element), (name, text)
            accepted |= {name} if verdict else set()
    assert accepted >= types - {"AlgorithmName"} | {"Code", "Line", "DateTime"}


def test_an_exotic_blank_between_elements_is_refused_although_xmlschema_lets_it_pass() -> None:
    root = build(factory.letter())
    root.text = "\u3000"
    assert both(root, VERSIONS["letter/1.0"]) == (False, True)
    with pytest.raises(Refused) as caught:
        schema.check_tree(root)
    assert caught.value.code == RefusalCode.SCHEMA_ELEMENT


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("<MainFile ", "<a/>" * 15_000 + "<MainFile ", RefusalCode.SCHEMA_ELEMENT),
        (
            "<Attachment>",
            "<Attachment><Text>ก</Text><FormCode>F</FormCode></Attachment><Attachment>",
            RefusalCode.SCHEMA_VALUE,
        ),
        ('mimeCode="application/pdf"', 'mimeCode="PDF"', RefusalCode.SCHEMA_ATTRIBUTE),
        (' mimeCode="application/pdf"', "", RefusalCode.SCHEMA_ATTRIBUTE),
        ("<KindCode>", '<KindCode a="b">', RefusalCode.SCHEMA_ATTRIBUTE),
        ("<KindCode>", "<KindCode><b/>", RefusalCode.SCHEMA_ELEMENT),
    ],
)
def test_a_document_too_large_to_be_explained_is_refused_in_the_words_of_libxml2(
    old: str, new: str, code: RefusalCode
) -> None:
    filler = '<a xmlns="urn:example">' + "<b/>" * 4000 + "</a>"
    large = PLAIN.replace(
        "</Extension>", f'</Extension><Extension mustUnderstand="false">{filler}</Extension>'
    )
    root = open_envelope(large.replace(old, new, 1).encode()).root
    with pytest.raises(Refused) as caught:
        schema.check_tree(root)
    assert caught.value.code == code
    assert caught.value.where.startswith("/ line ")
    assert "urn:saraban-bus" not in caught.value.detail


def single_element_schemas(
    version: DocumentVersion, type_name: str
) -> tuple[etree.XMLSchema, xmlschema.XMLSchema10]:
    """Schemas of one element `one` that has a type of ours."""
    namespace = version.namespace
    location = Path(assets.path(version.schema)).as_uri()
    text = (
        f'<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:t="{namespace}">'
        f'<xs:import namespace="{namespace}" schemaLocation="{location}"/>'
        f'<xs:element name="one" type="t:{type_name}"/></xs:schema>'
    )
    return etree.XMLSchema(etree.fromstring(text)), xmlschema.XMLSchema10(text)


# Violations -----------------------------------------------------------------------------------------------------

PLAIN = to_bytes(build(factory.full_letter())).decode()
VIOLATIONS = {
    "an element is missing": ("<KindCode>external</KindCode>", "", RefusalCode.SCHEMA_ELEMENT, "/Letter"),
    "an element too many": (
        "<KindCode>",
        "<KindCode>a</KindCode><KindCode>",
        RefusalCode.SCHEMA_ELEMENT,
        "/Letter",
    ),
    "an unknown element": ("<KindCode>", "<Kind/><KindCode>", RefusalCode.SCHEMA_ELEMENT, "/Letter"),
    "the wrong order": (
        "<SecretCode>001</SecretCode><SpeedCode>004</SpeedCode>",
        "<SpeedCode>004</SpeedCode><SecretCode>001</SecretCode>",
        RefusalCode.SCHEMA_ELEMENT,
        "/Letter",
    ),
    "an element of no namespace": (
        "<KindCode>",
        '<KindCode xmlns="">',
        RefusalCode.SCHEMA_ELEMENT,
        "/Letter",
    ),
    "text between elements": (
        "<SenderParty>",
        "<SenderParty>x",
        RefusalCode.SCHEMA_ELEMENT,
        "/Letter/SenderParty",
    ),
    "an element in a text": (
        "<KindCode>",
        "<KindCode><b/>",
        RefusalCode.SCHEMA_ELEMENT,
        "/Letter/KindCode",
    ),
    "an empty contact": (
        "<Contact>.*</Contact>",
        "<Contact/>",
        RefusalCode.SCHEMA_ELEMENT,
        "/Letter/SenderParty/Contact",
    ),
    "an addressee twice over": (
        "<GroupID>all-agencies</GroupID>",
        "<GroupID>all-agencies</GroupID><TopicID>a</TopicID>",
        RefusalCode.SCHEMA_ELEMENT,
        "/Letter/ReceiverParty[2]",
    ),
    "sealed and open": (
        "<MainFile ",
        '<SealedContent algorithm="a">AAAA</SealedContent><MainFile ',
        RefusalCode.SCHEMA_ELEMENT,
        "/Letter",
    ),
    "an extension of our own": (
        "<x:note.*</x:note>",
        "<KindCode/>",
        RefusalCode.SCHEMA_ELEMENT,
        "/Letter/Extension",
    ),
    "an extension of two": (
        "</x:note>",
        '</x:note><y:a xmlns:y="u:y"/>',
        RefusalCode.SCHEMA_ELEMENT,
        "/Letter/Extension",
    ),
    "an empty extension": ("<x:note.*</x:note>", "", RefusalCode.SCHEMA_ELEMENT, "/Letter/Extension"),
    "a code of four digits": (
        "<SpeedCode>004",
        "<SpeedCode>0004",
        RefusalCode.SCHEMA_VALUE,
        "/Letter/SpeedCode",
    ),
    "an agency of nine digits": (
        "<ID>0100900000",
        "<ID>010090000",
        RefusalCode.SCHEMA_VALUE,
        "/Letter/ReceiverParty[1]/DepartmentOrganization/ID",
    ),
    "a date that is none": (
        "<CorrespondenceDate>[^<]*",
        "<CorrespondenceDate>2026-02-30",
        RefusalCode.SCHEMA_VALUE,
        "/Letter/CorrespondenceDate",
    ),
    "a time of another zone": (
        "<SendDate>[^<]*",
        "<SendDate>2026-11-22T09:00:00Z",
        RefusalCode.SCHEMA_VALUE,
        "/Letter/SendDate",
    ),
    "a size that is no number": (
        "<Size>50123",
        "<Size>5o123",
        RefusalCode.SCHEMA_VALUE,
        "/Letter/MainFile/Size",
    ),
    "a size beyond the bound": (
        "<Size>50123",
        "<Size>549755813889",
        RefusalCode.SCHEMA_VALUE,
        "/Letter/MainFile/Size",
    ),
    "a digest in capitals": (">abab", ">ABAB", RefusalCode.SCHEMA_VALUE, "/Letter/MainFile/Digest"),
    "a blank subject": ("<Subject>[^<]*", "<Subject> ", RefusalCode.SCHEMA_VALUE, "/Letter/Subject"),
    "a subject too long": (
        "<Subject>[^<]*",
        f"<Subject>{'ก' * 1001}",
        RefusalCode.SCHEMA_VALUE,
        "/Letter/Subject",
    ),
    "a file name with a path": (
        "<Name>หนังสือ.pdf",
        "<Name>../หนังสือ.pdf",
        RefusalCode.SCHEMA_VALUE,
        "/Letter/MainFile/Name",
    ),
    "an attribute is missing": (
        ' mimeCode="application/pdf"',
        "",
        RefusalCode.SCHEMA_ATTRIBUTE,
        "/Letter/MainFile",
    ),
    "an unknown attribute": (
        "<KindCode>",
        '<KindCode a="b">',
        RefusalCode.SCHEMA_ATTRIBUTE,
        "/Letter/KindCode",
    ),
    "an id on the root": (
        ' version="1.0"',
        ' version="1.0" Id="a"',
        RefusalCode.SCHEMA_ATTRIBUTE,
        "/Letter",
    ),
    "no version": (' version="1.0"', "", RefusalCode.SCHEMA_ATTRIBUTE, "/Letter"),
    "an attribute of another value": (
        'mimeCode="application/pdf"',
        'mimeCode="PDF"',
        RefusalCode.SCHEMA_ATTRIBUTE,
        "/Letter/MainFile",
    ),
    "another digest algorithm": (
        "SHA-256",
        "SHA-1",
        RefusalCode.SCHEMA_ATTRIBUTE,
        "/Letter/MainFile/Digest",
    ),
    "a schema of its own": (
        ' version="1.0"',
        ' version="1.0" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="urn:a http://example.org/a.xsd"',
        RefusalCode.SCHEMA_ATTRIBUTE,
        "",
    ),
}


@pytest.mark.parametrize("name", VIOLATIONS)
def test_a_violation_is_refused_with_its_code_and_its_place(name: str) -> None:
    old, new, code, where = VIOLATIONS[name]
    changed = re.sub(old, new, PLAIN, count=1, flags=re.DOTALL)
    assert changed != PLAIN
    with pytest.raises(Refused) as caught:
        schema.check(open_envelope(changed.encode()))
    assert caught.value.code == code, caught.value.detail
    assert caught.value.where.rpartition(" line ")[0] == where
    assert caught.value.detail
    assert "urn:saraban-bus" not in caught.value.detail


def test_a_value_is_explained_by_what_the_schema_says_of_its_type() -> None:
    with pytest.raises(Refused) as caught:
        schema.check(open_envelope(PLAIN.replace("<ID>0100900000", "<ID>สคก").encode()))
    assert "รหัสหน่วยงาน 10 หลัก" in caught.value.detail
    assert "The ten digits of an agency" in caught.value.detail


def test_more_than_500_addressees_are_refused() -> None:
    receivers = (Receiver(agency=factory.OCS),) * 501
    with pytest.raises(Refused) as caught:
        schema.check_tree(build(factory.letter(receivers=receivers)))
    assert caught.value.code == RefusalCode.SCHEMA_ELEMENT


def acceptance_of(count: int, **changes: Any) -> bytes:
    codes = tuple(AgencyCode(f"{n:010}") for n in range(count))
    terms = replace(factory.terms(codes), **changes)
    return to_bytes(build(factory.notice(Event.ACCEPTED, terms=terms)))


def test_an_acceptance_names_as_many_recipients_as_the_program_does_and_not_one_more() -> None:
    for count in (1, MOST_NAMED, MOST):
        schema.check(open_envelope(acceptance_of(count)))
    named = tuple(AgencyCode(f"{n:010}") for n in range(MOST_NAMED + 1))
    with pytest.raises(Refused, match=RefusalCode.SCHEMA_ELEMENT):
        schema.check(open_envelope(acceptance_of(MOST_NAMED + 1, recipients=named)))
    for count in (0, MOST + 1):
        with pytest.raises(Refused):
            schema.check(open_envelope(acceptance_of(1, recipient_count=count)))


def test_a_signature_is_let_in_last_whatever_it_holds() -> None:
    root = build(factory.letter())
    etree.SubElement(root, "{http://www.w3.org/2000/09/xmldsig#}Signature").set("Id", "a")
    schema.check_tree(root)
    assert both(root, VERSIONS["letter/1.0"]) == (True, True)
    root.insert(0, root[-1])
    assert both(root, VERSIONS["letter/1.0"]) == (False, False)
