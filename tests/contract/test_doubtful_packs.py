"""A pack is judged before it is given away: what in it is in doubt is said by the pack and by whoever made it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from bus.documents.notice import Event
from bus.evidence.pack import write_pack
from bus.ledger.evidence import gather
from bus.ledger.store import Ledger
from bus.thai import now
from bus.verifier.checking import judge
from bus.verifier.findings import Result
from tests.assets import factory
from tests.assets.factory import DAY, OPM, SOC
from tests.contract.lived import Lived, live
from tests.contract.test_bus_cli import Shell, bare, shell, told
from tests.contract.test_evidence import key_of, members_of, notice_entered, with_revocation

__all__ = ["bare", "shell", "told"]


@pytest.fixture
def lived(sqlite_template: Path, tmp_path: Path) -> Lived:
    shutil.copy(sqlite_template, tmp_path / "ledger.db")
    return live(Ledger(f"sqlite:///{tmp_path / 'ledger.db'}"), tmp_path)


def made(lived: Lived, path: Path) -> tuple[tuple[str, ...], str]:
    """The doubts about a new pack, and its page."""
    with lived.ledger.read() as reader:
        evidence = gather(reader, lived.letter)
    doubts = write_pack(path, evidence, factory.seal("bus"), at=now())
    return doubts, members_of(path)["index.html"].decode()


def test_a_pack_without_doubt_says_nothing_of_doubts(lived: Lived, tmp_path: Path) -> None:
    doubts, page = made(lived, tmp_path / "pack.asice")
    assert doubts == ()
    assert "In doubt" not in page


def test_a_signature_that_does_not_verify_is_told_on_the_page_and_the_pack_is_whole(
    lived: Lived, tmp_path: Path
) -> None:
    notice_entered(lived, Event.REGISTERED, SOC, document=b"<Notice>\xc2\xa0</Notice>")
    lived.signer.sign()
    doubts, page = made(lived, tmp_path / "pack.asice")
    assert [each.partition(" ")[0] for each in doubts] == ["notice.signature"]
    assert "In doubt" in page
    assert "มีข้อสงสัย" in page
    assert "notice.signature" in page
    findings = judge(tmp_path / "pack.asice", key_of(lived))
    results = {check.name: check.result for check in findings.checks if check.name != "notice.signature"}
    assert results["container.signature"] is Result.PASS
    assert Result.FAIL not in results.values()
    assert findings.verdict is Result.FAIL


def test_a_revocation_that_reaches_back_is_a_doubt(lived: Lived, tmp_path: Path) -> None:
    with_revocation(lived, OPM, now() - DAY)
    doubts, page = made(lived, tmp_path / "pack.asice")
    assert [each.partition(" ")[0] for each in doubts] == ["letter.signature"]
    assert "was not to be trusted" in page


def test_the_command_says_which_of_its_packs_are_in_doubt(shell: Shell, told: dict[str, str]) -> None:
    said = shell.json("evidence", "--range", "1..", "-o", "all")
    assert (len(said["packs"]), said["doubts"]) == (3, {})
    assert "IN DOUBT" not in shell("evidence", "--range", "1..", "-o", "all")


@pytest.mark.parametrize("place", ["/dev/null/pack.asice", ".", "/", "keys", "no-such-folder/pack.asice"])
def test_a_place_where_no_pack_can_be_written_is_a_usage_error(
    shell: Shell, told: dict[str, str], place: str
) -> None:
    ledger = shell.ledger()
    with ledger.read() as reader:
        before = reader.head()
    shell("evidence", told["new"], "-o", place, code=64)
    assert "cannot be written" in shell.err
    with ledger.read() as reader:
        assert reader.head() == before, "nothing was read, and nothing is entered"
    ledger.close()
