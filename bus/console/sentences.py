"""What an error's code means, in Thai and English, wherever the codes of its kind have their sentences."""

from __future__ import annotations

from bus.codes import load_codes
from bus.depot.refusals import WORDS, RequestRefused, Words
from bus.documents.tokens import Denied
from bus.enrolment.order_refusals import ORDER_WORDS, OrderRefused
from bus.enrolment.refusals import WORDS as ENROLMENT_WORDS
from bus.enrolment.refusals import EnrolmentRefused
from bus.errors import BusError, Refused


def sentence_of(error: BusError) -> tuple[str, str] | None:
    """Return the sentence of an error's code in Thai and in English; None of an error that has no code."""
    if isinstance(error, Refused):
        refusal = load_codes().refusal(error.code)
        return f"{refusal.th} {refusal.advice_th}", f"{refusal.en} {refusal.advice_en}"
    words: Words | None = None
    if isinstance(error, OrderRefused):
        words = ORDER_WORDS[error.refusal]
    elif isinstance(error, EnrolmentRefused):
        words = ENROLMENT_WORDS[error.refusal]
    elif isinstance(error, RequestRefused):
        words = WORDS[error.refusal]
    elif isinstance(error, Denied):
        words = WORDS[error.doubt]
    return None if words is None else (words.th, words.en)
