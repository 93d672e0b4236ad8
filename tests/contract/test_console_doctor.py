"""The doctor's lines about the console: its people, its port and certificate, and the OpenID provider."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from anyio.from_thread import start_blocking_portal
from starlette.applications import Starlette

from bus.checks import console as checked
from bus.doctor import Level, Line, examine
from bus.documents.making import KeyFiles, new_seal, write_pair
from bus.ledger.store import Ledger
from bus.operators import Role
from bus.people import People, Person
from bus.settings.bus import BusSettings
from bus.settings.console import Console
from bus.thai import now
from bus.web import serving
from compose.ports import LOOPBACK, free_ports
from tests.contract.console_rig import console_over
from tests.contract.test_console_oidc import Given, provider_process, settings_for


def lines(folder: Path, **given: Any) -> dict[str, Line]:
    """What is said about a console of these settings, by the name of the check."""
    people = given.pop("people", folder / "people.toml")
    console = Console(**{"people": people, "listen_port": free_ports(1)[0], **given})
    found = asyncio.run(examine(checked.checks(BusSettings(console=console))))
    assert all(one.fix or one.level is Level.OK for one in found)
    return {one.check: one for one in found}


def test_the_peoples_file_is_for_its_owner_alone_and_whole(tmp_path: Path) -> None:
    assert "nobody may sign in" in lines(tmp_path)["console"].sentence
    at, file = now().replace(microsecond=0), tmp_path / "people.toml"
    People(file, (Person("one", Role.STEWARD, at), Person("two", Role.AUDITOR, at))).write()
    found = lines(tmp_path)["console"]
    assert (found.level, "2 persons, 1 stewards" in found.sentence) == (Level.OK, True)
    file.chmod(0o640)
    found = lines(tmp_path)["console"]
    assert (found.level, "can be read by others" in found.sentence) == (Level.FAIL, True)
    assert f"chmod 600 {file}" in found.fix
    file.chmod(0o600)
    file.write_text("[[person]]\n", encoding="utf-8")
    assert lines(tmp_path)["console"].level is Level.FAIL


def test_a_secret_or_a_key_that_cannot_be_used_is_said(tmp_path: Path) -> None:
    missing = lines(tmp_path, oidc_client_secret_file=tmp_path / "nowhere")["console"]
    assert (missing.level, "oidc_client_secret_file" in missing.sentence) == (Level.FAIL, True)
    for name in ("one", "other"):
        made = new_seal(name)
        write_pair(made.private_key, made.certificate, KeyFiles.named(tmp_path, name))
    pair = {"certificate": tmp_path / "one.crt.pem", "key": tmp_path / "other.key.pem"}
    assert lines(tmp_path, **pair)["console"].level is Level.FAIL


def test_the_port_is_free_or_a_consoles_own(sqlite_template: Path, tmp_path: Path) -> None:
    assert "is free" in lines(tmp_path)["console port"].sentence
    shutil.copy(sqlite_template, tmp_path / "ledger.db")
    with Ledger(f"sqlite:///{tmp_path / 'ledger.db'}") as ledger, console_over(ledger, tmp_path) as console:
        found = lines(tmp_path, listen_port=int(console.address.rpartition(":")[2]))["console port"]
    assert (found.level, "a console answers" in found.sentence) == (Level.OK, True)


@contextmanager
def another_program(**given: Any) -> Iterator[int]:
    (port,) = free_ports(1)
    with start_blocking_portal() as portal:
        served = serving(Starlette(), LOOPBACK, port, setting="port", **given)
        with portal.wrap_async_context_manager(served):
            yield port


def test_what_else_has_the_port_is_named_as_another_program(tmp_path: Path) -> None:
    with another_program() as port:
        found = lines(tmp_path, listen_port=port)["console port"]
        assert (found.level, "another program answers" in found.sentence) == (Level.FAIL, True)
    assert (
        lines(tmp_path, listen_host="192.0.2.1", insecure_transport=True)["console port"].level is Level.FAIL
    )


def test_a_console_that_shows_another_certificate_than_the_settings_is_found(tmp_path: Path) -> None:
    sections = []
    for name in ("served", "settings"):
        made = new_seal(name)
        files = KeyFiles.named(tmp_path, name)
        write_pair(made.private_key, made.certificate, files)
        sections.append({"certificate": files.certificate, "key": files.key})
    served, other = sections
    with another_program(tls=Console(**served).serving_tls()) as port:
        wrong = lines(tmp_path, listen_port=port, **other)["console port"]
        assert (wrong.level, "no console of these settings" in wrong.sentence) == (Level.FAIL, True)
        right = lines(tmp_path, listen_port=port, **served)["console port"]
        assert "another program answers" in right.sentence


@pytest.fixture(scope="module")
def provider() -> Iterator[Given]:
    with provider_process() as given:
        yield given


def test_a_provider_that_answers_is_away_or_is_another_is_told_apart(provider: Given, tmp_path: Path) -> None:
    named = settings_for(provider.issuer, tmp_path)
    provider.does()
    assert lines(tmp_path, **named)["console provider"].level is Level.OK
    provider.does("other discovery")
    wrong = lines(tmp_path, **named)["console provider"]
    assert (wrong.level, "another issuer" in wrong.sentence) == (Level.FAIL, True)
    away = settings_for(f"http://localhost:{free_ports(1)[0]}", tmp_path)
    found = lines(tmp_path, **away)["console provider"]
    assert (found.level, "passwords still work" in found.sentence) == (Level.WARN, True)
    assert "console provider" not in lines(tmp_path)
