"""What an error's code means, in Thai and English, wherever the codes of its kind have their sentences."""

from __future__ import annotations

from bus.depot.refusals import WORDS, RequestRefused, Words
from bus.documents.tokens import Denied
from bus.enrolment.order_refusals import ORDER_WORDS, OrderRefused
from bus.enrolment.refusals import WORDS as ENROLMENT_WORDS
from bus.enrolment.refusals import EnrolmentRefused
from bus.errors import BusError
from bus.pages import sentences
from bus.pages.sentences import Sentence


def sentence_of(error: BusError) -> Sentence | None:
    """Return the sentence of an error's code in Thai and in English; None of an error that has no code."""
    words: Words | None = None
    if isinstance(error, OrderRefused):
        words = ORDER_WORDS[error.refusal]
    elif isinstance(error, EnrolmentRefused):
        words = ENROLMENT_WORDS[error.refusal]
    elif isinstance(error, RequestRefused):
        words = WORDS[error.refusal]
    elif isinstance(error, Denied):
        words = WORDS[error.doubt]
    return sentences.sentence_of(error) if words is None else (words.th, words.en)
