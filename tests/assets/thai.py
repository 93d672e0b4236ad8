"""Thai digits, as people write them; the project itself writes Arabic ones."""

from __future__ import annotations

_TO_THAI = str.maketrans("0123456789", "๐๑๒๓๔๕๖๗๘๙")


def thai_digits(text: str) -> str:
    """The text with its Arabic digits written in Thai."""
    return text.translate(_TO_THAI)
