"""The words of pages, in Thai and English, from the catalogues in `words/`: a table for each word or sentence."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from bus.pages.asked import Language
from bus.toml import read_toml

HERE = Path(__file__).parent
"""The folder with the templates and words that all faces share."""


@cache
def catalogue(folder: Path) -> Mapping[str, Mapping[str, str]]:
    """Return every word of a face's folder, and of those that all share, by its key, as `{"th": …, "en": …}`.

    Raises ValueError for a key that stands twice.
    """
    found: dict[str, Mapping[str, str]] = {}
    for file in sorted(file for each in (HERE, folder) for file in (each / "words").glob("*.toml")):
        for section, words in read_toml(file).values.items():
            for key, both in words.items():
                name = f"{section}.{key}"
                if name in found:
                    raise ValueError(f"{file.name}: {name} stands in another catalogue too")
                found[name] = both
    return found


def say(folder: Path, language: Language, key: str, **values: object) -> str:
    """Return a word or sentence in a language, with values put into its places. Raises KeyError for no such key."""
    return catalogue(folder)[key][language].format(**values)
