"""Which files a term would let go of: none that anybody may still fetch, none of a letter within the term."""

from __future__ import annotations

import datetime as dt
import random
from uuid import UUID

import pytest

from bus.documents.letter import Receiver
from bus.documents.notice import Event
from bus.documents.signing import sign
from bus.identifiers import AgencyCode, as_letter_id
from bus.ledger import unneeded
from bus.ledger.entry import timestamp
from bus.ledger.store import Ledger
from bus.ledger.unneeded import Need, files_named
from bus.thai import now
from tests.assets import factory
from tests.assets.digests import raw_digest
from tests.assets.factory import OCS, OPM, SOC
from tests.contract import ledger_rig as rig


@pytest.fixture
def router(ledger: Ledger) -> rig.Router:
    found = rig.Router(ledger)
    found.activate(rig.directory())
    return found


def sent(router: rig.Router, *papers: str, to: tuple[AgencyCode, ...] = (OCS, SOC)) -> tuple[UUID, str]:
    """A letter with these files, accepted; its id and digest."""
    main, *others = (factory.file(f"{paper}.pdf", digest=raw_digest(paper.encode())) for paper in papers)
    receivers = tuple(Receiver(agency=code) for code in to)
    letter = factory.letter(receivers=receivers, main_file=main, files=tuple(others))
    signed = sign(letter, factory.seal(OPM))
    assert router.take(rig.delivery(signed.raw)).outcome == "accepted"
    return letter.letter_id, signed.digest


def say(router: rig.Router, letter: tuple[UUID, str], event: Event, *by: AgencyCode) -> None:
    for code in by:
        notice = factory.complete(event, author=code, letter_id=letter[0], letter_digest=letter[1])
        assert (
            router.take(rig.delivery(sign(notice, factory.seal(code)).raw, code)).outcome == "notice-accepted"
        )


def needs(ledger: Ledger, before: dt.datetime | None = None) -> dict[str, Need | None]:
    moment = timestamp(before or now() + factory.DAY)
    with ledger.read() as reader:
        return {one.sha256: one.need for one in files_named(reader, moment)}


def test_a_file_is_needed_until_everybody_has_received_it_and_answered(
    ledger: Ledger, router: rig.Router
) -> None:
    letter, paper = sent(router, "a"), raw_digest(b"a")
    assert needs(ledger) == {paper: Need.RECEIPT}
    say(router, letter, Event.DELIVERED, OCS)
    assert needs(ledger) == {paper: Need.RECEIPT}
    say(router, letter, Event.REGISTERED, OCS)
    say(router, letter, Event.DELIVERED, SOC)
    assert needs(ledger) == {paper: Need.ANSWER}
    say(router, letter, Event.REFUSED, SOC)
    assert needs(ledger) == {paper: None}
    assert needs(ledger, now() - factory.DAY) == {paper: Need.TERM}


def test_who_could_not_take_a_letter_over_may_still_fetch_its_files(
    ledger: Ledger, router: rig.Router
) -> None:
    letter = sent(router, "a", to=(OCS,))
    say(router, letter, Event.HANDOVER_FAILED, OCS)
    assert needs(ledger) == {raw_digest(b"a"): Need.RECEIPT}


def test_a_file_that_another_letter_names_too_is_needed_as_long_as_that_one_needs_it(
    ledger: Ledger, router: rig.Router, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Letters at every stage, with files that they share as it happens; said once more in plain Python."""
    monkeypatch.setattr(unneeded, "_AT_ONCE", 3)
    chosen, done = random.Random(11), {}
    papers: dict[str, list[int]] = {}
    for number in range(10):
        some = chosen.sample("abcdefghi", chosen.randint(1, 3))
        letter = sent(router, *some, to=(OCS,))
        steps = chosen.randint(0, 2)
        for event in (Event.DELIVERED, Event.REGISTERED)[:steps]:
            say(router, letter, event, OCS)
        done[number] = steps == 2
        for paper in some:
            papers.setdefault(raw_digest(paper.encode()), []).append(number)
    found = needs(ledger)
    assert {sha256: need is None for sha256, need in found.items()} == {
        sha256: all(done[number] for number in numbers) for sha256, numbers in papers.items()
    }
    assert len({need is None for need in found.values()}) == 2


def test_a_letter_that_was_accepted_within_the_term_keeps_its_files(
    ledger: Ledger, router: rig.Router
) -> None:
    old = sent(router, "a", "b", to=(OCS,))
    for event in (Event.DELIVERED, Event.REGISTERED):
        say(router, old, event, OCS)
    between = now()
    new = sent(router, "b", to=(OCS,))
    for event in (Event.DELIVERED, Event.REGISTERED):
        say(router, new, event, OCS)
    assert needs(ledger, between) == {raw_digest(b"a"): None, raw_digest(b"b"): Need.TERM}
    with ledger.read() as reader:
        (row,) = reader.find_letters(letter_id=as_letter_id(new[0]))
        (shared,) = (one for one in files_named(reader, timestamp(between)) if one.need)
    assert row.letter in shared.letters
