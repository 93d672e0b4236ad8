"""What cannot be told to the office in its turn is put off; everything else is told, and `status` says so."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest

from adapters import views
from adapters.connectors.folder import exporting
from adapters.connectors.folder.folders import Folder
from adapters.mailbox import InboxState
from adapters.refusals import FileUnavailable
from bus.errors import Transient
from tests.unit.adapter.network import Office, notices_in, sha, until
from tests.unit.adapter.test_folder import connector, names
from tests.unit.adapter.test_receiving import delivered

FIRST, SECOND = b"%PDF first", b"%PDF second"


@pytest.fixture
def exchange(tmp_path: Path) -> Path:
    return tmp_path / "exchange"


@pytest.fixture(autouse=True)
def transaction(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was put off is due again at once."""
    monkeypatch.setattr(exporting, "_LONGEST_PAUSE", -1.0)


async def two_letters(office: Office) -> None:
    for content in (FIRST, SECOND):
        office.hear(office.bus.letter(office.signed(content)))
    await until(lambda: delivered(office, 2))


def codes(office: Office) -> list[str]:
    return [each.finding.code.value for each in office.mailbox.conditions.all()]


def shown(exchange: Path) -> list[str]:
    """The numbers of the consignments whose letters the office sees."""
    return [name.split()[0] for name in names(exchange / "inbox") if not name.startswith(".")]


@pytest.mark.parametrize("loss", ["gone", "cut short", "damaged"])
async def test_a_file_lost_before_it_is_shown_is_fetched_again_and_the_rest_goes_on(
    recipient: Office, exchange: Path, loss: str
) -> None:
    link = connector(recipient, exchange)
    async with recipient.running():
        await two_letters(recipient)
        place = recipient.mailbox.store.path(sha(FIRST))
        if loss == "gone":
            place.unlink()
        elif loss == "cut short":
            os.truncate(place, 3)
        else:
            place.write_bytes(FIRST[::-1])
        recipient.depot.away.add(sha(FIRST))
        told = link.export_news()
        assert told == 1
        assert shown(exchange) == ["00000003"]
        assert "news.deferred" in codes(recipient)
        first = recipient.mailbox.inbox.letters()[-1]
        assert first.state is InboxState.RESTORING
        assert [each.letter_id for each in recipient.mailbox.inbox.troubled()] == [first.letter_id]
        recipient.depot.away.clear()
        await until(lambda: recipient.mailbox.inbox.get(first.id).state is InboxState.DELIVERED)
        assert link.export_news() == 1
        await until(lambda: len(notices_in(recipient.broker)) == 2)
    assert shown(exchange) == ["00000002", "00000003"]
    (restored,) = (exchange / "inbox").glob("00000002*/*.pdf")
    assert restored.read_bytes() == FIRST
    assert codes(recipient) == []
    assert recipient.mailbox.inbox.troubled() == []
    assert len(notices_in(recipient.broker)) == 2, "no second receipt"
    assert link.export_news() == 0


async def test_a_letter_whose_file_is_lost_for_good_is_shown_without_it(
    recipient: Office, exchange: Path
) -> None:
    link = connector(recipient, exchange)
    async with recipient.running():
        await two_letters(recipient)
        recipient.mailbox.store.path(sha(SECOND)).unlink()
        recipient.depot.refused[sha(SECOND)] = FileUnavailable("file.unknown")
        assert link.export_news() == 1
        (row, _) = recipient.mailbox.inbox.letters()
        await until(lambda: recipient.mailbox.inbox.get(row.id).state is InboxState.INCOMPLETE)
        assert link.export_news() == 1
        await until(lambda: len(notices_in(recipient.broker)) == 2)
    assert {str(each.event) for each in notices_in(recipient.broker)} == {"delivered"}
    (place,) = (exchange / "inbox").glob("00000003*")
    assert names(place) == ["letter.json", "letter.xml", "ไฟล์ไม่ครบ MISSING FILES.txt"]
    (file,) = json.loads((place / "letter.json").read_text(encoding="utf-8"))["files"]
    assert (file["missing"], file["saved_as"]) == (True, None)
    assert "หนังสือ.pdf" in (place / "ไฟล์ไม่ครบ MISSING FILES.txt").read_text(encoding="utf-8")
    assert [each.letter_id for each in recipient.mailbox.inbox.troubled()] == [row.letter_id]


@pytest.mark.parametrize("error", [RuntimeError("a bug"), OSError(errno.EILSEQ, "no such characters here")])
async def test_an_item_that_cannot_be_told_is_put_off_and_told_once(
    recipient: Office, exchange: Path, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = connector(recipient, exchange)
    async with recipient.running():
        await two_letters(recipient)
    content = views.content
    first = recipient.mailbox.arrivals.get(recipient.mailbox.inbox.letters()[-1].arrival).body

    def failing(raw: bytes) -> Any:
        if raw == first:
            raise error
        return content(raw)

    with monkeypatch.context() as patched:
        patched.setattr(views, "content", failing)
        assert [link.export_news() for _ in range(3)] == [1, 0, 0]
    assert shown(exchange) == ["00000003"]
    assert codes(recipient) == ["news.deferred"]
    assert [link.export_news() for _ in range(2)] == [1, 0]
    assert shown(exchange) == ["00000002", "00000003"]
    assert codes(recipient) == []


@pytest.mark.parametrize("taken_away", [False, True])
@pytest.mark.parametrize("step", ["before", "after"])
async def test_a_crash_while_telling_what_was_put_off_neither_loses_nor_doubles(
    recipient: Office, exchange: Path, step: str, taken_away: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = connector(recipient, exchange)
    async with recipient.running():
        await two_letters(recipient)
        recipient.mailbox.store.path(sha(FIRST)).unlink()
        assert link.export_news() == 1
        await until(lambda: recipient.mailbox.inbox.counts() == {"delivered": 2})
    rename = os.rename

    def power_fails(*names: Any, **folders: Any) -> None:
        if step == "after":
            rename(*names, **folders)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(os, "rename", power_fails)
        with pytest.raises(KeyboardInterrupt):
            link.export_news()
    seen = len(shown(exchange))
    if taken_away and step == "after":
        for place in (exchange / "inbox").glob("00000002*"):
            place.rename(exchange / "taken")
    connector(recipient, exchange).export_news()
    there = shown(exchange)
    assert there == (["00000003"] if taken_away and step == "after" else ["00000002", "00000003"])
    assert seen >= 1


async def test_when_nothing_can_be_written_everything_waits_and_nothing_is_put_off(
    recipient: Office, exchange: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = connector(recipient, exchange)
    async with recipient.running():
        await two_letters(recipient)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Folder, "write", full)
        with pytest.raises(Transient):
            link.export_news()
    assert recipient.mailbox.news.deferrals("folder") == []
    assert codes(recipient) == ["folder.away"]
    assert link.export_news() == 2
    assert codes(recipient) == []
