"""The words of the desk's pages."""

from __future__ import annotations

from adapters.desk.face import FACE
from bus.pages import wording
from bus.pages.asked import Language


def say(language: Language, key: str, **values: object) -> str:
    """Return a word or sentence in a language, with values put into its places. Raises KeyError for no such key."""
    return wording.say(FACE.folder, language, key, **values)
