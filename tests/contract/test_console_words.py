"""Every word of the pages is there in Thai and in English, and is used."""

from __future__ import annotations

import re

import pytest

from bus.console.face import FACE, NAVIGATION
from bus.console.wording import say
from bus.pages.wording import HERE, catalogue

WORDS = catalogue(FACE.folder)
FOLDERS = (FACE.folder, HERE)
_USED = re.compile(r"""\bt\(\s*["']([a-z0-9.\-]+)["']""")
_PARTLY = re.compile(r"""["']([a-z0-9\-]+\.[a-z0-9.\-]*)["']\s*~""")
"""What a key begins with, of which the rest is a value."""
_NAMED = re.compile(r"""["']([a-z0-9\-]+\.[a-z0-9.\-]+)["']""")


def templates() -> str:
    return "\n".join(
        file.read_text(encoding="utf-8") for each in FOLDERS for file in (each / "templates").rglob("*.html")
    )


def code() -> str:
    return "\n".join(file.read_text(encoding="utf-8") for each in FOLDERS for file in each.rglob("*.py"))


def test_each_word_is_there_in_both_languages_with_the_same_places() -> None:
    for key, words in WORDS.items():
        assert set(words) == {"th", "en"}, key
        assert all(text.strip() for text in words.values()), key
        places = [sorted(re.findall(r"\{(\w*)\}", text)) for text in words.values()]
        assert places[0] == places[1], key


def test_thai_words_are_thai_and_english_ones_are_not() -> None:
    thai = re.compile("[\u0e00-\u0e7f]")
    for key, words in WORDS.items():
        if key == "site.other-language":
            continue  # each language is named in itself
        assert not thai.search(words["en"]), key
        assert thai.search(words["th"]) or not re.search("[a-z]{4}", words["th"]), key


def test_every_key_that_a_template_asks_for_is_there() -> None:
    beginnings = set(_PARTLY.findall(templates()))
    assert sorted(set(_USED.findall(templates())) - set(WORDS) - beginnings) == []
    assert [each for each in beginnings if not any(key.startswith(each) for key in WORDS)] == []
    assert {key for _, key, _ in NAVIGATION} <= set(WORDS)


def test_every_word_is_used() -> None:
    whole = set(_USED.findall(templates())) | set(_NAMED.findall(code() + templates()))
    parts = tuple(_PARTLY.findall(templates())) + tuple(re.findall(r'"(error\.[a-z-]+)"', code()))
    unused = [key for key in WORDS if key not in whole and not key.startswith(parts)]
    assert unused == []


def test_a_key_that_is_nowhere_is_a_fault() -> None:
    with pytest.raises(KeyError):
        say("th", "no.such")
