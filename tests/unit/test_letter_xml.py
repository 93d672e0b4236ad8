"""Letters and notices to XML and back, and what is refused on the way."""

from __future__ import annotations

import datetime as dt
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from bus.documents import schema
from bus.documents.letter import Content, Extension
from bus.documents.xml import (
    MAX_ATTRIBUTES,
    MAX_BYTES,
    MAX_DEPTH,
    MAX_ELEMENTS,
    MAX_NAMESPACES,
    Document,
    build,
    canonical,
    content_digest,
    open_envelope,
    read,
    to_bytes,
)
from bus.errors import RefusalCode, Refused
from tests.assets import factory, strategies

SAMPLES: dict[str, Document] = {**factory.letters(), **factory.notices()}
PLAIN = to_bytes(build(factory.letter()))


def refusal_of(raw: bytes) -> RefusalCode:
    with pytest.raises(Refused) as caught:
        open_envelope(raw)
    return caught.value.code


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(strategies.documents)
def test_every_document_comes_back_as_it_was_and_follows_its_schema(document: Document) -> None:
    root = build(document)
    raw = to_bytes(root)
    parsed = etree.fromstring(raw)
    schema.check_tree(parsed)
    assert read(parsed) == document
    assert to_bytes(build(read(parsed))) == raw
    assert content_digest(parsed) == content_digest(root)


@pytest.mark.parametrize("name", SAMPLES)
def test_every_sample_comes_back_as_it_was(name: str) -> None:
    envelope = open_envelope(to_bytes(build(SAMPLES[name])))
    schema.check(envelope)
    assert read(envelope.root) == SAMPLES[name]
    assert envelope.type == ("letter" if name in factory.letters() else "notice")


def test_an_envelope_carries_the_id_that_the_document_claims() -> None:
    letter, notice = factory.letter(), factory.notice()
    assert open_envelope(to_bytes(build(letter))).id == str(letter.letter_id)
    assert open_envelope(to_bytes(build(notice))).id == str(notice.notice_id)
    assert open_envelope(PLAIN.replace(b"<LetterID>", b"<LetterID>x")).id == ""


def test_times_are_written_in_bangkok_whatever_their_zone_was() -> None:
    letter = factory.full_letter(sent_at=factory.NOW.astimezone(dt.UTC))
    text = to_bytes(build(letter)).decode()
    assert f"<SendDate>{factory.NOW.isoformat()}</SendDate>" in text
    assert "Z<" not in text


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(Refused) as caught:
        build(factory.letter(sent_at=factory.NOW.replace(tzinfo=None)))
    assert caught.value.code == RefusalCode.SCHEMA_VALUE


@given(
    st.characters(categories=("Cc", "Cs")).filter(lambda one: one not in "\t\n")
    | st.sampled_from("\ufffe\uffff"),
    st.sampled_from(["subject", "body", "number", "name", "foreign"]),
)
def test_a_control_character_is_refused_wherever_it_stands(character: str, place: str) -> None:
    bad = f"ก{character}ข"
    letter = {
        "subject": factory.letter(content=Content(subject=bad)),
        "body": factory.letter(content=Content(subject="ก", body=bad)),
        "number": factory.letter(number=bad),
        "name": factory.letter(main_file=factory.file(bad)),
        "foreign": factory.letter(
            extensions=(Extension(must_understand=False, content=f"<x xmlns='u:v'>{bad}</x>"),)
        ),
    }[place]
    with pytest.raises(Refused) as caught:
        build(letter)
    assert caught.value.code == RefusalCode.SCHEMA_VALUE


@pytest.mark.parametrize("break_", ["\t", "\n"])
def test_a_line_break_is_allowed_in_a_body_and_nowhere_in_a_subject(break_: str) -> None:
    schema.check_tree(build(factory.letter(content=Content(subject="ก", body=f"ก{break_}ข"))))
    with pytest.raises(Refused) as caught:
        schema.check_tree(build(factory.letter(content=Content(subject=f"ก{break_}ข"))))
    assert caught.value.code == RefusalCode.SCHEMA_VALUE
    assert caught.value.where.startswith("/Letter/Subject")


def test_an_extension_element_without_a_namespace_is_refused_before_it_falls_into_ours() -> None:
    inner = '<x:a xmlns:x="urn:example"><b/></x:a>'
    with pytest.raises(Refused) as caught:
        build(factory.letter(extensions=(Extension(must_understand=False, content=inner),)))
    assert caught.value.code == RefusalCode.SCHEMA_ELEMENT


def test_the_digest_does_not_depend_on_how_the_bytes_are_laid_out() -> None:
    same = PLAIN.replace(b' version="1.0">', b"\n version='1.0' >", 1).replace(
        b"\xe0\xb8\x99\xe0\xb8\xa3", "&#xe19;ร".encode()
    )
    assert same != PLAIN
    assert content_digest(open_envelope(same).root) == content_digest(open_envelope(PLAIN).root)


def test_the_digest_changes_with_any_letter_of_the_content() -> None:
    other = PLAIN.replace("ประชุม".encode(), "ประชม".encode())
    assert content_digest(open_envelope(other).root) != content_digest(open_envelope(PLAIN).root)


def test_what_has_no_canonical_form_is_refused() -> None:
    content = '<x:a xmlns:x="no/scheme"/>'
    raw = PLAIN.replace(
        b"</Letter>", f'<Extension mustUnderstand="false">{content}</Extension></Letter>'.encode()
    )
    for use in (canonical, read):
        with pytest.raises(Refused) as caught:
            use(open_envelope(raw).root)
        assert caught.value.code == RefusalCode.XML_NOT_WELL_FORMED


# Gate 1 ----------------------------------------------------------------------------------------------------------

DECLARATION, BODY = PLAIN.split(b"\n", 1)
BILLION_LAUGHS = b'<!DOCTYPE Letter [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
XXE = b'<!DOCTYPE Letter [<!ENTITY x SYSTEM "file:///etc/passwd">]>'


def attributes(number: int) -> bytes:
    return b" ".join(b'a%d=""' % n for n in range(number))


def namespaces(number: int) -> bytes:
    return b" ".join(b'xmlns:a%d="u:%d"' % (n, n) for n in range(number))


GATE_1 = {
    "nothing": (b"", RefusalCode.XML_NOT_WELL_FORMED),
    "blanks": (b" \n ", RefusalCode.XML_NOT_WELL_FORMED),
    "not xml": (b"%PDF-1.7", RefusalCode.XML_NOT_WELL_FORMED),
    "cut off": (PLAIN[:-5], RefusalCode.XML_NOT_WELL_FORMED),
    "two roots": (PLAIN + BODY, RefusalCode.XML_NOT_WELL_FORMED),
    "a nul after the root": (PLAIN + b"\0", RefusalCode.XML_NOT_WELL_FORMED),
    "a nul in a text": (PLAIN.replace(b"1234", b"12\x0034"), RefusalCode.XML_NOT_WELL_FORMED),
    "not utf-8": (
        PLAIN.replace("ประชุม".encode(), "ประชุม".encode("cp874")),
        RefusalCode.XML_NOT_WELL_FORMED,
    ),
    "utf-16": (BODY.decode().encode("utf-16"), RefusalCode.XML_NOT_WELL_FORMED),
    "utf-16 without a mark": (BODY.decode().encode("utf-16-le"), RefusalCode.XML_NOT_WELL_FORMED),
    "another encoding declared": (
        PLAIN.replace(b"UTF-8", b"TIS-620", 1),
        RefusalCode.XML_NOT_WELL_FORMED,
    ),
    "a doctype in utf-7": (
        b"<?xml version='1.0' encoding='UTF-7'?>+ADwAIQ-DOCTYPE x+AD4-" + BODY,
        RefusalCode.XML_NOT_WELL_FORMED,
    ),
    "xml 1.1": (PLAIN.replace(b"'1.0'", b"'1.1'", 1), RefusalCode.XML_NOT_WELL_FORMED),
    "an unknown entity": (PLAIN.replace(b"1234", b"&nbsp;"), RefusalCode.XML_NOT_WELL_FORMED),
    "a reference to a control character": (
        PLAIN.replace(b"1234", b"&#1;"),
        RefusalCode.XML_NOT_WELL_FORMED,
    ),
    "too large": (PLAIN + b" " * MAX_BYTES, RefusalCode.XML_TOO_LARGE),
    "too deep": (b"<a>" * (MAX_DEPTH + 1) + b"</a>" * (MAX_DEPTH + 1), RefusalCode.XML_TOO_LARGE),
    "too many elements": (b"<a>" + b"<b/>" * MAX_ELEMENTS + b"</a>", RefusalCode.XML_TOO_LARGE),
    "too many attributes": (b"<a %s/>" % attributes(MAX_ATTRIBUTES + 1), RefusalCode.XML_TOO_LARGE),
    "too many namespaces": (b"<a %s/>" % namespaces(MAX_NAMESPACES + 1), RefusalCode.XML_TOO_LARGE),
    "far too deep": (b"<a>" * 100_000 + b"</a>" * 100_000, RefusalCode.XML_NOT_WELL_FORMED),
    "a doctype": (DECLARATION + b"<!DOCTYPE Letter>" + BODY, RefusalCode.XML_DTD),
    "a doctype without a declaration": (b"\n<!DOCTYPE Letter>" + BODY, RefusalCode.XML_DTD),
    "billion laughs": (BILLION_LAUGHS + BODY.replace(b"1234", b"&b;"), RefusalCode.XML_DTD),
    "an external entity": (XXE + BODY.replace(b"1234", b"&x;"), RefusalCode.XML_DTD),
    "an external subset": (
        b'<!DOCTYPE a SYSTEM "http://example.org/a.dtd">' + BODY,
        RefusalCode.XML_DTD,
    ),
    "a doctype behind a comment": (b"<!-- --><!DOCTYPE Letter>" + BODY, RefusalCode.XML_FOREIGN_NODE),
    "a doctype inside": (PLAIN.replace(b"<ID>", b"<!DOCTYPE a><ID>"), RefusalCode.XML_NOT_WELL_FORMED),
    "a comment": (PLAIN.replace(b"1234", b"12<!-- -->34"), RefusalCode.XML_FOREIGN_NODE),
    "a comment after the root": (PLAIN + b"<!-- -->", RefusalCode.XML_FOREIGN_NODE),
    "an instruction": (PLAIN.replace(b"<ID>", b"<?php ?><ID>"), RefusalCode.XML_FOREIGN_NODE),
    "a style sheet": (
        DECLARATION + b'<?xml-stylesheet href="http://example.org"?>' + BODY,
        RefusalCode.XML_FOREIGN_NODE,
    ),
}


@pytest.mark.parametrize("name", GATE_1)
def test_gate_1_refuses(name: str) -> None:
    raw, code = GATE_1[name]
    assert refusal_of(raw) == code


def test_the_deepest_document_allowed_is_parsed() -> None:
    # It goes on to gate 2, which does not know its root.
    assert refusal_of(b"<a>" * MAX_DEPTH + b"</a>" * MAX_DEPTH) == RefusalCode.TYPE_UNKNOWN_ROOT


def test_the_dearest_document_within_the_bounds_is_canonicalised_in_no_time() -> None:
    start = b"<x:a %s %s>" % (namespaces(MAX_NAMESPACES - 2).replace(b"a0", b"x"), attributes(MAX_ATTRIBUTES))
    dear = start + b"<b/>" * (MAX_ELEMENTS - 40) + b"</x:a>"
    raw = PLAIN.replace(b"</Letter>", b'<Extension mustUnderstand="false">' + dear + b"</Extension></Letter>")
    root = open_envelope(raw).root
    started = time.perf_counter()
    assert len(canonical(root)) > len(dear)
    # Half a second here; without the bounds it is minutes.
    assert time.perf_counter() - started < 10


def test_a_byte_order_mark_and_a_document_without_a_declaration_are_read() -> None:
    assert open_envelope(b"\xef\xbb\xbf" + PLAIN).id == open_envelope(BODY).id != ""


# Gate 2 ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (b"<Letter ", b"<Lettre ", RefusalCode.TYPE_UNKNOWN_ROOT),
        (b"urn:saraban-bus:letter:1.0", b"urn:example", RefusalCode.TYPE_UNKNOWN_ROOT),
        (b"urn:saraban-bus:letter:1.0", b"urn:saraban-bus:letter:2.0", RefusalCode.TYPE_UNKNOWN_VERSION),
        (b'version="1.0"', b'version="1.1"', RefusalCode.TYPE_UNKNOWN_VERSION),
    ],
)
def test_gate_2_refuses_what_it_does_not_know(old: bytes, new: bytes, code: RefusalCode) -> None:
    raw = PLAIN.replace(old, new)
    assert refusal_of(raw if old != b"<Letter " else raw.replace(b"</Letter>", b"</Lettre>")) == code


@pytest.mark.parametrize("flag", ["true", "1", " true "])
def test_gate_2_refuses_an_extension_that_has_to_be_understood(flag: str) -> None:
    extension = f'<Extension mustUnderstand="{flag}"><x:a xmlns:x="urn:example"/></Extension></Letter>'
    with pytest.raises(Refused) as caught:
        open_envelope(PLAIN.replace(b"</Letter>", extension.encode()))
    assert caught.value.code == RefusalCode.TYPE_EXTENSION
    assert caught.value.detail == "{urn:example}a"
    assert caught.value.where == "/Letter/Extension line 2"


# Reading a tree that was never validated ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("<KindCode>external</KindCode>", "", RefusalCode.SCHEMA_ELEMENT),
        ("<KindCode>external", "<KindCode><b/>external", RefusalCode.SCHEMA_ELEMENT),
        ("<KindCode>", "<Kind/><KindCode>", RefusalCode.SCHEMA_ELEMENT),
        ("<KindCode>", "<KindCode>a</KindCode><KindCode>", RefusalCode.SCHEMA_ELEMENT),
        ("<ID>0100900000</ID>", "", RefusalCode.SCHEMA_ELEMENT),
        ("<Size>50123", "<Size>๕", RefusalCode.SCHEMA_VALUE),
        ("<Size>50123", "<Size>5_0", RefusalCode.SCHEMA_VALUE),
        ("+07:00</SendDate>", "+08:00</SendDate>", RefusalCode.SCHEMA_VALUE),
        ("<LetterID>", "<LetterID>x", RefusalCode.SCHEMA_VALUE),
        (
            "</Letter>",
            '<Extension mustUnderstand="no"><x xmlns="urn:x"/></Extension></Letter>',
            RefusalCode.SCHEMA_VALUE,
        ),
    ],
)
def test_reading_refuses_what_the_schema_would_have_refused(old: str, new: str, code: RefusalCode) -> None:
    text = PLAIN.decode()
    assert text.count(old) == 1
    with pytest.raises(Refused) as caught:
        read(open_envelope(text.replace(old, new).encode()).root)
    assert caught.value.code == code
