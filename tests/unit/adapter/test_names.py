"""File names made from what letters say: allowed on every disk, never a path, nobody's twin."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.connectors.folder.names import safe_name


@pytest.mark.parametrize(
    ("wanted", "given_back"),
    [
        ("หนังสือ.pdf", "หนังสือ.pdf"),
        ("../../etc/passwd", "-..-etc-passwd"),
        ("C:\\boot.ini", "C--boot.ini"),
        (".hidden", "hidden"),
        ("CON.pdf", "_CON.pdf"),
        ("lpt1", "_lpt1"),
        ("nul.tar.gz", "_nul.tar.gz"),
        ("Com¹ .txt", "_Com¹ .txt"),
        ("CONOUT$", "_CONOUT$"),
        ("console.pdf", "console.pdf"),
        ("letter.pdf:hidden", "letter.pdf-hidden"),
        ("a\u202efdp.exe", "a fdp.exe"),
        ("ชื่อ\nใหม่.pdf", "ชื่อ ใหม่.pdf"),
        ("trailing. . ", "trailing"),
        ("", "file"),
        ("...", "file"),
    ],
)
def test_a_name_becomes_the_nearest_one_that_is_allowed(wanted: str, given_back: str) -> None:
    assert safe_name(wanted) == given_back


def test_names_that_some_disks_take_for_the_same_are_numbered() -> None:
    taken = ["Report.pdf", unicodedata.normalize("NFD", "é.pdf")]
    assert safe_name("report.PDF", taken) == "report~2.PDF"
    assert safe_name("é.pdf", taken) == "é~2.pdf"
    assert safe_name("report.pdf", [*taken, "report~2.pdf"]) == "report~3.pdf"


def test_a_long_thai_name_is_cut_between_letters_and_keeps_its_extension() -> None:
    name = safe_name("ที่" * 100 + ".pdf")
    assert name.endswith("ที่.pdf")
    assert 240 < len(name.encode()) <= 255


@given(st.text(max_size=300), st.sets(st.text(max_size=5), max_size=3))
def test_whatever_a_letter_says_the_name_is_safe(wanted: str, taken: set[str]) -> None:
    name = safe_name(wanted, taken)
    assert 0 < len(name.encode()) <= 255
    assert not name.startswith(".")
    assert not name.endswith((".", " "))
    assert not set(name) & set('/\\:*?"<>|\0\n')
    assert name.casefold() not in {unicodedata.normalize("NFC", each).casefold() for each in taken}
    assert safe_name(name) == name
