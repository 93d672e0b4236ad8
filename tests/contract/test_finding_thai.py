"""Letters are found by what they look like, however their subjects and numbers were typed."""

from __future__ import annotations

from uuid import uuid4

from bus.documents.letter import Content
from bus.documents.signing import sign
from bus.ledger.store import Ledger
from tests.assets import factory
from tests.assets.factory import OPM
from tests.contract import ledger_rig as rig

FORMS = (
    "แผนน้ำท่วม ๒๕๖๙",
    "แผนน\u0e4d\u0e49าท่วม 2569",
    "เเผนน\u0e33\u0e49ท\u200b่วม ๒๕๖๙",
    "แผนน\u0e49\u0e4dาท่วม  2569",
)
"""What looks the same: sara am in one piece, taken apart, before its tone mark, with a zero-width blank in it."""


def accept(ledger: Ledger, *contents: tuple[str, str]) -> None:
    """Enter a letter for each number and subject."""
    router = rig.Router(ledger)
    router.activate(rig.directory())
    for number, subject in contents:
        content = Content(subject=subject, signers=(factory.officer(),))
        letter = factory.letter(letter_id=uuid4(), number=number, content=content)
        assert router.take(rig.delivery(sign(letter, factory.seal(OPM)).raw)).outcome == "accepted"


def test_whatever_looks_the_same_is_found_by_any_of_its_forms(ledger: Ledger) -> None:
    accept(ledger, *((f"{form}/{place}", form) for place, form in enumerate(FORMS)))
    with ledger.read() as reader:
        for form in FORMS:
            assert sorted(row.subject or "" for row in reader.find_letters(words=form.split())) == sorted(
                FORMS
            )
            for place in range(len(FORMS)):
                (row,) = reader.find_letters(number=f"{form} / {place}")
                assert row.number == f"{FORMS[place]}/{place}"
        assert reader.find_letters(words=["นำท่วม"]) == []
        assert reader.find_letters(words=["%"]) == []


def test_a_form_that_is_longer_than_its_text_is_entered_all_the_same(ledger: Ledger) -> None:
    """NFC takes some characters apart, so that a number of 100 characters has a form of 200 (UAX 15)."""
    accept(ledger, ("\u0958" * 100, "\u0958" * 1000))
    with ledger.read() as reader:
        assert len(reader.find_letters(number="\u0958" * 100, words=["\u0958"])) == 1
