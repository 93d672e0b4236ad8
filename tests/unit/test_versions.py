"""The table of types and versions: what each has room for, and that nothing is dropped to fit."""

from __future__ import annotations

import pytest

from bus.documents.notice import Officer
from bus.documents.signing import sign, verify
from bus.documents.versions import VERSIONS, beyond, oldest_for, versions_of
from bus.documents.xml import Document, build, open_envelope, read, to_bytes
from bus.errors import RefusalCode, Refused
from tests.assets import factory

NEWER: dict[str, tuple[Document, str]] = {
    "letter": (factory.letter(document_type="minutes"), "DocumentTypeCode"),
    "notice": (factory.notice(officer=Officer(name="สมศรี (ตัวอย่าง)")), "Officer"),
}
PLAIN: dict[str, Document] = {"letter": factory.letter(), "notice": factory.notice()}


@pytest.mark.parametrize("name", VERSIONS)
def test_a_version_writes_reads_and_seals_what_every_version_has_room_for(name: str) -> None:
    version = VERSIONS[name]
    document = PLAIN[version.type]
    envelope = open_envelope(sign(document, factory.seal(), version).raw)
    assert (envelope.version, envelope.type) == (version, version.type)
    assert envelope.root.get("version") == version.number
    verified = verify(envelope, [factory.pin()], factory.NOW)
    assert (verified.document, verified.version) == (document, name)


@pytest.mark.parametrize("kind", NEWER)
def test_what_a_version_has_no_room_for_is_never_dropped(kind: str) -> None:
    (document, element), old, new = NEWER[kind], VERSIONS[f"{kind}/1.0"], VERSIONS[f"{kind}/1.1"]
    assert (beyond(document, old), beyond(document, new)) == ([element], [])
    with pytest.raises(ValueError, match=element):
        build(document, old)
    assert read(build(document, new)) == document


@pytest.mark.parametrize("kind", NEWER)
def test_without_a_version_the_oldest_is_written_that_has_room(kind: str) -> None:
    assert oldest_for(PLAIN[kind]).number == "1.0"
    assert oldest_for(NEWER[kind][0]).number == "1.1"
    assert open_envelope(to_bytes(build(NEWER[kind][0]))).version is VERSIONS[f"{kind}/1.1"]
    assert [one.number for one in versions_of(PLAIN[kind])] == ["1.0", "1.1"]


@pytest.mark.parametrize("kind", NEWER)
def test_a_newer_element_in_an_older_namespace_is_refused(kind: str) -> None:
    old, new = VERSIONS[f"{kind}/1.0"], VERSIONS[f"{kind}/1.1"]
    raw = to_bytes(build(NEWER[kind][0])).replace(new.namespace.encode(), old.namespace.encode())
    raw = raw.replace(b'version="1.1"', b'version="1.0"')
    with pytest.raises(Refused) as caught:
        read(open_envelope(raw).root)
    assert caught.value.code == RefusalCode.SCHEMA_ELEMENT


def test_a_version_beyond_the_table_is_unknown() -> None:
    raw = to_bytes(build(PLAIN["letter"])).replace(b"letter:1.0", b"letter:1.2")
    with pytest.raises(Refused) as caught:
        open_envelope(raw.replace(b'version="1.0"', b'version="1.2"'))
    assert caught.value.code == RefusalCode.TYPE_UNKNOWN_VERSION


def test_the_same_letter_has_another_digest_in_another_version() -> None:
    letter = factory.letter()
    old, new = (sign(letter, factory.seal(), VERSIONS[f"letter/{one}"]) for one in ("1.0", "1.1"))
    assert old.digest != new.digest
