"""An office at the folder door: it writes files by another name and renames them, as the page for deployers asks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import tomli_w

from adapters.connectors.folder.connector import FolderConnector
from adapters.mailbox import Mailbox
from tests.contract.doors.door import Files, Shown, Told, Values, dies


class FolderDoor:
    """Writes into `outbox/`, reads `inbox/`, `receipts/` and `failed/`."""

    name = "folder"
    # The failpoints on the way of a letter from the office into the mailbox, and of a letter to the office.
    steps_out = ("connector.after-claim", "connector.after-put")
    steps_in = ("connector.before-show", "connector.after-show")

    def __init__(self, mailbox: Mailbox, folder: Path, at: Path) -> None:
        self._mailbox, self._folder, self._at = mailbox, folder, at
        self._connector = FolderConnector(mailbox, at)
        self._numbers = count(1)
        self._step: str | None = None

    def put(self, values: Values, files: Files) -> Told:
        """Lay out a folder."""
        return self._laid_out(values, files, files)

    def put_half(self, values: Values, files: Files) -> None:
        """Lay out a folder in which the last file still has its unfinished name."""
        self._laid_out(values, files, dict(list(files.items())[:-1]))

    def go_on(self) -> None:
        """Nothing: what was put out is there."""
        self._round()

    def act(self, verb: str, **fields: Any) -> Told:
        """Write a manifest."""
        before = self._reasons()
        name = f"act {next(self._numbers)}.{verb}.json"
        hidden = self._at / "outbox" / f".{name}.part"
        hidden.write_text(json.dumps(fields, ensure_ascii=False), encoding="utf-8")
        hidden.rename(hidden.with_name(name))
        self._round()
        return self._told(before)

    def letters(self) -> list[Shown]:
        """Read `inbox/`."""
        self._round()
        return [self._shown(each) for each in sorted((self._at / "inbox").iterdir()) if each.name[0] != "."]

    def events(self) -> list[Values]:
        """Read `receipts/`."""
        self._round()
        found = sorted(each for each in (self._at / "receipts").iterdir() if each.name[0] != ".")
        return [json.loads(each.read_text(encoding="utf-8")) for each in found]

    @contextmanager
    def dying_at(self, step: str) -> Iterator[None]:
        """Have the next round be another process's, which dies."""
        self._step = step
        yield
        assert self._step is None, "there was no round"

    def close(self) -> None:
        """Nothing runs."""

    def _round(self) -> None:
        step, self._step = self._step, None
        if step is None:
            _both(self._connector)
            return

        def work() -> None:
            with Mailbox(self._folder, self._mailbox.agency) as mailbox:
                _both(FolderConnector(mailbox, self._at))

        dies(step, work)

    def _laid_out(self, values: Values, files: Files, whole: Files) -> Told:
        before = self._reasons()
        name = f"letter {next(self._numbers)}"
        hidden = self._at / "outbox" / f".{name}"
        hidden.mkdir()
        manifest = values | {"files": list(files)}
        (hidden / "letter.toml").write_text(tomli_w.dumps(manifest), encoding="utf-8")
        for file, content in files.items():
            (hidden / (file if file in whole else f"{file[:10]}.part")).write_bytes(content)
        hidden.rename(hidden.with_name(name))
        self._round()
        return self._told(before)

    def _reasons(self) -> set[Path]:
        return set((self._at / "failed").glob("*.reason.txt"))

    def _told(self, before: set[Path]) -> Told:
        return Told("".join(each.read_text(encoding="utf-8") for each in self._reasons() - before))

    def _shown(self, place: Path) -> Shown:
        said = json.loads((place / "letter.json").read_text(encoding="utf-8"))
        files = {each["name"]: (place / each["saved_as"]).read_bytes() for each in said["files"]}
        assert {each.name for each in place.iterdir()} == {
            "letter.xml",
            "letter.json",
            *(each["saved_as"] for each in said["files"]),
        }
        return Shown(said["letter_id"], (place / "letter.xml").read_bytes(), files)


def _both(connector: FolderConnector) -> None:
    connector.import_new()
    connector.export_news()
