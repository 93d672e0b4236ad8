"""The recipient set: one form of bytes for the same recipients, and nothing else is read as one."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.documents.recipients import MOST, MOST_NAMED, ROLES, NoRecipientSet, Recipient, RecipientSet
from bus.identifiers import AgencyCode
from bus.ledger.entry import timestamp
from bus.verifier import recipients as verifier
from bus.verifier.findings import Broken
from tests.assets.factory import DGA, NOW, OCS, SOC, recipient_set

codes = st.from_regex(r"[0-9]{10}", fullmatch=True).map(AgencyCode)
times = st.none() | st.datetimes().map(lambda at: timestamp(at.replace(tzinfo=NOW.tzinfo)))
members = st.builds(
    Recipient,
    agency=codes,
    addressed=codes,
    role=st.sampled_from(ROLES),
    on_hold=st.booleans(),
    registration_due=times,
)
sets = st.lists(members, min_size=1, max_size=12, unique_by=lambda one: one.agency)
values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


def agrees(octets: bytes) -> bool:
    """Whether the verifier, which has its own account, takes these bytes for a set of one as the bus does."""
    entry = {"recipients": hashlib.sha256(octets).hexdigest(), "consignments": [1]}
    try:
        verifier.expanded(entry, octets)
    except Broken:
        return False
    return True


@given(sets)
def test_what_is_made_is_read_again_and_its_order_is_that_of_the_codes(found: list[Recipient]) -> None:
    made = RecipientSet.of(found)
    assert RecipientSet.read(made.octets) == made == RecipientSet.of(reversed(found))
    assert list(made.codes) == sorted(one.agency for one in found)
    assert made.digest == hashlib.sha256(made.octets).hexdigest()


@given(sets, sets)
def test_sets_have_one_digest_exactly_if_they_say_the_same(
    one: list[Recipient], other: list[Recipient]
) -> None:
    first, second = RecipientSet.of(one), RecipientSet.of(other)
    assert (first.digest == second.digest) == (first.recipients == second.recipients)


@given(sets, st.data())
def test_no_other_bytes_are_read_as_the_same_set(found: list[Recipient], data: st.DataObject) -> None:
    made = RecipientSet.of(found)
    place = data.draw(st.integers(0, len(made.octets)))
    inserted = data.draw(st.binary(max_size=3))
    changed = made.octets[:place] + inserted + made.octets[place + data.draw(st.integers(0, 3)) :]
    try:
        read = RecipientSet.read(changed)
    except NoRecipientSet:
        return
    assert read.octets == changed, "what is read is what follows from it, or it is no set"


@given(st.binary() | values.map(lambda value: json.dumps(value).encode()))
def test_anything_else_is_no_set(octets: bytes) -> None:
    with pytest.raises(NoRecipientSet):
        RecipientSet.read(octets)


GOOD = b'{"0100100000":{"role":"to"}}'
BAD = {
    "empty": b"",
    "nobody": b"{}",
    "a list": b"[]",
    "deep": b"[" * 100_000,
    "no UTF-8": GOOD.replace(b"to", b"\xff"),
    "a byte order mark": b"\xef\xbb\xbf" + GOOD,
    "a blank": GOOD.replace(b":", b": ", 1),
    "a line feed behind it": GOOD + b"\n",
    "an escape": GOOD.replace(b"to", b"\\u0074o"),
    "keys out of order": b'{"0100900000":{"role":"to"},"0100100000":{"role":"to"}}',
    "one agency twice": b'{"0100100000":{"role":"copy"},"0100100000":{"role":"to"}}',
    "a key twice": b'{"0100100000":{"role":"copy","role":"to"}}',
    "no role": b'{"0100100000":{}}',
    "another role": GOOD.replace(b"to", b"from"),
    "a role that is no text": GOOD.replace(b'"to"', b"1"),
    "an unknown field": b'{"0100100000":{"role":"to","weight":1}}',
    "a consignment number": b'{"0100100000":{"consignment":7,"role":"to"}}',
    "its own code as the one addressed": b'{"0100100000":{"addressed":"0100100000","role":"to"}}',
    "a code of nine digits": GOOD.replace(b"0100100000", b"010010000"),
    "a code in Thai digits": GOOD.replace(b"0100100000", "๐๑๐๐๑๐๐๐๐๐".encode()),
    "addressed to no code": b'{"0100100000":{"addressed":null,"role":"to"}}',
    "not on hold": b'{"0100100000":{"onHold":false,"role":"to"}}',
    "on hold by a number": b'{"0100100000":{"onHold":1,"role":"to"}}',
    "no due time": b'{"0100100000":{"registrationDue":null,"role":"to"}}',
    "a due time elsewhere": b'{"0100100000":{"registrationDue":"2026-11-26T09:00:00.000000+00:00","role":"to"}}',
    "a due time in minutes": b'{"0100100000":{"registrationDue":"2026-11-26T09:00+07:00","role":"to"}}',
    "an agency that is a text": b'{"0100100000":"to"}',
}


@pytest.mark.parametrize("name", BAD)
def test_what_the_bus_does_not_write_is_no_set(name: str) -> None:
    assert RecipientSet.read(GOOD).octets == GOOD
    with pytest.raises(NoRecipientSet):
        RecipientSet.read(BAD[name])


SAME_TO_THE_VERIFIER = (
    *(
        "empty",
        "nobody",
        "a list",
        "deep",
        "no UTF-8",
        "a byte order mark",
        "a blank",
        "a line feed behind it",
    ),
    *("an escape", "keys out of order", "one agency twice", "a key twice", "no role", "an unknown field"),
    *("a consignment number", "a code of nine digits", "a code in Thai digits", "an agency that is a text"),
)
"""Of what is said of an agency, the verifier asks only what it uses: the digest is in two signed documents."""


@pytest.mark.parametrize("name", SAME_TO_THE_VERIFIER)
def test_the_verifier_refuses_the_same_by_its_own_account(name: str) -> None:
    assert agrees(GOOD)
    assert not agrees(BAD[name])


def test_the_verifier_refuses_other_bytes_and_another_number_of_numbers() -> None:
    frozen = recipient_set((OCS, SOC))
    entry = {"recipients": frozen.digest, "consignments": [7, 8]}
    expanded = verifier.expanded(entry, frozen.octets)["recipients"]
    assert {code: one["consignment"] for code, one in expanded.items()} == dict(
        zip(frozen.codes, (7, 8), strict=True)
    )
    for wrong in ({**entry, "consignments": [7]}, {**entry, "recipients": "00" * 32}):
        with pytest.raises(Broken):
            verifier.expanded(wrong, frozen.octets)


def many(count: int, **terms: Any) -> list[Recipient]:
    return [
        Recipient(
            agency=AgencyCode(f"{n:010}"), addressed=terms.get("addressed", AgencyCode(f"{n:010}")), role="to"
        )
        for n in range(count)
    ]


def test_a_hundred_are_named_and_of_more_nobody() -> None:
    assert len(RecipientSet.of(many(MOST_NAMED)).named) == MOST_NAMED == verifier.MOST_NAMED
    assert RecipientSet.of(many(MOST_NAMED + 1)).named == ()


def test_no_set_is_of_nobody_or_of_more_than_a_letter_may_reach_or_larger_than_a_message() -> None:
    for wrong in ([], many(MOST + 1), [*many(2), *many(1)]):
        with pytest.raises(NoRecipientSet):
            RecipientSet.of(wrong)
    later = timestamp(NOW)
    all_later = [
        Recipient(agency=one.agency, addressed=one.agency, role="copy", registration_due=later)
        for one in many(MOST)
    ]
    assert len(RecipientSet.of(all_later).octets) < 2 * 1024 * 1024, "20,000, each closed by itself, fit"
    worse = [
        Recipient(agency=one.agency, addressed=DGA, role="copy", on_hold=True, registration_due=later)
        for one in many(MOST)
    ]
    with pytest.raises(NoRecipientSet, match="bytes"):
        RecipientSet.of(worse)
