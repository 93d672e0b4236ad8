"""`saraban-adapter doctor` and `ping` of a real bus: every line is true, the mailbox stays as it is, nothing leaks."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import time
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tomli_w

from adapters.agent.witnessing import COSIGNED_SIZE
from adapters.mailbox.entries import UNANSWERED
from adapters.mailbox.properties import RECONCILED_AT
from bus.broker.management import Management
from compose.local import LocalBus
from compose.node import Node
from tests.assets import directories
from tests.assets.factory import OCS, OPM, SOC
from tests.faults.waiting import eventually
from tests.journey.conftest import running_bus, start

CANARY = "C4NARY"


@pytest.fixture(scope="module")
def bus(broker_node: Node, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalBus]:
    """A bus with depot, router and the adapters of two agencies."""
    with running_bus(broker_node, tmp_path_factory.mktemp("bus"), directory=directories.text()) as bus:
        start(bus)
        for code in (OPM, OCS):
            bus.start_adapter(code)
        yield bus


def doctor(bus: LocalBus, code: str, *options: str) -> tuple[int, dict[str, list[tuple[str, str]]]]:
    """What the doctor says of an agency, by check: level and sentence."""
    done = bus.run_adapter(code, "doctor", "--json", *options)
    assert "Traceback" not in done.stderr, done.stderr
    found: dict[str, list[tuple[str, str]]] = {}
    for line in json.loads(done.stdout)["lines"]:
        assert line["fix"] or line["level"] == "OK", line
        found.setdefault(line["check"], []).append((line["level"], line["sentence"]))
    return done.returncode, found


def levels(found: dict[str, list[tuple[str, str]]], check: str) -> set[str]:
    return {level for level, _ in found[check]}


def with_settings(bus: LocalBus, folder: Path, code: str, **changes: dict[str, Any]) -> Path:
    """Settings of an agency with other values in some sections, in a folder of their own."""
    settings = tomllib.loads(bus.adapter_settings(code).read_text(encoding="utf-8"))
    for section, values in changes.items():
        settings.setdefault(section, {}).update(values)
    file = folder / "adapter.toml"
    file.write_text(tomli_w.dumps(settings), encoding="utf-8")
    return file


def of(bus: LocalBus, file: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return bus._run("adapters", ["--config", str(file), *words])


def lines_of(done: subprocess.CompletedProcess[str], check: str) -> list[dict[str, str]]:
    return [each for each in json.loads(done.stdout)["lines"] if each["check"].startswith(check)]


def rows(bus: LocalBus, code: str) -> dict[str, int]:
    """How many rows each table of a mailbox has, but for what the running adapter goes on with by itself."""
    with sqlite3.connect(f"file:{bus.mailbox(code) / 'mailbox.sqlite'}?mode=ro", uri=True) as opened:
        names = [name for (name,) in opened.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        names.remove("seen_heads")  # its witness cosigns whenever there is a head
        found = {name: opened.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in names}
        own = "SELECT count(*) FROM properties WHERE name IN (?, ?)"
        found["properties"] -= opened.execute(own, (COSIGNED_SIZE, RECONCILED_AT)).fetchone()[0]
        return found


def unanswered(bus: LocalBus, code: str) -> int:
    """How much of what a mailbox has sent is not answered, and of what came not judged."""
    with sqlite3.connect(f"file:{bus.mailbox(code) / 'mailbox.sqlite'}?mode=ro", uri=True) as opened:
        sent = "SELECT count(*) FROM outbox WHERE state IN ({})".format(", ".join("?" * len(UNANSWERED)))
        found = opened.execute(sent, [str(state) for state in UNANSWERED]).fetchone()[0]
        return int(
            found + opened.execute("SELECT count(*) FROM arrivals WHERE state = 'stored'").fetchone()[0]
        )


def pinged(bus: LocalBus, code: str, *to: str) -> dict[str, Any]:
    done = bus.run_adapter(code, "ping", *to, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    view: dict[str, Any] = json.loads(done.stdout)
    return view


STEPS = ["sealed", "uploaded", "published", "accepted", "consigned", "received", "fetched", "receipt home"]


def test_a_test_letter_to_oneself_shows_when_it_was_where_and_the_office_hears_nothing(bus: LocalBus) -> None:
    view = pinged(bus, OPM)
    assert [each["step"] for each in view["steps"]] == STEPS
    assert all(-1 < each["seconds"] < 60 for each in view["steps"] if each["at"])
    assert view["state"] == "accepted"
    shown = bus.run_adapter(OPM, "show", view["letter_id"], "--json")
    letter = json.loads(shown.stdout)
    assert letter["kind"]["code"] == "test"
    assert "ไม่ใช่หนังสือราชการ" in letter["content"]["subject"] if "content" in letter else letter["subject"]
    exchange = bus.exchange_folder(OPM)
    assert list((exchange / "inbox").iterdir()) == []
    assert view["letter_id"] not in "".join(
        each.read_text(encoding="utf-8") for each in (exchange / "receipts").iterdir()
    )


def test_a_test_letter_to_another_agency_comes_back_with_its_receipt_and_is_a_test_letter_there(
    bus: LocalBus,
) -> None:
    view = pinged(bus, OPM, OCS)
    steps = [each["step"] for each in view["steps"]]
    assert steps == [each for each in STEPS if each != "received"]
    # The receipt is of the mailbox; the folder is filled from there a moment later.
    shown = bus.exchange_folder(OCS) / "inbox"
    # Under a hidden name until it is whole.
    (folder,) = eventually(lambda: list(shown.glob("[!.]*")), "the letter lies in the office's folder")
    letter = json.loads((folder / "letter.json").read_text(encoding="utf-8"))
    assert letter["letter_id"] == view["letter_id"]
    assert letter["kind"]["th"] == "หนังสือทดสอบระบบ"
    assert letter["acknowledgement"] == "receipt"
    assert letter["number"] is None


def test_a_ping_that_nobody_would_send_or_to_nobody_is_a_sentence(bus: LocalBus) -> None:
    done = bus.run_adapter(SOC, "ping")
    assert done.returncode == 2
    assert "there is no mailbox" in done.stderr
    done = bus.run_adapter(OPM, "ping", "nobody of this name")
    assert done.returncode == 2
    assert "nearest" in done.stderr


def test_all_is_ok_beside_a_running_adapter_and_nothing_of_the_mailbox_changes(bus: LocalBus) -> None:
    pinged(bus, OPM)
    eventually(lambda: not unanswered(bus, OPM), "its receipt is answered, too")
    before = rows(bus, OPM)
    status, found = doctor(bus, OPM)
    bad = {check: each for check, each in found.items() if levels(found, check) != {"OK"}}
    assert (status, bad) == (0, {})
    assert rows(bus, OPM) == before
    port = bus.broker.amqp_url.rpartition(":")[2]
    said = str(found)
    for words in (
        f"127.0.0.1:{port}",
        "RabbitMQ",
        f"inbox.{OPM} is there",
        "it runs",
        "fetched again",
        "the broker tells no time",
    ):
        assert words in said
    assert set(found) == {
        "version", "configuration", "certificate", "encoding", "mailbox", "directory", "adapter", "receipts",
        "office folder", f"broker 127.0.0.1:{port}", "depot", "depot files",
    }  # fmt: skip
    assert not list((bus.exchange_folder(OPM) / "working").iterdir())


def test_asking_again_costs_no_room_in_the_depot(bus: LocalBus) -> None:
    doctor(bus, OPM)
    with sqlite3.connect(f"file:{bus.folder / 'depot.db'}?mode=ro", uri=True) as opened:
        tables = [name for (name,) in opened.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        before = {name: opened.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in tables}
    doctor(bus, OPM)
    with sqlite3.connect(f"file:{bus.folder / 'depot.db'}?mode=ro", uri=True) as opened:
        after = {name: opened.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in tables}
    assert after == before


@pytest.mark.parametrize(
    ("section", "values", "check", "words"),
    [
        ("broker", {"password": "wr0ng-s3cret"}, "broker", "(403)"),
        ("broker", {"url": "amqp://127.0.0.1:1"}, "broker", "Connection refused"),
        ("broker", {"vhost": "no-such-vhost"}, "broker", "(530)"),
        ("depot", {"url": "http://127.0.0.1:1"}, "depot", "connect"),
        ("seal", {}, "depot files", "401"),
    ],
)
def test_what_is_wrong_is_a_fail_with_what_to_do(
    bus: LocalBus, tmp_path: Path, section: str, values: dict[str, str], check: str, words: str
) -> None:
    changed = dict(values)
    if "password" in changed:
        file = tmp_path / "password"
        file.touch(mode=0o600)
        file.write_text(changed.pop("password"))
        changed["password_file"] = str(file)
    if section == "seal":
        changed = {"key": str(bus.keys / f"{OCS}.key.pem"), "certificate": str(bus.keys / f"{OCS}.crt.pem")}
    done = of(bus, with_settings(bus, tmp_path, OPM, **{section: changed}), "doctor", "--json")
    assert done.returncode == 2
    failed = [each for each in lines_of(done, check) if each["level"] == "FAIL"]
    assert failed
    assert words.lower() in failed[0]["sentence"].lower(), failed
    assert failed[0]["fix"]
    assert "s3cret" not in done.stdout + done.stderr


def test_an_agency_without_an_inbox_is_told_so(bus: LocalBus) -> None:
    """Its user may log in, and its queue is gone."""
    with Management(bus.broker.management_url) as management:
        management.delete("queues", bus.vhost, f"inbox.{SOC}")
        try:
            _, found = doctor(bus, SOC)
        finally:
            bus.apply_topology()
    (check,) = [name for name in found if name.startswith("broker")]
    assert "FAIL" in levels(found, check)
    assert "NOT_FOUND" in str(found[check])


def test_an_exchange_folder_that_cannot_be_used_is_told(bus: LocalBus, tmp_path: Path) -> None:
    share = tmp_path / "share"
    file = with_settings(bus, tmp_path, OPM, connectors={"folder": {"enabled": True, "path": str(share)}})
    share.mkdir()
    (line,) = lines_of(of(bus, file, "doctor", "--json"), "office folder")
    assert (line["level"], "Mount" in line["fix"]) == ("WARN", True)
    shutil.copytree(bus.exchange_folder(OPM), share, dirs_exist_ok=True)
    (share / "receipts").rename(share / "elsewhere")
    found = lines_of(of(bus, file, "doctor", "--json"), "office folder")
    assert "receipts is missing" in str(found)


def test_the_bundle_has_no_secret_no_word_of_a_letter_and_no_name_of_an_office(
    bus: LocalBus, tmp_path: Path
) -> None:
    secret = bus.passwords.of(f"agency.{OPM}")
    passphrase = f"{CANARY}-passphrase"
    letter = tmp_path / f"{CANARY}.letter.toml"
    (tmp_path / f"{CANARY}-ไฟล์.pdf").write_bytes(b"%PDF " + CANARY.encode() + b" %%EOF")
    manifest = {
        "date": "2026-11-22", "to": ["9999999999"], "subject": f"{CANARY} เรื่อง", "body": CANARY,
        "number": f"{CANARY} 1/2", "reference": f"{CANARY}-ref", "files": [f"{CANARY}-ไฟล์.pdf"],
        "signers": [{"given_name": CANARY, "family_name": CANARY, "job_title": CANARY}],
    }  # fmt: skip
    letter.write_text(tomli_w.dumps(manifest), encoding="utf-8")
    done = bus.run_adapter(OPM, "send", str(letter))
    assert done.returncode == 0, done.stderr
    (bus.exchange_folder(OPM) / "outbox" / f"{CANARY}.pdf").write_bytes(b"%PDF")
    _refused(bus, OPM)
    file = tmp_path / "help.zip"
    env = {"SARABAN_ADAPTER__WITNESS__PASSPHRASE": passphrase}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in env.items():
            patch.setenv(name, value)
        bus.run_adapter(OPM, "doctor", "--bundle", str(file))
    with zipfile.ZipFile(file) as archive:
        members = {name: archive.read(name).decode() for name in archive.namelist()}
    assert set(members) == {"about.json", "doctor.json", "settings.json", "status.json"}
    everything = "".join(members.values())
    assert CANARY not in everything
    assert secret not in everything
    assert "(set, and not shown)" in members["settings.json"]
    status = json.loads(members["status.json"])
    assert status["refusals"] == {"recipient.unknown": 1}
    assert status["running"] is True
    assert json.loads(members["about.json"])["agency"] == OPM


def _refused(bus: LocalBus, code: str) -> None:
    """Wait until the bus has refused a letter."""
    end = time.monotonic() + 120
    while not json.loads(bus.run_adapter(code, "status", "--json").stdout)["outbox"]["letter"].get("refused"):
        assert time.monotonic() < end
