"""`saraban-bus agency` and `directory export`: what an operator changes is a version with a reason, and not undone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bus.cli import agency_changes
from bus.directory import Agency, Directory, Group, Topic, load_directory, records_of
from bus.directory.model import State
from bus.directory.writing import write_directory
from bus.documents.enrolment import read_invitation
from bus.enrolment.deciding import change_directory, with_agency
from bus.identifiers import AgencyCode
from bus.ledger.entry import Kind
from bus.router.activation import directory_in_force
from bus.thai import BANGKOK
from tests.assets import factory
from tests.assets.factory import DGA, OCS, OPM, SOC
from tests.assets.operators import by
from tests.contract import ledger_rig as rig
from tests.contract.test_bus_cli import Shell, bare, shell

__all__ = ["bare", "shell"]
NOBODY = "9999999999"


def newest(shell: Shell) -> tuple[Directory, dict[str, Any]]:
    with shell.ledger() as ledger, ledger.read() as reader:
        entry = reader.latest(Kind.DIRECTORY)
        assert entry
        return directory_in_force(reader)[1], dict(entry.body)


CHANGES: dict[str, tuple[tuple[str, ...], Callable[[Agency], bool]]] = {
    "suspend": ((), lambda one: not one.active),
    "rename": (("--name", "ชื่อใหม่"), lambda one: (one.name_th, one.name_en) == ("ชื่อใหม่", f"Agency {OCS}")),
    "revoke": ((factory.seal(OCS).fingerprint[:16],), lambda one: one.certificates[0].revoked_at is not None),
}


@pytest.mark.parametrize("command", CHANGES)
def test_a_change_is_a_version_with_operator_and_reason_and_is_made_once(shell: Shell, command: str) -> None:
    words, holds = CHANGES[command]
    assert shell.json("agency", command, OCS, *words, "--reason", "เหตุผล") == {"agency": OCS, "directory": 2}
    directory, entry = newest(shell)
    assert holds(directory.agencies[OCS])
    assert (entry["version"], entry["operator"], entry["reason"]) == (2, "somying", "เหตุผล")
    shell("agency", command, OCS, *words, "--reason", "again", code=2)
    assert "is so already" in shell.err
    assert newest(shell)[0].version == 2


def test_what_was_suspended_is_resumed(shell: Shell) -> None:
    shell("agency", "suspend", OCS, "--reason", "key lost")
    shell("agency", "resume", OCS, "--reason", "key found")
    directory, entry = newest(shell)
    assert (directory.version, directory.agencies[OCS].active, entry["reason"]) == (3, True, "key found")


@pytest.mark.parametrize(
    ("agency", "words", "port"),
    [
        (OCS, (), 5673),  # as one that lost its key, and is on that cluster
        (OPM, (), 5672),
        (NOBODY, (), 5672),
        (NOBODY, ("--cluster", "north"), 5673),
        (OCS, ("--cluster", "main"), 5672),
    ],
)
def test_an_invitation_names_the_cluster_that_the_agency_is_on(
    shell: Shell, agency: str, words: tuple[str, ...], port: int
) -> None:
    with (shell.folder / "bus.toml").open("a") as config:
        config.write('[clusters.north]\nurl = "amqp://127.0.0.1:5673"\n')
    change_directory(
        shell.ledger(),
        lambda directory: with_agency(directory, replace(directory.agencies[OCS], cluster="north")),
        factory.seal("bus"),
        operator=by("test"),
        reason="test",
    )
    shell("agency", "invite", agency, "--name", "ตัวอย่าง", *words, "-o", "invitation")
    invitation = read_invitation((shell.folder / "invitation").read_text("utf-8"))
    assert invitation.broker == f"amqp://127.0.0.1:{port}"
    with shell.ledger() as ledger, ledger.read() as reader:
        invited = reader.latest(Kind.INVITED)
    assert invited
    assert invited.body.get("cluster") == ("north" if port == 5673 else None)


def test_an_agency_on_a_cluster_that_these_settings_do_not_know_is_not_invited_from_here(
    shell: Shell,
) -> None:
    change_directory(
        shell.ledger(),
        lambda directory: with_agency(directory, replace(directory.agencies[OCS], cluster="north")),
        factory.seal("bus"),
        operator=by("test"),
        reason="test",
    )
    shell("agency", "invite", OCS, "--name", "ตัวอย่าง", "-o", "invitation", code=2)
    assert "the settings have no cluster north" in shell.err
    assert not (shell.folder / "invitation").exists()


NONSENSE = {
    "a stranger": ("suspend", NOBODY, "--reason", "x"),
    "no code": ("suspend", "12", "--reason", "x"),
    "Thai digits": ("suspend", "๐๑๐๐๙๐๐๐๐๐", "--reason", "x"),
    "no reason": ("suspend", OCS, "--reason", " "),
    "no name": ("rename", OCS, "--name", "", "--reason", "x"),
    "two lines for a name": ("rename", OCS, "--name", "a\nb", "--reason", "x"),
    "a certificate that is none": ("revoke", OCS, "ab" * 32, "--reason", "x"),
    "too few digits": ("revoke", OCS, factory.seal(OCS).fingerprint[:7], "--reason", "x"),
    "another's certificate": ("revoke", OCS, factory.seal(SOC).fingerprint, "--reason", "x"),
    "nobody asked": ("approve", OCS),
    "nobody to decline": ("decline", OCS, "--reason", "x"),
}


@pytest.mark.parametrize("words", NONSENSE.values(), ids=NONSENSE.keys())
def test_nonsense_is_refused_and_changes_nothing(shell: Shell, words: tuple[str, ...]) -> None:
    shell("agency", *words, code=2)
    assert newest(shell)[0].version == 1


# ── merging ─────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def drained(monkeypatch: pytest.MonkeyPatch) -> list[AgencyCode]:
    """A broker whose queues are empty; gives whose user was removed."""
    removed: list[AgencyCode] = []
    monkeypatch.setattr(agency_changes, "require_drained", lambda settings, agency: None)
    monkeypatch.setattr(agency_changes, "lock_out", lambda settings, agency: removed.append(agency.code))
    return removed


def test_letters_for_a_merged_agency_go_to_the_one_that_took_over(
    shell: Shell, drained: list[AgencyCode]
) -> None:
    with shell.ledger() as ledger, ledger.append() as writer:
        writer.confirmed(writer.consignments([(OCS, 1)]))
    shell("agency", "merge", OCS, "--into", SOC, "--reason", "พ.ร.บ. โอนภารกิจ")
    directory, _ = newest(shell)
    assert (directory.inbox_of(OCS), directory.has_inbox(OCS)) == (SOC, False)
    assert directory.speaks_for(SOC, OCS)
    assert [pin.fingerprint for pin in directory.pins(OCS)] == [factory.seal(OCS).fingerprint]
    assert drained == [OCS]
    shell("agency", "merge", OCS, "--into", OPM, "--reason", "again", code=2)
    assert "has no inbox of its own" in shell.err


def test_an_agency_to_which_something_waits_is_not_merged(shell: Shell, drained: list[AgencyCode]) -> None:
    shell("agency", "merge", OCS, "--into", SOC, "--reason", "x", code=2)
    assert "consignments wait to be published to it" in shell.err
    assert (newest(shell)[0].version, drained) == (1, [])


@pytest.mark.parametrize("into", [OCS, NOBODY, "x"])
def test_an_agency_is_merged_into_no_stranger_and_not_into_itself(
    shell: Shell, drained: list[AgencyCode], into: str
) -> None:
    shell("agency", "merge", OCS, "--into", into, "--reason", "x", code=2)
    assert (newest(shell)[0].version, drained) == (1, [])


# ── export, and what may be applied after a command ─────────────────────────────────────────────


def test_a_file_that_does_not_know_of_a_command_is_not_applied(shell: Shell) -> None:
    shell("agency", "suspend", OCS, "--reason", "key lost")
    shell.write_directory(3, OPM, OCS, SOC)
    shell("directory", "apply", code=2)
    assert "version 2 is in force, made by a command (key lost)" in shell.err
    assert "directory export" in shell.err
    shell("directory", "export", "out")
    (shell.folder / "agencies.toml").write_bytes((shell.folder / "out/agencies.toml").read_bytes())
    for file in (shell.folder / "out").glob("*.pem"):
        (shell.folder / "keys" / file.name).write_bytes(file.read_bytes())
    shell("agency", "rename", SOC, "--name", "ชื่อใหม่", "--reason", "decree")
    text = (shell.folder / "agencies.toml").read_text("utf-8")
    (shell.folder / "agencies.toml").write_text(text.replace("version = 3", "version = 4"), "utf-8")
    shell("directory", "apply", code=2)
    assert "this file was made from version 2" in shell.err
    assert newest(shell)[0].version == 3


def test_an_export_is_applied_while_its_version_is_in_force(shell: Shell) -> None:
    shell("agency", "suspend", OCS, "--reason", "key lost")
    before, _ = newest(shell)
    shell("directory", "export", "out")
    shell("directory", "export", "out", code=2)
    assert "nothing is written over" in shell.err
    config = shell.folder / "bus.toml"
    text = config.read_text().replace('certificates = "keys"', 'file = "out/agencies.toml"')
    config.write_text(text)
    shell("directory", "check")
    shell("directory", "apply")
    after, entry = newest(shell)
    assert (after.version, records_of(after)) == (3, records_of(before))
    assert entry["changed"] == 0
    shell("directory", "apply")
    assert newest(shell)[0].version == 3


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\n"), min_size=1, max_size=20).filter(
    lambda text: text == text.strip()
)
"""Whatever may be a name, control characters included."""
TIMES = st.none() | st.datetimes(
    min_value=(factory.NOW - timedelta(days=900)).replace(tzinfo=None),
    max_value=factory.NOW.replace(tzinfo=None),
    timezones=st.just(BANGKOK),
)


@st.composite
def directories(draw: st.DrawFn) -> Directory:
    """Directories of four agencies with names of any kind, groups, topics and certificates revoked at any time."""

    def some(code: AgencyCode, **more: Any) -> Agency:
        pin = factory.pin(factory.seal(code), revoked_at=draw(TIMES))
        agency = rig.agency(code, pin)
        prefixes = tuple(draw(st.lists(TEXT, max_size=2, unique=True)))
        state: State = draw(st.sampled_from(("active", "suspended")))
        return replace(
            agency,
            name_th=draw(TEXT),
            name_en=draw(TEXT),
            abbrev_th=draw(st.just("") | TEXT),
            prefixes=prefixes,
            state=state,
            sealed=draw(st.booleans()),
            **more,
        )

    agencies = [some(OPM), some(OCS, cluster="north"), some(SOC, broker_login="certificate")]
    agencies.append(some(DGA, inbox=False, parent=OCS, successor=OCS))
    group = Group(id="all", name_th=draw(TEXT), name_en=draw(TEXT), members=(AgencyCode("*"),))
    topic = Topic(id="news", name_th=draw(TEXT), name_en=draw(TEXT), subscribers=(OPM, SOC))
    return Directory(
        version=draw(st.integers(1, 10**6)),
        agencies={one.code: one for one in agencies},
        groups={group.id: group},
        topics={topic.id: topic},
        bus_certificates=(factory.pin(factory.seal("bus")),),
    )


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(directory=directories())
def test_an_export_that_is_read_has_the_same_records(
    tmp_path_factory: pytest.TempPathFactory, directory: Directory
) -> None:
    file = write_directory(directory, tmp_path_factory.mktemp("out"))
    again = load_directory(file)
    assert records_of(again) == records_of(directory)
    assert (again.version, again.follows) == (directory.version + 1, directory.version)
