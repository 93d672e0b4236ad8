"""The code lists that ship with the bus."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from bus import assets
from bus.codes import load_codes
from bus.documents.notice import Event
from bus.errors import Misconfigured, RefusalCode

ETSI_EVENTS = {
    "SubmissionAcceptance",
    "SubmissionRejection",
    "ContentHandover",
    "ContentHandoverFailure",
    "ConsignmentAcceptance",
    "ConsignmentRejection",
    "AcceptanceRejectionExpiry",
    "RelayToNonERDS",
}


def _thai(text: str) -> bool:
    return any("ก" <= character <= "ฮ" for character in text)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(assets.path("config/codes"), tmp_path / "codes"))


def test_every_refusal_has_its_words_and_no_words_are_without_a_refusal() -> None:
    assert set(load_codes().refusals) == {code.value for code in RefusalCode}


def test_every_event_has_its_name_and_no_name_is_without_an_event() -> None:
    assert set(load_codes().events) == {event.value for event in Event}


def test_a_refusal_says_in_both_languages_what_is_wrong_and_what_to_do() -> None:
    for refusal in load_codes().refusals.values():
        assert _thai(refusal.th), refusal.value
        assert _thai(refusal.advice_th), refusal.value
        assert not _thai(refusal.en + refusal.advice_en), refusal.value
        assert refusal.en.endswith("."), refusal.value
        assert refusal.advice_en.endswith("."), refusal.value


def test_no_two_refusals_say_the_same() -> None:
    refusals = load_codes().refusals.values()
    for sentences in ({each.th for each in refusals}, {each.en for each in refusals}):
        assert len(sentences) == len(RefusalCode)


def test_events_bear_the_names_that_etsi_gave_them() -> None:
    events = load_codes().events
    assert {event.etsi for event in events.values() if event.etsi} == ETSI_EVENTS
    assert events["delivered"].uri == "http://uri.etsi.org/19522/Event/ContentHandover"
    assert events["number-disputed"].uri is None


def test_speed_and_secrecy_are_those_of_the_national_standard() -> None:
    codes = load_codes()
    assert [code.th for code in codes.speed.values()] == ["ปกติ", "ด่วน", "ด่วนมาก", "ด่วนที่สุด"]
    assert [code.th for code in codes.secrecy.values()] == ["ปกติ", "ลับ", "ลับมาก", "ลับที่สุด"]
    assert list(codes.speed) == list(codes.secrecy) == ["001", "002", "003", "004"]


def test_the_lists_name_everything_in_thai_and_in_english() -> None:
    codes = load_codes()
    for listed in (codes.kinds, codes.relations, codes.clerk_reasons, codes.media_types, codes.events):
        for code in listed.values():
            assert _thai(code.th), code.value
            assert not _thai(code.en), code.value


def test_a_media_type_is_found_by_a_files_name() -> None:
    codes = load_codes()
    pdf = codes.media_type_of("หนังสือ ที่ 1.PDF")
    assert pdf is not None
    assert pdf.value == "application/pdf"
    assert codes.media_type_of("setup.exe") is None
    assert codes.media_type_of("pdf") is None


def test_no_extension_belongs_to_two_media_types() -> None:
    extensions = [ext for each in load_codes().media_types.values() for ext in each.ext]
    assert len(extensions) == len(set(extensions))


def test_a_refusal_knows_its_words() -> None:
    assert load_codes().refusal(RefusalCode.XML_DTD).en.startswith("The document declares a DTD")


def test_the_mistakes_of_all_lists_come_at_once(folder: Path) -> None:
    (folder / "speed.toml").write_text('[1]\nth = "ปกติ"\nen = 5\n', encoding="utf-8")
    (folder / "kinds.toml").unlink()
    refusals = folder / "refusals.toml"
    refusals.write_text(
        refusals.read_text(encoding="utf-8").replace('["xml.dtd"]', '["xml.ddt"]'), encoding="utf-8"
    )
    (folder / "media_types.toml").write_text(
        '["text/plain"]\nth = "ข้อความ"\nen = "Text"\next = []\n', encoding="utf-8"
    )

    with pytest.raises(Misconfigured) as caught:
        load_codes(folder)

    found = {(Path(each.file).name, each.key) for each in caught.value.problems}
    assert found == {
        ("speed.toml", "1"),
        ("speed.toml", "1.en"),
        ("kinds.toml", "(file)"),
        ("refusals.toml", "xml.dtd"),
        ("refusals.toml", "xml.ddt"),
        ("media_types.toml", "text/plain.ext"),
    }
    assert all(each.fix for each in caught.value.problems)


def test_an_empty_list_is_a_mistake(folder: Path) -> None:
    (folder / "relations.toml").write_text("", encoding="utf-8")
    with pytest.raises(Misconfigured, match="is empty"):
        load_codes(folder)
