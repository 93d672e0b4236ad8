"""A centre made by `init` over TLS, by the commands that it prints; and its doctor, whose every line is true."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import socket
import subprocess
import sys
import time
import tomllib
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import tomli_w
from sqlalchemy import create_engine, make_url, text

from bus.broker.management import Management
from bus.broker.passwords import Passwords
from bus.documents.notes import make_key
from bus.ledger import examining, halt, schema
from bus.ledger.store import Ledger
from bus.router.signers import ledger_signer
from bus.settings.bus import load_bus_settings
from compose.encrypted import EncryptedNode
from compose.ports import LOOPBACK, free_ports
from compose.process import Running
from tests.assets.operators import by
from tests.programs import programs


@dataclass(frozen=True)
class Centre:
    """A folder that `init` has made, and the broker that it is for."""

    home: Path
    node: EncryptedNode
    environment: dict[str, str]

    def run(self, *words: str, config: Path | None = None) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "bus", *words, "--config", str(config or self.home / "bus.toml")]
        return programs.finished(command, environment=self.environment)

    def doctor(self, *words: str, config: Path | None = None) -> tuple[int, list[dict[str, str]]]:
        done = self.run("doctor", "--json", *words, config=config)
        assert "Traceback" not in done.stderr, done.stderr
        lines: list[dict[str, str]] = json.loads(done.stdout)["lines"]
        assert all(line["fix"] or line["level"] == "OK" for line in lines)
        return done.returncode, lines

    def with_settings(self, folder: Path, **changes: dict[str, Any]) -> Path:
        """Settings with other values in some sections, in a folder of their own, whose paths lead to this centre."""
        settings = tomllib.loads((self.home / "bus.toml").read_text(encoding="utf-8"))
        for section, values in changes.items():
            settings.setdefault(section, {}).update(values)
        for name in ("keys", "passwords", "var"):
            if not (folder / name).exists():
                (folder / name).symlink_to(self.home / name)
        for name in ("agencies.toml", "calendar.toml"):
            shutil.copy(self.home / name, folder / name)
        file = folder / "bus.toml"
        file.write_text(tomli_w.dumps(settings), encoding="utf-8")
        return file


@pytest.fixture(scope="module")
def centre(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Centre]:
    folder = tmp_path_factory.mktemp("centre")
    port, metrics = free_ports(2)
    with EncryptedNode(folder / "node") as node:
        password, user = folder / "administrator", urlsplit(node.management_url)
        password.touch(mode=0o600)
        password.write_text(f"{user.password}\n")
        depot = node.issued("depot", lambda public: node.authority.server(public, [LOOPBACK]))
        environment = {
            **os.environ,
            "SARABAN_BUS__BROKER__MANAGEMENT_USER": user.username or "",
            "SARABAN_BUS__DEPOT__URL": f"https://{LOOPBACK}:{port}",
            "SARABAN_BUS__DEPOT__LISTEN_PORT": str(port),
            "SARABAN_BUS__ROUTER__METRICS_PORT": str(metrics),
        }
        made = Centre(folder / "home", node, environment)
        options = {
            "--broker": node.amqps_url, "--management": node.https_url, "--admin-password-file": password,
            "--ca-file": node.ca_file, "--depot-certificate": depot.certificate, "--depot-key": depot.key,
        }  # fmt: skip
        words = [str(word) for option in options.items() for word in option]
        init = [
            sys.executable,
            "-m",
            "bus",
            "init",
            str(made.home),
            "--yes",
            "--json",
            "--person",
            "somying-sample",
            *words,
        ]
        done = programs.finished(init, environment=environment)
        assert done.returncode == 0, done.stderr
        running: list[Running] = []
        try:
            for command in json.loads(done.stdout)["next"]:
                _, *typed = shlex.split(command, comments=True)
                typed = [sys.executable, "-m", "bus", *typed]
                if typed[3] in ("serve", "router", "enrol"):
                    with (folder / typed[3]).open("wb") as log:
                        running.append(programs.begin(typed, environment=environment, log=log))
                elif typed[3] not in ("doctor", "agency"):
                    said = programs.finished(typed, environment=environment)
                    assert said.returncode == 0, said.stderr
            assert len(running) == 3
            _until_listening(port)
            yield made
        finally:
            for process in running:
                process.terminate()
            assert [process.wait(30) for process in running] == [0] * len(running)


def _until_listening(port: int) -> None:
    end = time.monotonic() + 60
    while True:
        try:
            socket.create_connection((LOOPBACK, port), timeout=1).close()
            return
        except OSError:
            assert time.monotonic() < end
            time.sleep(0.1)


def of(lines: list[dict[str, str]], check: str, level: str) -> str:
    """What the lines of a level say under a name."""
    return "\n".join(
        one["sentence"] for one in lines if one["check"].startswith(check) and one["level"] == level
    )


def test_a_centre_made_by_the_printed_commands_is_well(centre: Centre) -> None:
    end = time.monotonic() + 60
    while True:  # the depot's own look at what it needs comes a moment after it listens
        _, lines = centre.doctor()
        bad = [one for one in lines if one["level"] != "OK" and "are free" not in one["sentence"]]
        if not bad or time.monotonic() > end:
            break
    assert bad == []
    checks = {one["check"] for one in lines}
    assert {"configuration", "certificates", "database", "ledger", "log key", "agencies", "waiting"} < checks
    assert {"depot folder", "depot", "broker cluster main"} < checks
    said = "\n".join(one["sentence"] for one in lines)
    for words in (
        "TLS: the broker's certificate",
        "RabbitMQ",
        "2097152 bytes",
        "of 0 agencies",
        "the broker",
    ):
        assert words in said, words


def test_it_changes_nothing(centre: Centre) -> None:
    with Management(centre.node.management_url) as management:
        before = management.get("definitions"), _entries(centre)
        centre.doctor()
        after = management.get("definitions"), _entries(centre)
    assert after == before


def _entries(centre: Centre) -> int:
    settings = load_bus_settings(centre.home / "bus.toml")
    with Ledger(settings.ledger.address()) as ledger, ledger.read() as reader:
        return reader.head()


@pytest.mark.parametrize(
    ("section", "values", "check", "words"),
    [
        ("broker", {"max_message_bytes": 3 * 1024 * 1024}, "broker 127", "it refuses messages of 3145728"),
        ("broker", {"url": "amqps://127.0.0.1:1"}, "broker 127", "Connection refused"),
        ("broker", {"ca_file": "keys/bus.crt.pem"}, "broker 127", "TLS: "),
        ("broker", {"management_url": "https://127.0.0.1:1"}, "broker cluster", "does not answer"),
        ("broker", {"management_password_file": "passwords/bus.router"}, "broker cluster", "401"),
        ("broker", {"vhost": "elsewhere"}, "broker 127", "(530)"),
        ("broker", {"vhost": "elsewhere"}, "broker cluster", "vhost elsewhere is missing"),
        ("broker", {"inbox_max_messages": 7}, "broker cluster", "policy"),
        ("ledger", {"url": "sqlite:///nowhere.db"}, "database", "there is no ledger"),
        ("depot", {"folder": "nowhere"}, "depot folder", "is not there"),
        ("seal", {"key": "keys/log.key.pem"}, "configuration", "log.key.pem"),
        ("ledger", {"origin": "another/ledger"}, "log key", "not signed with it"),
    ],
)
def test_what_is_wrong_is_a_fail_with_what_to_do(
    centre: Centre, tmp_path: Path, section: str, values: dict[str, Any], check: str, words: str
) -> None:
    _sign(centre)
    status, lines = centre.doctor(config=centre.with_settings(tmp_path, **{section: values}))
    assert status == 2
    assert words in of(lines, check, "FAIL"), lines
    assert not (tmp_path / "nowhere.db").exists()


@pytest.mark.parametrize("named", [True, False])
def test_where_only_a_router_runs_the_cluster_is_not_looked_at_and_the_rest_is(
    centre: Centre, tmp_path: Path, named: bool
) -> None:
    line = 'management_password_file = "passwords/nowhere"\n'
    config = centre.with_settings(tmp_path, broker={"management_password_file": "passwords/nowhere"})
    text = config.read_text(encoding="utf-8")
    assert line in text
    config.write_text(text if named else text.replace(line, ""), encoding="utf-8")
    _sign(centre)
    status, lines = centre.doctor(config=config)
    assert status == 1
    assert "not looked at from here" in of(lines, "broker cluster main", "WARN")
    assert "RabbitMQ" in of(lines, "broker 127", "OK")
    assert of(lines, "", "FAIL") == ""


def _sign(centre: Centre) -> None:
    settings = load_bus_settings(centre.home / "bus.toml")
    with Ledger(settings.ledger.address()) as ledger:
        ledger_signer(settings, ledger).sign()


def test_what_others_can_read_is_named(centre: Centre) -> None:
    file = centre.home / "passwords" / "bus.monitor"
    file.chmod(0o644)
    try:
        status, lines = centre.doctor()
    finally:
        file.chmod(0o600)
    assert status == 2
    assert str(file) in of(lines, "configuration", "FAIL")


def test_another_log_key_is_found_before_it_signs(centre: Centre, tmp_path: Path) -> None:
    _sign(centre)
    make_key(tmp_path / "other.pem")
    config = centre.with_settings(tmp_path, ledger={"key": "other.pem"})
    _, lines = centre.doctor(config=config)
    assert of(lines, "log key", "FAIL").count("not signed with it") == 2


def test_a_queue_that_is_gone_and_an_alarm_are_told(centre: Centre) -> None:
    with Management(centre.node.management_url) as management:
        management.delete("exchanges", "saraban", "dead")
    centre.node.set_memory_alarm(True)
    try:
        end = time.monotonic() + 120
        while "alarm" not in of(lines := centre.doctor()[1], "broker cluster", "FAIL"):
            assert time.monotonic() < end, lines
    finally:
        centre.node.set_memory_alarm(False)
        assert centre.run("topology", "apply").returncode == 0
    assert "exchange dead is missing" in of(lines, "broker cluster", "FAIL")


def test_a_halted_ledger_comes_with_its_reason(centre: Centre) -> None:
    settings = load_bus_settings(centre.home / "bus.toml")
    with Ledger(settings.ledger.address()) as ledger:
        halt.set_halted(ledger.engine, True, operator=by("test"), reason="a sample of a reason")
        try:
            status, lines = centre.doctor()
        finally:
            halt.set_halted(ledger.engine, False, operator=by("test"), reason="over")
    assert status == 2
    assert "a sample of a reason" in of(lines, "ledger", "FAIL")


def test_the_bundle_has_no_secret_and_is_for_its_owner_alone(centre: Centre, tmp_path: Path) -> None:
    file = tmp_path / "help.zip"
    centre.doctor("--bundle", str(file))
    assert file.stat().st_mode & 0o77 == 0
    with zipfile.ZipFile(file) as archive:
        members = {name: archive.read(name).decode() for name in archive.namelist()}
    assert set(members) == {"about.json", "doctor.json", "settings.json", "ledger.json"}
    everything = "".join(members.values())
    for secret in (centre.home / "passwords").iterdir():
        assert Passwords(secret.parent).of(secret.name) not in everything
    assert "PRIVATE KEY" not in everything
    assert json.loads(members["ledger.json"])["halted"] is False


def test_the_rights_of_a_role_are_told_as_they_are(postgres_url: str) -> None:
    """A superuser, an owner, a router, and one that may do too little."""
    role = f"router_{os.getpid()}"
    schema.upgrade(postgres_url)
    assert examining.look_at(postgres_url).excess == ("everything: it is a superuser",)
    theirs = make_url(postgres_url).set(username=role, password="sample")
    url = theirs.render_as_string(hide_password=False)
    engine = create_engine(postgres_url)
    try:
        with engine.begin() as connection:
            connection.execute(text(f"CREATE ROLE {role} LOGIN PASSWORD 'sample'"))
            connection.execute(text(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}"))
        assert any(one.startswith("INSERT") and "entries" in one for one in examining.look_at(url).lacking)
        schema.upgrade(postgres_url, runtime_role=role)
        seen = examining.look_at(url)
        assert (seen.excess, seen.lacking) == ((), ())
        assert "fsync = off" in seen.unsafe  # as the tests' own server has it
        with engine.begin() as connection:
            connection.execute(text(f"GRANT DELETE ON entries TO {role}"))
        assert examining.look_at(url).excess == ("DELETE entries",)
    finally:
        with engine.begin() as connection:
            connection.execute(text(f"DROP OWNED BY {role}"))
            connection.execute(text(f"DROP ROLE {role}"))
        engine.dispose()
