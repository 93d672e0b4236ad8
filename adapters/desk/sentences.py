"""What an error at the desk means, in Thai and English."""

from __future__ import annotations

from adapters.mailbox.mistakes import Mistaken
from bus.errors import BusError
from bus.pages import sentences
from bus.pages.sentences import Sentence


def sentence_of(error: BusError) -> Sentence | None:
    """Return what is wrong with what was asked for, or the sentence of a refusal's code; None of another error."""
    if isinstance(error, Mistaken):
        return "; ".join(one.th for one in error.mistakes), "; ".join(one.en for one in error.mistakes)
    return sentences.sentence_of(error)
