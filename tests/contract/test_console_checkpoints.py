"""The auditors' pages of checkpoints: heads as they were signed, who cosigned, and which witness is silent."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bus.ledger.database import appending
from bus.ledger.heads import keep_cosignature
from bus.ledger.store import Ledger
from bus.operators import Role
from bus.thai import now
from bus.verifier.notes import read_checkpoint, read_note, require_signed
from tests.assets.factory import OCS, SOC
from tests.contract import ledger_rig as rig
from tests.contract.console_ledgers import auditors_console
from tests.contract.console_rig import Visitor
from tests.contract.lived import Lived


@dataclass(frozen=True, slots=True)
class Looking:
    """An auditor's browser over the lived ledger, in which one witness cosigns and one does not."""

    ledger: Ledger
    lived: Lived
    auditor: Visitor


@pytest.fixture(scope="module")
def looking(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Looking]:
    folder = tmp_path_factory.mktemp("checkpoints")
    shutil.copy(sqlite_template, folder / "ledger.db")
    with (
        Ledger(f"sqlite:///{folder / 'ledger.db'}") as ledger,
        auditors_console(ledger, folder) as (console, lived),
    ):
        key = "saraban.example/test/x+00000000+AAAA"
        agencies = {code: rig.agency(code, witness=key) for code in (OCS, SOC)}
        lived.router.activate(rig.directory(2, **agencies))
        for _ in range(3):
            with ledger.append() as writer:
                rig.some_entries(writer, 2)
            lived.signer.sign()
            cosign(lived, OCS)
        yield Looking(ledger, lived, console.visited_by(Role.AUDITOR))


def cosign(lived: Lived, agency: str) -> None:
    """Have a witness's line kept; whether it is good is the router's to say."""
    head = lived.signer.newest()
    assert head is not None
    line = head.note.split("\n")[4].replace("saraban.example/test", f"saraban.example/test/{agency}")
    with appending(lived.ledger.engine) as connection:
        keep_cosignature(connection, head.size, agency, line, at=now())  # type: ignore[arg-type]


def test_a_witness_that_is_silent_stands_first(looking: Looking) -> None:
    value = looking.auditor.json("/checkpoints")
    assert [(one["agency"], one["silent"]) for one in value["witnesses"]] == [(SOC, True), (OCS, False)]
    assert value["witnesses"][0]["at"] is None
    assert value["witnesses"][1]["size"] == value["heads"][0]["size"]
    thai = looking.auditor.get("/checkpoints?lang=th").text
    english = looking.auditor.get("/checkpoints?lang=en").text
    assert "ยังไม่เคยลงลายมือชื่อ" in thai
    assert "none among the newest" in english


def test_of_thousands_of_witnesses_the_most_silent_are_named_and_the_others_counted(
    looking: Looking, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bus.views.heads.MOST_WITNESSES", 1)
    value = looking.auditor.json("/checkpoints")
    assert [one["agency"] for one in value["witnesses"]] == [SOC]
    assert value["witnessCount"] == 2
    assert "and others: 1" in looking.auditor.get("/checkpoints?lang=en").text


def test_heads_are_listed_newest_first_and_pages_join(
    looking: Looking, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = [one["size"] for one in looking.auditor.json("/checkpoints")["heads"]]
    assert whole == sorted(whole, reverse=True)
    monkeypatch.setattr("bus.views.heads.heads_page.__defaults__", (2,))
    found, before = [], ""
    while True:
        value = looking.auditor.json(f"/checkpoints{before}")
        found += [one["size"] for one in value["heads"]]
        if value["before"] is None:
            break
        before = f"?before={value['before']}"
    assert found == whole
    assert value["witnesses"] == [], "they stand on the first page"


def test_a_head_is_shown_as_it_is_published(looking: Looking) -> None:
    head = looking.lived.signer.newest()
    assert head is not None
    value = looking.auditor.json(f"/checkpoints/{head.size}")
    note = read_note(value["note"])
    require_signed(note, looking.lived.signer._key.verifier)
    assert read_checkpoint(note).root.hex() == value["root"]
    assert [one["agency"] for one in value["cosigned"]] == [OCS]
    assert len(note.signatures) == 2
    assert value["anchor"]
    page = looking.auditor.get(f"/checkpoints/{head.size}").text
    assert "— saraban.example/test " in page


def test_of_thousands_of_cosignatures_the_first_are_named_and_the_others_counted(
    looking: Looking, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bus.views.heads.MOST_WITNESSES", 0)
    head = looking.lived.signer.newest()
    assert head is not None
    value = looking.auditor.json(f"/checkpoints/{head.size}")
    assert (value["cosignedCount"], value["cosigned"]) == (1, [])
    assert len(read_note(value["note"]).signatures) == 2, "the note is whole all the same"
    assert "and others: 1" in looking.auditor.get(f"/checkpoints/{head.size}?lang=en").text


def test_what_was_never_signed_is_not_there(looking: Looking) -> None:
    for size in (0, 2, 99_999, 10**40):
        assert looking.auditor.get(f"/checkpoints/{size}").status_code == 404


def test_the_spreadsheet_has_the_heads(looking: Looking) -> None:
    body = looking.auditor.get("/checkpoints.csv").content.decode("utf-8-sig")
    head = looking.lived.signer.newest()
    assert head is not None
    assert head.root.hex() in body
