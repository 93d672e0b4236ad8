"""What the programs write is their owner's alone, whatever umask they were started with."""

from __future__ import annotations

import grp
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import tomli_w

from adapters.cli import main as adapter_main
from adapters.connectors.folder.sharing import share
from bus.documents.making import write_seal
from bus.errors import Misconfigured
from bus.process import keep_private
from compose.local import free_port
from tests.assets import factory
from tests.assets.factory import OPM
from tests.contract.test_bus_cli import Shell, bare, shell, told
from tests.unit.adapter.test_folder import LETTER

__all__ = ["bare", "shell", "told"]


def open_to_others(folder: Path, known: set[Path] = frozenset()) -> list[str]:  # type: ignore[assignment]
    """Everything below a folder, but for what was there before, that somebody else may read or enter."""
    return [
        f"{oct(path.stat().st_mode)} {path.relative_to(folder)}"
        for path in sorted(folder.rglob("*"))
        if path not in known and path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)
    ]


@pytest.fixture
def no_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("no_umask")
def test_nothing_that_a_command_of_the_bus_writes_is_for_others(told: dict[str, str], shell: Shell) -> None:
    before = set(shell.folder.rglob("*")) - set(shell.folder.glob("ledger.db*"))
    os.umask(0)
    shell("evidence", told["new"], "-o", "pack.asice")
    os.umask(0)
    shell("evidence", "--range", "1..100", "-o", "packs")
    os.umask(0)
    shell("console", "user", "add", "new", "--role", "auditor", "--no-password")
    os.umask(0)
    shell("console", "user", "key", "new", "-o", "new.key")
    os.umask(0)
    grant = shell.json("audit", "grant", told["new"], "--auditor", "somying", "--reason", "b")["grant"]
    os.umask(0)
    shell("audit", "open", str(grant), "-o", "opened")
    new = set(shell.folder.rglob("*")) - before
    assert {"pack.asice", "packs", "opened", "ledger.db"} <= {path.name for path in new}
    assert len(list((shell.folder / "opened").iterdir())) > 2
    assert open_to_others(shell.folder, before) == []


@pytest.mark.usefixtures("no_umask")
def test_nothing_that_a_command_of_the_adapter_writes_is_for_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "adapter.toml").write_text(f'agency = "{OPM}"\n')
    (tmp_path / "letter.toml").write_text(tomli_w.dumps(LETTER), encoding="utf-8")
    before = set(tmp_path.rglob("*"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["saraban-adapter", "verify-again"])
    with pytest.raises(SystemExit):
        adapter_main()
    assert (tmp_path / "mailbox" / "mailbox.sqlite").exists()
    assert open_to_others(tmp_path, before) == []


def running(folder: Path, group: str = "") -> None:
    """Run an adapter without a broker, as with umask 0, until its folders are there, and stop it."""
    files = write_seal(factory.seal(OPM), folder / "keys", OPM)
    password = folder / "password"
    password.touch(mode=0o600)
    password.write_text("none is asked for here")
    settings = {
        "agency": OPM,
        "bus_certificate": str(files.certificate),
        "seal": {"key": str(files.key), "certificate": str(files.certificate)},
        "broker": {"url": f"amqp://127.0.0.1:{free_port()}", "password_file": str(password)},
        "connectors": {"folder": {"enabled": True, "group": group}},
    }
    (folder / "adapter.toml").write_text(tomli_w.dumps(settings), encoding="utf-8")
    command = [sys.executable, "-m", "adapters", "--config", str(folder / "adapter.toml"), "run"]
    with subprocess.Popen(command, umask=0, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 60
        while not (folder / "exchange" / "receipts").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=60)
    assert (folder / "exchange" / "receipts").exists(), said


def test_the_exchange_folders_are_the_adapters_alone(tmp_path: Path) -> None:
    running(tmp_path)
    assert open_to_others(tmp_path / "exchange") == open_to_others(tmp_path / "mailbox") == []
    for name in ("exchange", "mailbox"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o700


def test_a_group_that_is_named_may_use_the_exchange_folders_and_nothing_else(tmp_path: Path) -> None:
    group = grp.getgrgid(os.getgid()).gr_name
    running(tmp_path, group)
    for place in (tmp_path / "exchange", *(tmp_path / "exchange").iterdir()):
        assert stat.S_IMODE(place.stat().st_mode) == 0o2770, place
        assert place.stat().st_gid == os.getgid()
    assert stat.S_IMODE((tmp_path / "mailbox").stat().st_mode) == 0o700


@pytest.mark.usefixtures("no_umask")
def test_what_is_written_into_shared_folders_is_for_the_group_and_for_nobody_else(tmp_path: Path) -> None:
    keep_private()
    (tmp_path / "exchange" / "inbox").mkdir(parents=True)
    share(tmp_path / "exchange", ["inbox"], grp.getgrgid(os.getgid()).gr_name)
    letter = tmp_path / "exchange" / "inbox" / "a letter"
    letter.mkdir()
    (letter / "letter.json").write_text("{}")
    assert stat.S_IMODE((letter / "letter.json").stat().st_mode) == 0o660
    assert letter.stat().st_mode & 0o007 == 0


@pytest.mark.usefixtures("no_umask")
def test_a_group_that_there_is_not_is_named_with_its_setting(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"connectors\.folder\.group: there is no group no-such-group"):
        share(tmp_path / "exchange", ["inbox"], "no-such-group")
