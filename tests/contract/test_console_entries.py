"""The auditors' pages of entries: filters, pages that join, and each entry with its octets and its proof."""

from __future__ import annotations

import hashlib
import shutil
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest

from bus.console.face import FACE
from bus.ledger.entry import Kind, canonical
from bus.ledger.store import Ledger
from bus.operators import Role
from bus.pages.wording import catalogue
from bus.thai import now
from bus.verifier import merkle
from tests.assets.factory import OPM
from tests.contract.console_ledgers import AUDITOR, auditors_console, readings
from tests.contract.console_rig import Visitor
from tests.contract.lived import Lived


@dataclass(frozen=True, slots=True)
class Looking:
    """An auditor's browser over the lived ledger."""

    ledger: Ledger
    lived: Lived
    auditor: Visitor

    def numbers(self, query: str) -> list[int]:
        """Return the numbers of the entries that a query lists, page after page."""
        found, before = [], ""
        while True:
            value = self.auditor.json(f"/entries?{query}{before}")
            found += [one["entry"] for one in value["entries"]]
            if value["before"] is None:
                return found
            before = f"&before={value['before']}"


@pytest.fixture(scope="module")
def looking(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Looking]:
    folder = tmp_path_factory.mktemp("entries")
    shutil.copy(sqlite_template, folder / "ledger.db")
    with (
        Ledger(f"sqlite:///{folder / 'ledger.db'}") as ledger,
        auditors_console(ledger, folder) as (console, lived),
    ):
        yield Looking(ledger, lived, console.visited_by(Role.AUDITOR))


def test_every_kind_of_entry_has_words() -> None:
    assert [kind for kind in Kind if f"entry-kind.{kind}" not in catalogue(FACE.folder)] == []


def test_entries_are_listed_by_kind_agency_person_letter_and_day(
    looking: Looking, monkeypatch: pytest.MonkeyPatch
) -> None:
    with looking.ledger.read() as reader:
        every = reader.entries()
    monkeypatch.setattr("bus.views.entry_pages.PAGE", 2)
    letter, today = looking.lived.letter, now().date().isoformat()
    for query, wanted in {
        "kind=notice": [one.seq for one in every if one.kind is Kind.NOTICE],
        f"agency={OPM}": [one.seq for one in every if one.body.get("agency") == OPM],
        "person=tester": [one.seq for one in every if one.body.get("operator") == "tester"],
        f"letter={letter}": [one.seq for one in every if one.letter == letter],
        f"letter={letter}&kind=notice": [
            one.seq for one in every if one.letter == letter and one.kind is Kind.NOTICE
        ],
        f"since={today}&kind=accepted": [letter],
        "until=2020-01-01": [],
        "since=01/01/2600": [],
    }.items():
        assert looking.numbers(query) == sorted(wanted, reverse=True), query
    assert looking.numbers(f"person={quote(AUDITOR)}") != []


def test_a_page_of_the_past_stays_as_it_is(looking: Looking) -> None:
    first = looking.auditor.json("/entries?before=9")["entries"]
    assert [one["entry"] for one in first] == list(range(8, 0, -1))
    assert looking.auditor.json("/entries?before=9")["entries"] == first


@pytest.mark.parametrize("query", ["kind=no", "agency=nobody", "since=x", "before=0", "who=me", "letter=a"])
def test_what_is_not_understood_is_said(looking: Looking, query: str) -> None:
    assert looking.auditor.get(f"/entries?{query}").status_code == 400


def test_an_entry_shows_octets_that_hash_to_its_leaf_and_a_proof_that_holds(looking: Looking) -> None:
    with looking.ledger.read() as reader:
        head = reader.heads.newest()
        entry = reader.entry_at(looking.lived.letter + 3)
    assert head is not None
    assert entry is not None
    value = looking.auditor.json(f"/entries/{entry.seq}")
    assert value["octets"] == canonical(entry.body)
    leaf = hashlib.sha256(b"\0" + value["octets"].encode()).digest()
    assert value["leaf"] == leaf.hex()
    proof = value["proof"]
    path = [bytes.fromhex(one) for one in proof["path"]]
    merkle.require_inclusion(leaf, proof["index"], proof["size"], bytes.fromhex(proof["root"]), path)
    root = b64decode(head.note.split("\n")[2])
    assert proof["root"] == root.hex()
    assert value["document"] == entry.document
    assert (value["prior"], value["next"]) == (entry.body["prior"], entry.seq + 1)
    page = looking.auditor.get(f"/entries/{entry.seq}").text
    assert f'href="/entries/{value["prior"]}"' in page
    assert f'href="/letters/{looking.lived.letter}"' in page


def test_an_entry_that_no_head_covers_has_no_proof_yet(looking: Looking) -> None:
    looking.auditor.get("/entries")
    with looking.ledger.read() as reader:
        newest = reader.head()
    value = looking.auditor.json(f"/entries/{newest}")
    assert value["proof"] is None
    assert value["kind"] == "read"


def test_each_look_is_entered_once(looking: Looking) -> None:
    before = len(readings(looking.ledger))
    looking.auditor.get("/entries?kind=notice")
    looking.auditor.get("/entries/3")
    entered = readings(looking.ledger)[before:]
    assert [(one["what"], one["query"]) for one in entered] == [
        ("entries", {"kind": "notice"}),
        ("entry", {"entry": 3}),
    ]


def test_what_is_no_entry_is_not_there(looking: Looking) -> None:
    for number in (0, 99_999, 10**40):
        assert looking.auditor.get(f"/entries/{number}").status_code == 404
    assert looking.auditor.get("/entries/x").status_code == 404


def test_hostile_texts_in_entries_are_text(looking: Looking) -> None:
    with looking.ledger.append() as writer:
        number = writer.entry(
            Kind.GRANTED,
            letter=looking.lived.letter,
            auditor="<script>alert(1)</script>\u202e",
            until="2026-01-01T00:00:00.000000+07:00",
            reason="=cmd|' /C calc'!A0",
            operator="\x1b[31m<b>",
        )
    for path in ("/entries", f"/entries/{number}", "/reports/operators"):
        text = looking.auditor.get(path).text
        assert "<script>alert" not in text
        assert "\u202e" not in text
        assert "\x1b" not in text
    body = looking.auditor.get("/reports/operators.csv").content.decode("utf-8-sig")
    assert ",=cmd" not in body
    assert "'=cmd" in body
