"""`check`, and `run` before anything else: a mistake in the configuration is a sentence with its key, and exit 2."""

from __future__ import annotations

import datetime as dt
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from structlog.testing import capture_logs

from adapters.agent import Agent
from adapters.cli import main
from adapters.doctor import require_right
from adapters.mailbox import Mailbox, OutboxState
from bus import assets
from bus.directory import BUS
from bus.documents.making import new_seal, write_seal
from bus.errors import Misconfigured
from bus.settings.adapter import load_adapter_settings
from tests.assets.factory import OCS, OPM, expired_seal, seal, seal_not_for_signatures
from tests.assets.keys import replaced
from tests.unit.adapter.network import QUICK, Office, until

NOW = dt.datetime.now(dt.UTC)
Break = Callable[[Path, dict[str, Any]], None]


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, Any]:
    """A configuration without a mistake, and everything that it names."""
    write_seal(new_seal("agency"), tmp_path / "keys", "agency")
    write_seal(seal(BUS), tmp_path / "keys", "bus")
    secret(tmp_path / "password", "s3cret-word")
    return {
        "agency": OPM,
        "bus_certificate": "keys/bus.crt.pem",
        "seal": {"key": "keys/agency.key.pem", "certificate": "keys/agency.crt.pem"},
        "broker": {"url": "amqp://127.0.0.1:1", "password_file": "password"},
        "mailbox": {"folder": "mailbox"},
        "connectors": {"folder": {"enabled": True, "path": "exchange"}},
    }


def secret(file: Path, text: str) -> None:
    file.touch(mode=0o600)
    file.write_text(text)


def sets(section: str, **values: Any) -> Break:
    def change(_: Path, settings: dict[str, Any]) -> None:
        (
            settings["connectors"]["folder"] if section == "office" else settings.setdefault(section, {})
        ).update(values)

    return change


def top(**values: Any) -> Break:
    return lambda _, settings: settings.update(values)


def office_database(**values: Any) -> Break:
    return lambda _, settings: settings["connectors"].update(sql={"enabled": True, **values})


def another_agencys_mailbox(folder: Path, _: dict[str, Any]) -> None:
    Mailbox(folder / "mailbox", OCS).close()


def another_key(folder: Path, _: dict[str, Any]) -> None:
    write_seal(new_seal("another"), folder / "other", "agency")
    os.replace(folder / "other" / "agency.crt.pem", folder / "keys" / "agency.crt.pem")


def not_for_signatures(folder: Path, _: dict[str, Any]) -> None:
    replaced(seal_not_for_signatures(), folder / "keys", "agency")


def open_key(folder: Path, _: dict[str, Any]) -> None:
    (folder / "keys" / "agency.key.pem").chmod(0o644)


def no_authority(folder: Path, settings: dict[str, Any]) -> None:
    (folder / "ca.pem").write_text("nothing of the kind")
    settings["broker"] |= {"url": "amqps://127.0.0.1:1", "ca_file": "ca.pem"}


def a_file_in_the_way(folder: Path, _: dict[str, Any]) -> None:
    (folder / "exchange").write_text("")


MISTAKES: dict[str, tuple[Break, str, str]] = {
    "the sample's agency": (top(agency="0000000000"), "agency", "nobody's"),
    "an agency that is none": (top(agency="12"), "agency", "'12'"),
    "a number out of range": (top(prefetch=0), "prefetch", "is 0"),
    "a word that is no key": (top(mailboxx={}), "mailboxx", "Write mailbox"),
    "no bus certificate": (top(bus_certificate="keys/none.pem"), "bus_certificate", "none.pem"),
    "no key": (sets("seal", key="keys/none.pem"), "seal.key", "none.pem"),
    "a key that others read": (open_key, "seal.key", "chmod 600"),
    "a certificate of another key": (another_key, "seal.certificate", "does not belong"),
    "a certificate for other things": (
        not_for_signatures,
        "seal.certificate",
        "is not for digital signatures",
    ),
    "no password": (sets("broker", password_file="none"), "broker.password_file", "Put it there"),
    "no authority": (no_authority, "broker.ca_file", "authority"),
    "another agency's mailbox": (another_agencys_mailbox, "mailbox.folder", OCS),
    "a mailbox's disk that is away": (
        sets("mailbox", folder="srv/mailbox"),
        "mailbox.folder",
        "Mount its disk",
    ),
    "an office's share that is away": (
        sets("office", path="mnt/exchange"),
        "connectors.folder.path",
        "Mount",
    ),
    "a file for a folder": (a_file_in_the_way, "connectors.folder.path", "no folder"),
    "a group that is not there": (
        sets("office", group="nobody-of-this-name"),
        "connectors.folder.group",
        "Create it",
    ),
    "an office's table that is none": (
        office_database(tables={"outbux": "x"}),
        "connectors.sql.tables",
        "Write outbox",
    ),
    "an office's database without its password": (
        office_database(password_file="none"),
        "connectors.sql.password_file",
        "Put it there",
    ),
    "a driver that is not installed": (
        office_database(url="oracle://u@127.0.0.1/x"),
        "connectors.sql.url",
        "Install oracledb",
    ),
    "no key of the log": (sets("witness", log_key="none"), "witness.log_key", "ledger key"),
}


def typed(
    folder: Path, settings: dict[str, Any], command: str, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> tuple[int, str]:
    (folder / "adapter.toml").write_text(tomli_w.dumps(settings), encoding="utf-8")
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["saraban-adapter", command])
    capsys.readouterr()
    with pytest.raises(SystemExit) as end:
        main()
    printed = capsys.readouterr()
    return int(end.value.code or 0), printed.out + printed.err


@pytest.mark.parametrize("command", ["check", "run"])
@pytest.mark.parametrize(("breaks", "key", "words"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_ends_check_and_run_with_its_key_and_what_to_do_and_nothing_is_made(
    tmp_path: Path,
    settings: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
    breaks: Break,
    key: str,
    words: str,
) -> None:
    breaks(tmp_path, settings)
    (tmp_path / "adapter.toml").touch()
    before = sorted(tmp_path.rglob("*"))
    status, said = typed(tmp_path, settings, command, monkeypatch, capsys)
    assert status == 2, said
    (line,) = [each for each in said.splitlines() if f": {key}: " in each]
    assert words in line
    assert "s3cret-word" not in said
    assert "Traceback" not in said
    assert sorted(tmp_path.rglob("*")) == before


def test_every_mistake_is_told_at_once(tmp_path: Path, settings: dict[str, Any]) -> None:
    for name in ("no key", "no password", "an office's share that is away"):
        MISTAKES[name][0](tmp_path, settings)
    (tmp_path / "adapter.toml").write_text(tomli_w.dumps(settings), encoding="utf-8")
    with pytest.raises(Misconfigured) as found:
        require_right(load_adapter_settings(tmp_path / "adapter.toml"))
    keys = {each.key for each in found.value.problems}
    assert keys == {"seal.key", "broker.password_file", "connectors.folder.path"}


def test_without_a_mistake_check_says_so_and_makes_nothing(
    tmp_path: Path,
    settings: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "adapter.toml").touch()
    before = sorted(tmp_path.rglob("*"))
    status, said = typed(tmp_path, settings, "check", monkeypatch, capsys)
    assert (status, sorted(tmp_path.rglob("*"))) == (0, before)
    assert "no mistake" in said


def test_the_sample_configuration_is_nobodys(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Misconfigured, match="the sample's, which is nobody's"):
        require_right(load_adapter_settings(assets.path("config/adapter.toml")))
    assert "0000000000" not in assets.path("config/agencies.toml").read_text(encoding="utf-8")


def test_a_share_that_was_used_before_is_waited_for_and_no_mistake(
    tmp_path: Path, settings: dict[str, Any]
) -> None:
    MISTAKES["an office's share that is away"][0](tmp_path, settings)
    (tmp_path / "adapter.toml").write_text(tomli_w.dumps(settings), encoding="utf-8")
    loaded = load_adapter_settings(tmp_path / "adapter.toml")
    with Mailbox(tmp_path / "mailbox", OPM) as mailbox:
        mailbox.properties.set("exchange:folder", str(loaded.connectors.folder.path.absolute()))
    require_right(loaded)


# ── a certificate that is not in force ──────────────────────────────────────────────────────────


def test_check_says_of_a_certificate_that_has_expired_that_nothing_can_be_sent(
    tmp_path: Path,
    settings: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    replaced(expired_seal(), tmp_path / "keys", "agency")
    status, said = typed(tmp_path, settings, "check", monkeypatch, capsys)
    assert status == 1
    assert "certificate.expired" in said
    assert "another invitation" in said


@pytest.mark.parametrize("days", [(-30, -1), (1, 30)])
async def test_with_a_certificate_that_is_not_in_force_everything_waits_and_that_is_said_once(
    sender: Office, tmp_path: Path, days: tuple[int, int]
) -> None:
    """What it sealed would be refused, and the office told of a refusal that is nobody's fault but the key's."""
    row = sender.put(tmp_path)
    not_in_force = new_seal(
        OPM, not_before=NOW + dt.timedelta(days=days[0]), not_after=NOW + dt.timedelta(days=days[1])
    )
    with capture_logs() as lines:
        agent = Agent(
            sender.mailbox,
            seal=not_in_force,
            bus_certificate=seal(BUS).certificate,
            outward=sender.broker,
            inward=sender.broker,
            depot=sender.depot,
            tuning=QUICK,
        )
        for _ in range(3):
            assert await agent._sender.work()
        events = [each for each in lines if each["event"] == "certificate-not-in-force"]
    assert len(events) == 1
    assert events[0]["log_level"] == "error"
    assert sender.mailbox.outbox.get(row.id).state is OutboxState.WAITING
    assert not sender.broker.published
    assert not sender.depot.asked
    async with sender.running():
        await until(lambda: sender.broker.published)
