"""Single lines of the doctor: clocks, certificates, handshakes, the office's folder, settings as others see them."""

from __future__ import annotations

import asyncio
import datetime as dt
import errno
import os
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from adapters.connectors.folder.exchange import FOLDERS
from adapters.doctor import office
from adapters.doctor.checks import _certificates
from adapters.doctor.depot import _of_clocks, probe_of
from bus.doctor import Level
from bus.documents.authority import Authority
from bus.documents.making import KeyFiles, new_key, new_seal, write_pair
from bus.ends import ending
from bus.peers import valid_until, why_not
from bus.settings.adapter import AdapterSettings
from bus.settings.shown import shown
from bus.thai import now
from tests.assets.factory import OCS, OPM

NOW = dt.datetime(2026, 11, 26, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("ahead", "level"),
    [(None, 1), (0.5, 0), (-2.9, 0), (4.0, 1), (-20.0, 1), (29.0, 1), (31.0, 2), (-31.0, 2), (86400.0, 2)],
)
def test_a_clock_is_a_fail_before_the_depot_refuses_what_is_signed_by_it(
    ahead: float | None, level: int
) -> None:
    found = _of_clocks(ahead)
    assert found.level == level
    assert bool(found.fix) == bool(level)
    if ahead is not None and abs(ahead) > 1:
        assert ("ahead of" if ahead > 0 else "behind") in found.sentence


@pytest.mark.parametrize(
    ("days", "level"), [(-1, Level.FAIL), (0, Level.WARN), (29, Level.WARN), (31, Level.OK)]
)
def test_a_certificate_near_its_end_is_a_warning_and_past_it_a_fail(days: int, level: Level) -> None:
    until = NOW + dt.timedelta(days=days, hours=1)
    assert ending("x", until, NOW, "Get a new one.").level is level


def test_who_has_a_certificate_that_is_renewed_by_itself_is_not_sent_for_another_one(tmp_path: Path) -> None:
    seal = new_seal(OPM, not_after=now() + dt.timedelta(days=10))
    settings = AdapterSettings(agency=OPM, bus_certificate=tmp_path / "none.pem")
    (found,) = _certificates(settings, seal)
    assert found.level is Level.WARN
    assert "renews one of its own making by itself" in found.fix


def test_the_probe_is_each_agencys_own_and_always_the_same() -> None:
    assert probe_of(OPM) == probe_of(OPM)
    assert probe_of(OPM) != probe_of(OCS)


# ── handshakes ──────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Served:
    """What a server shows, and the authority that it is believed by."""

    context: ssl.SSLContext
    authority: Path


@pytest.fixture
def served(tmp_path: Path) -> Served:
    authority, key = Authority.make("Sample"), new_key()
    files, shown = KeyFiles.named(tmp_path, "ca"), KeyFiles.named(tmp_path, "server")
    authority.write(files)
    write_pair(key, authority.server(key.public_key(), ["127.0.0.1"], days=1), shown)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(shown.certificate, shown.key)
    return Served(context, files.certificate)


@asynccontextmanager
async def listening(context: ssl.SSLContext | None) -> AsyncIterator[int]:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if context is None:
            writer.write(b"AMQP\x00\x00\x09\x01")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context) as server:
        yield server.sockets[0].getsockname()[1]


async def test_a_handshake_tells_until_when_the_certificate_is_valid(served: Served) -> None:
    async with listening(served.context) as port:
        trusting = ssl.create_default_context(cafile=str(served.authority))
        until = await valid_until("127.0.0.1", port, trusting)
        assert dt.timedelta(hours=23) < until - dt.datetime.now(dt.UTC) <= dt.timedelta(hours=24)
        with pytest.raises(ssl.SSLError) as refused:
            await valid_until("127.0.0.1", port, ssl.create_default_context())
    assert "certificate" in why_not(refused.value)


async def test_a_server_without_tls_and_none_at_all_are_told_apart(served: Served) -> None:
    context = ssl.create_default_context(cafile=str(served.authority))
    async with listening(None) as port:
        with pytest.raises(ssl.SSLError) as plain:
            await valid_until("127.0.0.1", port, context)
    assert "no TLS is spoken there" in why_not(plain.value)
    with pytest.raises(ConnectionRefusedError) as nobody:
        await valid_until("127.0.0.1", port, context)
    assert why_not(nobody.value) == "ConnectionRefusedError"


# ── the office's folder ─────────────────────────────────────────────────────────────────────────


@pytest.fixture
def exchange(tmp_path: Path) -> Path:
    for name in FOLDERS:
        (tmp_path / name).mkdir()
    return tmp_path


def test_a_folder_as_it_should_be_is_one_ok_and_nothing_is_left_in_it(exchange: Path) -> None:
    assert [each.level for each in office._look(exchange)] == [Level.OK]
    assert [path for path in exchange.rglob("*") if path.is_file()] == []


def test_a_disk_that_changes_names_or_takes_no_long_ones_is_a_warning(
    exchange: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def listed(_: Any) -> list[str]:
        return ["another name"]

    really = os.open

    def short(path: Any, *rest: Any, **more: Any) -> int:
        if len(Path(path).name.encode()) > 143:
            raise OSError(errno.ENAMETOOLONG, "File name too long")
        return really(path, *rest, **more)

    monkeypatch.setattr("adapters.doctor.office.os.listdir", listed)
    monkeypatch.setattr("adapters.doctor.office.os.open", short)
    found = list(office._look(exchange))
    assert [each.level.name for each in found] == ["OK", "WARN", "WARN"]
    assert "UTF-8" in found[1].fix
    assert "255 bytes" in found[2].sentence
    assert [path for path in exchange.rglob("*") if path.is_file()] == []


def test_a_disk_that_takes_nothing_is_a_fail(exchange: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("adapters.doctor.office.os.open", full)
    (found,) = office._look(exchange)
    assert found.level is Level.FAIL
    assert "No space left" in found.sentence


# ── settings ────────────────────────────────────────────────────────────────────────────────────


def test_settings_are_shown_without_secrets_and_urls_without_user_and_query() -> None:
    assert shown(SecretStr("s3cret")) == "(set, and not shown)"
    assert shown("postgresql://u:s3cret@h/db?password=s3cret#s3cret") == "postgresql://h/db"
    assert shown("amqps://u:s3cret@h1:1,h2:2/v") == "amqps://h1:1,h2:2/v"
    assert shown({"a": [b"s3cret", object()]}) == {"a": ["(bytes)", "(object)"]}
    settings = AdapterSettings(agency=OPM, broker={"password": "s3cret"}, witness={"passphrase": "s3cret"})
    view = shown(settings)
    assert "s3cret" not in str(view)
    assert view["agency"] == OPM
    assert view["broker"]["password"] == "(set, and not shown)"
    assert view["seal"]["passphrase"] is None
    assert view["depot"]["url"] == "http://127.0.0.1:8470"
