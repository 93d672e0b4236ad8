"""Letters are found by what they look like, however their subjects and numbers were typed."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from bus.documents.letter import Content
from bus.documents.signing import sign
from bus.errors import Misconfigured
from bus.ledger import schema
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
    router.enforce(rig.directory())
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


def test_a_ledger_from_before_is_filled_in_and_guarded_again(ledger: Ledger, ledger_url: str) -> None:
    with ledger.append() as writer:
        letters = [rig.in_ledger(writer, number=f"{form}/ ๑", subject=form) for form in FORMS]
        letters.append(rig.in_ledger(writer, number="ไม่มีเรื่อง/1"))
    with ledger.engine.begin() as connection:
        for later in (
            "TABLE refusal_counts",
            "TABLE unaccepted",
            "INDEX ix_entries_document",
            "INDEX ix_letters_digest",
            "INDEX IF EXISTS ix_letters_subject",
        ):
            connection.execute(text(f"DROP {later}"))
        connection.execute(text("ALTER TABLE letters DROP COLUMN subject_comparable"))
        connection.execute(text("UPDATE alembic_version SET version_num = '0002'"))
    with pytest.raises(Misconfigured, match="saraban-bus ledger init"):
        schema.check(ledger_url)
    schema.upgrade(ledger_url)
    schema.check(ledger_url)
    asked: tuple[dict[str, Any], ...] = ({"words": ["น้ำท่วม"]}, {"number": "แผนน้ำท่วม 2569/1"})
    with ledger.read() as reader:
        for each in asked:
            assert [row.letter for row in reader.find_letters(**each)] == letters[-2::-1]
    for change in ("UPDATE letters SET subject_comparable = NULL", "DELETE FROM letters"):
        with pytest.raises(DBAPIError, match="only grows"), ledger.engine.begin() as connection:
            connection.execute(text(change))
