"""Agencies, states and reasons by whatever people call them: understood in every disguise, and never guessed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from adapters.cli.asking import understood
from bus import assets
from bus.directory import Agency, Directory, Names
from bus.evidence.words import STATES, words_of
from bus.identifiers import AgencyCode
from bus.naming import meant, near, plain
from bus.toml import read_toml
from tests.assets.thai import thai_digits

SHIPPED = [
    Agency(
        **{
            name: one[name]
            for name in ("code", "name_th", "name_en", "abbrev_th", "abbrev_en")
            if name in one
        }
    )
    for one in read_toml(Path(assets.path("config")) / "agencies.toml").values["agency"]
]
NAMES = Names([SHIPPED])
CALLED = [
    (agency.code, name)
    for agency in SHIPPED
    for name in (agency.code, agency.name_th, agency.name_en, agency.abbrev_th, agency.abbrev_en)
    if name
]
DISGUISES = st.sampled_from(
    [
        str.upper,
        str.lower,
        thai_digits,
        lambda text: text.replace(".", ""),
        lambda text: f" {text}\u200b ",
        lambda text: "\u200b".join(text),
        lambda text: text.replace("ำ", "\u0e4d\u0e32"),
        lambda text: text.replace(" ", ""),
    ]
)


@given(st.sampled_from(CALLED), st.lists(DISGUISES, max_size=4))
def test_an_agency_is_understood_in_every_disguise_of_its_names(
    called: tuple[str, str], disguises: list[Any]
) -> None:
    code, text = called
    for disguise in disguises:
        text = disguise(text)
    assert NAMES.codes(text) == (code,)


@given(st.text(max_size=30))
def test_what_is_no_name_is_nobody_and_there_is_always_a_nearest(text: str) -> None:
    known = "".join(plain(f"{code} {name}") for code, name in CALLED)
    if NAMES.codes(text):
        assert plain(text) in known
    else:
        assert NAMES.near(text)


@pytest.mark.parametrize(
    ("text", "code"), [("สลก.", "0100500000"), ("0100500001", "0100500000"), ("กฤษฎีกา", "0100900000")]
)
def test_the_nearest_comes_first(text: str, code: str) -> None:
    assert NAMES.codes(text) == ()
    assert NAMES.near(text)[0].startswith(code)


def test_every_state_is_understood_by_code_and_name_and_no_two_have_one_name() -> None:
    known = {state: words_of(state) for state in STATES}
    for state, names in known.items():
        for name in (state, *names):
            assert meant(name, known) == [state]
    assert near("registred", known)[0] == "registered"


def test_a_name_that_two_agencies_have_had_is_not_decided_by_chance() -> None:
    twice = Names(
        [
            [Agency(code=AgencyCode("0100000001"), name_th="กรม", name_en="Old")],
            [Agency(code=AgencyCode("0100000002"), name_th="กรม", name_en="New")],
        ]
    )
    assert twice.codes("กรม") == ("0100000001", "0100000002")


def test_a_clerk_names_agencies_and_reasons_as_people_do() -> None:
    directory = Directory(version=1, agencies={agency.code: agency for agency in SHIPPED})
    given = {
        "suggested_receiver": "สลค",
        "recipients": ["OCS", "0100100000"],
        "letter_sender": None,
        "reason": "ก",
    }
    assert understood(given | {"reason_code": "ไฟล์เปิดไม่ได้หรืออ่านไม่ออก"}, directory) == {
        "suggested_receiver": "0100500000",
        "recipients": ["0100900000", "0100100000"],
        "letter_sender": None,
        "reason": "ก",
        "reason_code": "unreadable-file",
    }
    assert understood(given, None) == given, "nothing is known before the first directory has come"
    for mistake in (
        {"suggested_receiver": "สลก"},
        {"recipients": ["9999999999"]},
        {"reason_code": "weather"},
    ):
        with pytest.raises(typer.BadParameter, match="nearest"):
            understood(mistake, directory)
