"""`saraban-bus agency`: each change is a version of the directory with its operator and its reason."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bus.directory import Agency
from bus.ledger.entry import Kind
from bus.router.activation import directory_in_force
from compose.local import LocalBus
from tests.assets.factory import OCS, OPM
from tests.fixtures.broker import Vhost


@pytest.fixture
def bus(tmp_path: Path, vhost: Vhost) -> Iterator[LocalBus]:
    with LocalBus(
        tmp_path / "bus", broker=vhost.node, vhost=f"{vhost.name}-agency", witnesses=False
    ) as started:
        yield started


def done(bus: LocalBus, *words: str) -> subprocess.CompletedProcess[str]:
    found = bus.run_bus("agency", *words)
    assert found.returncode == 0, found.stderr
    return found


def agency(bus: LocalBus, code: str) -> Agency:
    with bus.open_ledger().read() as reader:
        return directory_in_force(reader)[1].agencies[code]  # type: ignore[index]


def newest(bus: LocalBus) -> Any:
    with bus.open_ledger().read() as reader:
        entry = reader.latest(Kind.DIRECTORY)
    assert entry is not None
    return entry.body


def test_each_command_changes_what_it_says_and_stands_in_the_ledger_with_its_reason(bus: LocalBus) -> None:
    begun = newest(bus)["version"]
    done(bus, "suspend", OCS, "--reason", "no adapter for a week")
    assert not agency(bus, OCS).active
    assert newest(bus)["reason"] == "no adapter for a week"
    assert newest(bus)["operator"]
    done(bus, "resume", OCS, "--reason", "it is back")
    assert agency(bus, OCS).active
    done(bus, "rename", OCS, "--name", "สำนักงานใหม่", "--reason", "by a royal decree (sample)")
    assert agency(bus, OCS).name_th == "สำนักงานใหม่"
    pin = agency(bus, OCS).certificates[0]
    before = datetime.now(UTC)
    done(bus, "revoke", OCS, pin.fingerprint[:12], "--reason", "the key was lost")
    (revoked,) = agency(bus, OCS).certificates
    assert revoked.fingerprint == pin.fingerprint
    assert revoked.revoked_at is not None
    assert before <= revoked.revoked_at <= datetime.now(UTC)
    assert newest(bus)["version"] == begun + 4
    assert newest(bus)["changed"] == 1
    # What was changed by commands is what the broker's topology is held against, not the older file.
    assert json.loads(bus.run_bus("topology", "check", "--json").stdout) == {"drift": []}


MISTAKES = [
    ("suspend", "0000000009", "--reason", "x"),
    ("suspend", "12", "--reason", "x"),
    ("suspend", OCS),
    ("revoke", OCS, "00000000", "--reason", "x"),
    ("revoke", OCS, "", "--reason", "x"),
    ("merge", OCS, "--into", "0000000009", "--reason", "x"),
    ("merge", OCS, "--into", OCS, "--reason", "x"),
    ("approve", OCS, "--fingerprint", "0" * 64),
    ("decline", OCS, "--reason", "x"),
    ("invite", OCS, "--name", "ก", "--cluster", "nowhere"),
    ("invite", OCS, "--name", "ก", "--days", "0"),
]


def test_what_cannot_be_meant_is_a_mistake_and_changes_nothing(bus: LocalBus) -> None:
    before = newest(bus)
    for words in MISTAKES:
        found = bus.run_bus("agency", *words)
        assert found.returncode == 2, (words, found.stderr)
        assert "Traceback" not in found.stderr
        assert newest(bus) == before


def test_an_agency_is_merged_only_when_it_has_taken_everything_and_its_letters_go_on(bus: LocalBus) -> None:
    waits = bus.run_bus("agency", "merge", OCS, "--into", OPM, "--reason", "x")
    assert waits.returncode == 2
    assert "consignments wait for it" in waits.stderr
    bus.start_all([OCS])
    _until_taken(bus)
    done(bus, "merge", OCS, "--into", OPM, "--reason", "it was dissolved (sample)")
    merged = agency(bus, OCS)
    assert (merged.inbox, merged.parent, merged.successor) == (False, OPM, OPM)
    with bus.open_ledger().read() as reader:
        assert directory_in_force(reader)[1].inbox_of(OCS) == OPM
    assert bus.run_bus("ledger", "verify").returncode == 0


def _until_taken(bus: LocalBus) -> None:
    end = datetime.now(UTC).timestamp() + 60
    while True:
        with bus.open_ledger().read() as reader:
            if not reader.waiting_for(OCS, 1):
                return
        assert datetime.now(UTC).timestamp() < end


def test_an_invitation_is_written_once_and_for_its_owner_only(bus: LocalBus, tmp_path: Path) -> None:
    file = tmp_path / "one.saraban"
    done(bus, "invite", OCS, "--name", "ก", "-o", str(file))
    assert file.stat().st_mode & 0o777 == 0o600
    again = bus.run_bus("agency", "invite", OCS, "--name", "ก", "-o", str(file))
    assert again.returncode == 2
    assert "is there" in again.stderr
