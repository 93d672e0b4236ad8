"""Every word of the console's and of the desk's pages is there in Thai and in English, and is used."""

from __future__ import annotations

import re

import pytest

from adapters.desk.face import FACE as DESK
from bus.console.face import FACE as CONSOLE
from bus.console.wording import say
from bus.pages.site import Face
from bus.pages.wording import HERE, catalogue

_USED = re.compile(r"""\bt\(\s*["']([a-z0-9.\-]+)["']""")
_PARTLY = re.compile(r"""["']([a-z0-9\-]+\.[a-z0-9.\-]*)["']\s*~""")
"""What a key begins with, of which the rest is a value."""
_NAMED = re.compile(r"""["']([a-z0-9\-]+\.[a-z0-9.\-]+)["']""")


@pytest.fixture(params=[CONSOLE, DESK], ids=["console", "desk"])
def face(request: pytest.FixtureRequest) -> Face:
    found: Face = request.param
    return found


def templates(face: Face) -> str:
    """Every template of a face, without those macros of the shared parts that it does not use."""
    texts = {
        file.name: file.read_text(encoding="utf-8")
        for each in (HERE, face.folder)
        for file in (each / "templates").rglob("*.html")
    }
    first, *macros = re.split(r"(?={% macro )", texts.pop("parts.html"))
    rest = "\n".join(texts.values())
    # A macro is named by other templates (`parts.twins(`), or by another macro.
    names = [each.split()[2].partition("(")[0] for each in macros]
    used = [text for name, text in zip(names, macros, strict=True) if re.search(rf"\b{name}\(", rest)]
    return "\n".join([rest, first, *used])


def code(face: Face) -> str:
    return "\n".join(
        file.read_text(encoding="utf-8") for each in (face.folder, HERE) for file in each.rglob("*.py")
    )


def test_each_word_is_there_in_both_languages_with_the_same_places(face: Face) -> None:
    words_of = catalogue(face.folder)
    for key, words in words_of.items():
        assert set(words) == {"th", "en"}, key
        assert all(text.strip() for text in words.values()), key
        places = [sorted(re.findall(r"\{(\w*)\}", text)) for text in words.values()]
        assert places[0] == places[1], key


def test_thai_words_are_thai_and_english_ones_are_not(face: Face) -> None:
    words_of = catalogue(face.folder)
    thai = re.compile("[\u0e00-\u0e7f]")
    for key, words in words_of.items():
        if key == "site.other-language":
            continue  # each language is named in itself
        assert not thai.search(words["en"]), key
        assert thai.search(words["th"]) or not re.search("[a-z]{4}", words["th"]), key


def test_every_key_that_a_template_asks_for_is_there(face: Face) -> None:
    words_of = catalogue(face.folder)
    beginnings = set(_PARTLY.findall(templates(face)))
    assert sorted(set(_USED.findall(templates(face))) - set(words_of) - beginnings) == []
    assert [each for each in beginnings if not any(key.startswith(each) for key in words_of)] == []
    assert {key for _, key, _ in face.navigation} <= set(words_of)


def test_every_word_is_used(face: Face) -> None:
    words_of = catalogue(face.folder)
    whole = set(_USED.findall(templates(face))) | set(_NAMED.findall(code(face) + templates(face)))
    parts = tuple(_PARTLY.findall(templates(face))) + tuple(re.findall(r'"(error\.[a-z-]+)"', code(face)))
    unused = [key for key in words_of if key not in whole and not key.startswith(parts)]
    assert unused == []


def test_a_key_that_is_nowhere_is_a_fault() -> None:
    with pytest.raises(KeyError):
        say("th", "no.such")
