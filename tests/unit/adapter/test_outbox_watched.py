"""What comes into an outbox is taken at once where the system tells of it, and after a while where it does not."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from adapters.connectors.base import Polled
from adapters.connectors.folder import watching
from bus.platform.watching import FolderWatch, watch
from tests.unit.adapter.network import Office, until
from tests.unit.adapter.test_folder import LETTER, connector, lay_out

NEVER = 3600.0
told_of_files = pytest.mark.skipif(watch(Path("/")) is None, reason="this system tells of no files")


class Looking:
    """A connector that counts how often it has looked."""

    name = "office"

    def __init__(self) -> None:
        self.looked = 0

    def import_new(self) -> int:
        self.looked += 1
        return 0

    def export_news(self) -> int:
        return 0


class Silent(FolderWatch):
    """A watch that the system never tells anything."""

    def __init__(self) -> None:
        self._ends = socket.socketpair()

    def fileno(self) -> int:
        return self._ends[0].fileno()

    def stands(self) -> bool:
        return True

    def close(self) -> None:
        for end in self._ends:
            end.close()


@asynccontextmanager
async def running(door: Polled) -> AsyncIterator[None]:
    stop = asyncio.Event()
    task = asyncio.create_task(door.run(stop))
    try:
        yield
    finally:
        stop.set()
        await task


@told_of_files
async def test_a_letter_is_taken_when_it_comes_and_not_when_it_is_looked_for(
    sender: Office, tmp_path: Path
) -> None:
    exchange = tmp_path / "exchange"
    door = Polled(connector(sender, exchange), NEVER, exchange / "outbox")
    async with running(door):
        lay_out(exchange, "one", LETTER)
        await until(lambda: len(sender.mailbox.outbox.letters()) == 1)
        lay_out(exchange, "two", {**LETTER, "number": "นร 0105/2"})
        await until(lambda: len(sender.mailbox.outbox.letters()) == 2)


@pytest.mark.parametrize("found", [lambda _: None, lambda _: Silent()], ids=["no events", "lost events"])
async def test_a_letter_of_which_nobody_tells_is_found_by_looking(
    sender: Office,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    found: Callable[[Path], FolderWatch | None],
) -> None:
    monkeypatch.setattr(watching, "watch", found)
    exchange = tmp_path / "exchange"
    async with running(Polled(connector(sender, exchange), 0.01, exchange / "outbox")):
        lay_out(exchange, "one", LETTER)
        await until(lambda: len(sender.mailbox.outbox.letters()) == 1)


@told_of_files
async def test_what_is_still_being_written_wakes_nobody(tmp_path: Path) -> None:
    office = Looking()
    async with running(Polled(office, NEVER, tmp_path)):
        await until(lambda: office.looked == 1)
        seen = watch(tmp_path)
        assert seen is not None
        for name in (".one", "two.part", "~$three.doc"):
            (tmp_path / name).mkdir()
        os.rename(tmp_path / "two.part", tmp_path / "two")
        await until(lambda: office.looked > 1)
        assert "two.part" in seen.names(), "the system has told of that one too"
        seen.close()
    assert office.looked == 2


@told_of_files
async def test_a_folder_that_has_taken_the_place_of_the_watched_one_is_watched(tmp_path: Path) -> None:
    outbox, office = tmp_path / "outbox", Looking()
    outbox.mkdir()
    async with running(Polled(office, NEVER, outbox)):
        await until(lambda: office.looked == 1)
        (outbox / "last of the old").touch()
        outbox.rename(tmp_path / "away")
        outbox.mkdir()
        await until(lambda: office.looked == 2)
        (outbox / "first of the new").touch()
        await until(lambda: office.looked == 3)


@told_of_files
def test_a_watch_tells_names_and_whether_its_folder_is_still_there(tmp_path: Path) -> None:
    folder = tmp_path / "outbox"
    assert watch(folder) is None
    folder.mkdir()
    seen = watch(folder)
    assert seen is not None
    (folder / "หนังสือ").mkdir()
    assert seen.names() == ["หนังสือ"]
    (folder / "หนังสือ").rename(tmp_path / "taken")
    assert seen.names() == [], "what is taken out of it is nothing that has come"
    assert seen.stands()
    folder.rmdir()
    assert not seen.stands()
    seen.close()
