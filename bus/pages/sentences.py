"""What an error's code means, in Thai and English."""

from __future__ import annotations

from bus.codes import load_codes
from bus.errors import BusError, Refused

Sentence = tuple[str, str]
"""In Thai and in English."""


def sentence_of(error: BusError) -> Sentence | None:
    """Return the sentence of a refusal's code, with what to do about it; None of another error."""
    if not isinstance(error, Refused):
        return None
    refusal = load_codes().refusal(error.code)
    return f"{refusal.th} {refusal.advice_th}", f"{refusal.en} {refusal.advice_en}"
