"""Letters to very many: a list does not fold them, and says so; files and jobs have everything."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from queue import SimpleQueue
from threading import Event
from typing import Any

import pytest

from bus.console.pages import letter
from bus.evidence.proof_words import proof_sentences
from bus.evidence.statement import statement_of
from bus.identifiers import AgencyCode
from bus.ledger.evidence import gather
from bus.ledger.state import LetterState
from bus.ledger.store import Ledger
from bus.operators import Role
from bus.pages import app
from bus.pages.answers import Listed
from bus.pages.rendering import csv_twin
from bus.thai import now
from bus.views import folding, search
from bus.views.asking import names_of
from bus.views.finding import by_recipient
from bus.views.folding import portions, states_within
from bus.views.one_letter import whole_letter
from bus.views.questions import Question
from tests.assets.factory import OCS, OPM
from tests.contract import ledger_rig as rig
from tests.contract.console_rig import Visitor, console_over
from tests.contract.lived import live

CODES = [AgencyCode(f"{20_000 + number:05}00000") for number in range(30)]
pytestmark = pytest.mark.parametrize("ledger_url", ["sqlite"], indirect=True)


@dataclass(frozen=True)
class Large:
    """A ledger in which letters to 30 are letters to very many."""

    ledger: Ledger
    auditor: Visitor
    circular: int
    small: list[int]


@pytest.fixture
def large(ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Large]:
    monkeypatch.setattr(folding, "MOST_OF_ONE", 20)
    with ledger.append() as writer:
        small = [rig.in_ledger(writer, sender=OPM, to=[OCS], number=f"นร 0105/{n}") for n in range(5)]
        circular = rig.in_ledger(writer, sender=OPM, to=CODES, number="นร 0105/ว 1")
    with console_over(ledger, tmp_path) as console:
        yield Large(ledger, console.visited_by(Role.AUDITOR), circular, small)


def test_a_search_says_how_many_get_a_circular_and_not_what_became_of_it(large: Large) -> None:
    found = {one["letter"]: one for one in large.auditor.json("/search?newest=1")["letters"]}
    circular, letter = found[large.circular], found[large.small[0]]
    assert (circular["recipients"], circular["outcomes"], circular["unacknowledged"]) == (30, [], None)
    assert circular["registrationDue"] is None
    assert (letter["recipients"], letter["unacknowledged"]) == (1, 1)
    assert letter["outcomes"]
    page = large.auditor.get("/search?newest=1&lang=en").text
    assert "to 30 recipients: its page says what became of it" in page


def test_asked_by_its_state_a_circular_is_folded_and_found(large: Large) -> None:
    found = large.auditor.json("/search?state=unacknowledged")["letters"]
    assert [one["unacknowledged"] for one in found if one["letter"] == large.circular] == [30]


def test_the_file_of_a_search_has_every_recipient(large: Large, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "_AT_ONCE", 2)
    for query in ("newest=1", "state=unacknowledged"):
        lines = large.auditor.get(f"/search.csv?{query}").text.splitlines()
        assert sum(1 for line in lines if line.startswith(f"{large.circular},")) == len(CODES)
        assert all(any(line.startswith(f"{one},") for line in lines) for one in large.small)


def test_files_are_made_one_at_a_time_and_pages_meanwhile(
    large: Large, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = SimpleQueue[None](), Event()

    def slow(listed: Listed) -> bytes:
        begun.put(None)
        assert go_on.wait(60)
        return csv_twin(listed)

    monkeypatch.setattr(app, "csv_twin", slow)
    with ThreadPoolExecutor(3) as people:
        files = [people.submit(large.auditor.get, "/search.csv?newest=1") for _ in range(3)]
        begun.get(timeout=60)
        pages = [large.auditor.get("/search?newest=1").status_code for _ in range(3)]
        others = begun.qsize()
        go_on.set()
        assert [file.result().status_code for file in files] == pages == [200] * 3
    assert others == 0


def test_large_pages_are_made_one_at_a_time_and_others_meanwhile(
    large: Large, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = SimpleQueue[None](), Event()

    def slow(*given: Any) -> dict[str, Any]:
        begun.put(None)
        assert go_on.wait(60)
        return whole_letter(*given)

    monkeypatch.setattr(letter, "whole_letter", slow)
    with ThreadPoolExecutor(3) as people:
        address = f"/letters/{large.circular}"
        asked = [people.submit(large.auditor.get, address + end) for end in ("", ".json", "")]
        begun.get(timeout=60)
        pages = [large.auditor.get("/search?newest=1").status_code for _ in range(3)]
        others = begun.qsize()
        go_on.set()
        assert [one.result().status_code for one in asked] == pages == [200] * 3
    assert others == 0


def test_what_a_list_folds_is_bounded_by_recipients(large: Large, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folding, "MOST_TOGETHER", 3)
    every = [large.circular, *reversed(large.small)]
    with large.ledger.read() as reader:
        states, many = states_within(reader, every)
        assert sorted(states) == sorted(every[1:4])
        assert many == {large.circular: 30, **dict.fromkeys(large.small, 1)}
        rows = reader.find_letters(limit=10)
        cut = [([row.letter for row in some], count) for some, count in portions(reader, rows, 3)]
    assert cut == [([large.circular], 30), (every[1:4], 3), (every[4:], 2)]


def test_the_rows_of_a_circular_cost_as_much_as_it_has_recipients(
    large: Large, monkeypatch: pytest.MonkeyPatch
) -> None:
    times: list[int] = []
    with large.ledger.read() as reader:
        page = search.results(reader, Question(), None)
    real = LetterState.__dict__["registration_due"].fget

    def counted(state: LetterState) -> str | None:
        times.append(state.letter)
        due: str | None = real(state)
        return due

    monkeypatch.setattr(LetterState, "registration_due", property(counted))
    assert len(list(by_recipient(page.letters))) == len(CODES) + len(large.small)
    assert len(times) == len(page.letters)


def test_a_sentence_names_twenty_witnesses_and_counts_the_others(ledger: Ledger, tmp_path: Path) -> None:
    lived = live(ledger, tmp_path)
    with ledger.read() as reader:
        evidence = gather(reader, lived.letter)
        whole = statement_of(evidence, names_of(reader), now())
        shorter = statement_of(evidence, names_of(reader), now(), each=False)
    assert (shorter.silent, shorter.others) == ((), ())
    assert replace(shorter, made=whole.made, silent=whole.silent, others=whole.others) == whole
    mark = replace(whole.fingerprint, cosigned=tuple(f"witness-{n:02}" for n in range(25)))
    said = [line for line in proof_sentences(replace(whole, fingerprint=mark)) if "witness-00" in line[0]]
    ((thai, english),) = said
    assert "witness-19" in english
    assert "witness-20" not in english
    assert "and 5 more." in english
    assert "และอีก 5 หน่วยงาน" in thai
