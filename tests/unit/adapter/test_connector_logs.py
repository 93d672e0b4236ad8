"""What a connector logs names nothing of the office: neither its files nor what their errors quote."""

from __future__ import annotations

import asyncio
import errno
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from adapters.connectors import base
from adapters.connectors.folder import completeness, connector, exporting, failing, importing
from adapters.connectors.folder.connector import FolderConnector
from bus.errors import Transient
from bus.logs import _dumps, exceptions_by_place, withhold
from tests.unit.adapter.network import Office
from tests.unit.adapter.test_acts import judge

NAME = "ลับมาก-ขอตัวบุคคล"


class Recorder:
    """A logger whose lines are what the log would hold."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def __getattr__(self, level: str) -> Callable[..., None]:
        def log(event: str, **values: Any) -> None:
            said = {"event": event, **values}
            if level == "exception":
                said["exc_info"] = True
            self.lines.append(_dumps(withhold(None, level, exceptions_by_place(None, level, said))))

        return log


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    recorder = Recorder()
    for module in (connector, importing, failing, exporting, base):
        monkeypatch.setattr(module, "_LOG", recorder)
    return recorder


def manifest(place: Path, text: str) -> None:
    (place / "outbox" / f"{NAME}.letter.toml").write_text(text, encoding="utf-8")


@pytest.mark.parametrize("text", ["no toml", f'subject = "{NAME}"', f'files = ["{NAME}.pdf"]\nto = ["x"]'])
def test_what_failed_is_told_to_the_office_and_not_named_in_the_log(
    sender: Office, tmp_path: Path, log: Recorder, text: str
) -> None:
    sender.mailbox.arrivals.store([sender.bus.directory()])
    judge(sender)
    connector = FolderConnector(sender.mailbox, tmp_path / "exchange", patience=0.0)
    manifest(tmp_path / "exchange", text)
    connector.import_new()
    (reason,) = (tmp_path / "exchange" / "failed").glob("*.reason.txt")
    assert NAME in reason.name
    assert log.lines
    for line in log.lines:
        assert NAME not in line
        assert json.loads(line)["event"]


@pytest.mark.parametrize(
    "trouble",
    [
        PermissionError(errno.EACCES, "Permission denied", f"/exchange/outbox/{NAME}.pdf"),
        OSError(errno.ESTALE, "Stale file handle", NAME, None, NAME),
        Transient("the directory has not arrived"),
        RuntimeError(NAME),
        UnicodeEncodeError("utf-8", NAME, 0, 1, NAME),
    ],
    ids=lambda each: type(each).__name__,
)
async def test_trouble_with_an_offices_file_is_logged_without_its_name(
    sender: Office, tmp_path: Path, log: Recorder, monkeypatch: pytest.MonkeyPatch, trouble: Exception
) -> None:
    connector = FolderConnector(sender.mailbox, tmp_path / "exchange")
    manifest(tmp_path / "exchange", "x = 1")
    stop, loop = asyncio.Event(), asyncio.get_running_loop()

    def fail(*_: object) -> None:
        loop.call_soon_threadsafe(stop.set)
        raise trouble

    for module in (importing, completeness):
        monkeypatch.setattr(module, "read_manifest", fail)
    await base.serve(connector, stop, interval=0.01)
    assert log.lines or sender.mailbox.conditions.all(), "what can be tried again is told in `status`"
    assert all(NAME not in line for line in log.lines)
