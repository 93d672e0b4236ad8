"""The topology on a real broker: applied once and for all, and every departure from it told."""

from __future__ import annotations

import asyncio
import json
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from bus.broker import admin
from bus.broker.admin import apply, drift
from bus.broker.management import Management
from bus.broker.passwords import Passwords
from bus.broker.topology import (
    agency_of_exchange,
    agency_of_user,
    inbox_queue,
    intake_queue,
    submit_exchange,
    topology_for,
    user_of,
)
from bus.errors import Misconfigured, Transient
from compose.node import Node
from tests.broker.samples import NEIGHBOUR, SENDER, until
from tests.fixtures.broker import TESTER, Vhost

QUORUM = {"durable": True, "arguments": {"x-queue-type": "quorum"}}
OPEN = {"configure": ".*", "write": ".*", "read": ".*"}
SUBMIT = submit_exchange(SENDER)
INBOX = inbox_queue(SENDER)
INTAKE = intake_queue(SENDER)
USER = user_of(SENDER)


@pytest.fixture
def bare(vhost: Vhost) -> Vhost:
    """A vhost without the tests' own user, whose rights would be a drift."""
    vhost.management.delete("users", TESTER)
    return vhost


def test_names_lead_to_the_agency_and_back() -> None:
    assert agency_of_user(user_of(SENDER)) == agency_of_exchange(submit_exchange(SENDER)) == SENDER
    assert [agency_of_user(name) for name in ("bus.router", "agency.", SENDER)] == [None] * 3
    assert [agency_of_exchange(name) for name in ("", "deliver", "submit.")] == [None] * 3


def test_applied_twice_the_second_time_does_nothing(bare: Vhost) -> None:
    topology = topology_for([SENDER, NEIGHBOUR], vhost=bare.name)
    done = apply(topology, bare.management, bare.passwords)
    assert f"added queue {INBOX}" in done
    assert f"added permission {USER}" in done
    assert apply(topology, bare.management, bare.passwords) == []
    assert drift(topology, bare.management, bare.passwords) == []


class _PowerCut(Exception):
    """What ends an `apply` between two portions."""


def test_what_was_interrupted_between_two_portions_is_taken_up_where_it_was_left(
    bare: Vhost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admin, "_PORTION", 5)
    topology = topology_for([SENDER, NEIGHBOUR], vhost=bare.name)
    seen: list[tuple[int, int]] = []

    def cut(done: int, total: int) -> None:
        seen.append((done, total))
        if len(seen) == 2:
            raise _PowerCut

    with pytest.raises(_PowerCut):
        apply(topology, bare.management, bare.passwords, cut)
    (_, total) = seen[-1]
    assert seen == [(5, total), (10, total)]
    assert drift(topology, bare.management, bare.passwords) != []
    assert len(apply(topology, bare.management, bare.passwords)) == total - 10
    assert drift(topology, bare.management, bare.passwords) == []


def test_applied_to_nothing_it_makes_the_vhost(bare: Vhost) -> None:
    topology = topology_for([SENDER], vhost=bare.name)
    bare.management.delete("vhosts", bare.name)
    assert drift(topology, bare.management, bare.passwords) == [f"vhost {bare.name} is missing"]
    assert apply(topology, bare.management, bare.passwords)[0] == f"added vhost {bare.name}"
    assert drift(topology, bare.management, bare.passwords) == []


def test_a_new_agency_is_added_and_the_others_are_left_alone(bare: Vhost) -> None:
    bare.apply([SENDER])
    done = apply(topology_for([SENDER, NEIGHBOUR], vhost=bare.name), bare.management, bare.passwords)
    assert done
    assert all(NEIGHBOUR in line for line in done)


def test_the_permissions_are_exactly_these(bare: Vhost) -> None:
    bare.apply([SENDER])
    held = {
        each["user"]: (each["configure"], each["write"], each["read"])
        for each in bare.management.get("permissions")
        if each["vhost"] == bare.name and each["user"] != bare.management.user
    }
    assert held == {
        "agency.0100100000": ("^$", r"^submit\.0100100000$", r"^inbox\.0100100000$"),
        "bus.router": ("^$", "^deliver$", r"^(intake\..+|router\.parked)$"),
        "bus.monitor": ("^$", "^$", "^$"),
    }


def test_every_queue_obeys_its_policy_and_bears_no_more_than_its_type(bare: Vhost) -> None:
    topology = bare.apply([SENDER])
    columns = ("name", "policy", "arguments")
    listed = json.loads(bare.node.ctl("list_queues", "-p", bare.name, "--formatter", "json", *columns))
    assert {each["name"]: each["policy"] for each in listed} == {
        INTAKE: "intake",
        "router.parked": "parked",
        "router.probe": "probe",
        INBOX: "inbox",
    }
    assert [each["arguments"] for each in listed] == [[["x-queue-type", "longstr", "quorum"]]] * 4
    endless = {"overflow": "reject-publish", "delivery-limit": 1_000_000}
    assert {policy.name: policy.definition for policy in topology.policies} == {
        "intake": {
            "overflow": "reject-publish",
            "delivery-limit": 5,
            "dead-letter-exchange": "dead",
            "dead-letter-strategy": "at-least-once",
            "max-length": 50_000,
            "max-length-bytes": 2 * 1024**3,
        },
        "parked": endless,
        "inbox": endless,
        "probe": {"max-length": 1, "overflow": "drop-head"},
    }


Change = Callable[[Management, str], None]

DRIFTS: dict[str, tuple[Change, str, bool]] = {
    "missing binding": (
        lambda broker, vhost: broker.delete("bindings", vhost, "e", SUBMIT, "q", INTAKE, "~"),
        f"binding {SUBMIT} → {INTAKE} is missing",
        True,
    ),
    "missing queue": (
        lambda broker, vhost: broker.delete("queues", vhost, "router.parked"),
        "queue router.parked is missing",
        True,
    ),
    "missing exchange": (
        lambda broker, vhost: broker.delete("exchanges", vhost, "dead"),
        "exchange dead is missing",
        True,
    ),
    "missing policy": (
        lambda broker, vhost: broker.delete("policies", vhost, "intake"),
        "policy intake is missing",
        True,
    ),
    "missing permission": (
        lambda broker, vhost: broker.delete("permissions", vhost, USER),
        f"permission {USER} is missing",
        True,
    ),
    "missing user": (
        lambda broker, _: broker.delete("users", USER),
        f"user {USER} is missing",
        True,
    ),
    "another permission": (
        lambda broker, vhost: broker.put("permissions", vhost, USER, body=OPEN),
        f"permission {USER}: configure is '.*' and should be '^$'",
        True,
    ),
    "another policy": (
        lambda broker, vhost: broker.put(
            "policies",
            vhost,
            "inbox",
            body={"pattern": r"^inbox\.", "apply-to": "queues", "definition": {"message-ttl": 1000}},
        ),
        "policy inbox: definition is {'message-ttl': 1000} and should be",
        True,
    ),
    "another rank": (
        lambda broker, _: broker.put("users", USER, body={"password": "x", "tags": "administrator"}),
        f"user {USER}: tags is ['administrator'] and should be []",
        True,
    ),
    "no limit": (
        lambda broker, _: broker.delete("user-limits", USER, "max-connections"),
        f"user {USER}: limits is {{'max-channels': 100}} and should be {{'max-connections': 20",
        True,
    ),
    "another limit": (
        lambda broker, _: broker.put("user-limits", USER, "max-channels", body={"value": -1}),
        f"user {USER}: limits is ",
        True,
    ),
    "an intake without a bound": (
        lambda broker, vhost: broker.put(
            "policies",
            vhost,
            "intake",
            body={"pattern": r"^intake\.", "apply-to": "queues", "definition": {"delivery-limit": 5}},
        ),
        "policy intake: definition is {'delivery-limit': 5} and should be",
        True,
    ),
    "another password": (
        lambda broker, _: broker.put("users", USER, body={"password": "known to others", "tags": ""}),
        f"user {USER}: password is 'another' and should be 'that of its file'",
        True,
    ),
    "another queue type": (
        lambda broker, vhost: _replace_queue(broker, vhost, INBOX, {"durable": True}),
        f"queue {INBOX}: arguments is {{}} and should be {{'x-queue-type': 'quorum'}}",
        False,
    ),
    "another exchange type": (
        lambda broker, vhost: _replace_exchange(broker, vhost, SUBMIT, "topic"),
        f"exchange {SUBMIT}: type is 'topic' and should be 'fanout'",
        False,
    ),
    "a second way into an inbox": (
        lambda broker, vhost: broker.post(
            "bindings", vhost, "e", SUBMIT, "q", INBOX, body={"routing_key": ""}
        ),
        f"binding {SUBMIT} → {INBOX} should not be there",
        False,
    ),
    "a second key": (
        lambda broker, vhost: broker.post(
            "bindings", vhost, "e", "deliver", "q", INBOX, body={"routing_key": "k"}
        ),
        f"binding deliver → {INBOX} by k should not be there",
        False,
    ),
    "an exchange behind an exchange": (
        lambda broker, vhost: broker.post(
            "bindings", vhost, "e", SUBMIT, "e", "dead", body={"routing_key": ""}
        ),
        f"binding {SUBMIT} → dead (exchange) should not be there",
        False,
    ),
    "a foreign queue": (
        lambda broker, vhost: broker.put("queues", vhost, "inbox.copy", body=QUORUM),
        "queue inbox.copy should not be there",
        False,
    ),
    "a foreign exchange": (
        lambda broker, vhost: broker.put(
            "exchanges", vhost, "submit.x", body={"type": "fanout", "durable": True}
        ),
        "exchange submit.x should not be there",
        False,
    ),
    "a policy over ours": (
        lambda broker, vhost: broker.put(
            "policies", vhost, "over", body={"pattern": ".*", "priority": 9, "definition": {"max-length": 1}}
        ),
        "policy over should not be there",
        False,
    ),
    "a stranger": (
        lambda broker, vhost: _admit_stranger(broker, vhost),
        "permission stranger should not be there",
        False,
    ),
    "a user of an agency that is none": (
        lambda broker, _: broker.put("users", "agency.9", body={"password": "x", "tags": ""}),
        "user agency.9 should not be there",
        False,
    ),
}


def _replace_queue(broker: Management, vhost: str, name: str, body: dict[str, object]) -> None:
    broker.delete("queues", vhost, name)
    broker.put("queues", vhost, name, body=body)
    broker.post("bindings", vhost, "e", "deliver", "q", name, body={"routing_key": SENDER})


def _replace_exchange(broker: Management, vhost: str, name: str, kind: str) -> None:
    broker.delete("exchanges", vhost, name)
    broker.put("exchanges", vhost, name, body={"type": kind, "durable": True})
    broker.post("bindings", vhost, "e", name, "q", INTAKE, body={"routing_key": ""})


def _admit_stranger(broker: Management, vhost: str) -> None:
    broker.put("users", "stranger", body={"password": "x", "tags": ""})
    broker.put("permissions", vhost, "stranger", body=OPEN)


@pytest.mark.parametrize("change", DRIFTS)
def test_a_drift_is_told_and_mended_unless_that_would_delete(bare: Vhost, change: str) -> None:
    make, sentence, mended = DRIFTS[change]
    topology = bare.apply([SENDER])
    make(bare.management, bare.name)

    told = drift(topology, bare.management, bare.passwords)
    assert any(line.startswith(sentence) for line in told), told
    apply(topology, bare.management, bare.passwords)
    left = drift(topology, bare.management, bare.passwords)
    if mended:
        assert left == []
    else:
        assert any(line.startswith(sentence) for line in left)


def test_a_feature_that_is_off_is_told(bare: Vhost, monkeypatch: pytest.MonkeyPatch) -> None:
    """The node has it on, and it cannot be switched off again: so here the broker's answer is changed."""
    topology = bare.apply([SENDER])
    real = bare.management.get

    def answer(*path: str, **query: str) -> object:
        off = [{"name": "stream_queue", "state": "disabled"}]
        return off if path == ("feature-flags",) else real(*path, **query)

    assert {"name": "stream_queue", "state": "enabled"}.items() <= next(
        flag.items() for flag in real("feature-flags") if flag["name"] == "stream_queue"
    )
    monkeypatch.setattr(bare.management, "get", answer)
    assert drift(topology, bare.management) == [
        "feature flag stream_queue is off: parked letters could be lost on their way"
    ]


def test_what_is_false_may_be_left_out_of_the_brokers_answer(
    bare: Vhost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RabbitMQ 4.3 leaves some of it out: here the answer of 3.10 is changed to be as short as can be."""
    topology = bare.apply([SENDER])
    real = bare.management.get

    def answer(*path: str, **query: str) -> object:
        found = real(*path, **query)
        if path[0] not in ("exchanges", "queues", "bindings"):
            return found
        return [{key: value for key, value in one.items() if value is not False} for one in found]

    assert any("internal" in one for one in real("exchanges", topology.vhost))
    monkeypatch.setattr(bare.management, "get", answer)
    assert drift(topology, bare.management) == []


def test_no_queues_are_declared_with_which_a_node_would_not_start_again(
    bare: Vhost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node counts three file handles for each quorum queue; here its answer is that it has few."""
    topology = bare.apply([SENDER])
    real = bare.management.get
    # A node tells this of itself some seconds after its start.
    asyncio.run(until(lambda: real("nodes", columns="name,fd_total")[0].get("fd_total", 0) > 1_012))
    total = {"queues": 4}

    def answer(*path: str, **query: str) -> object:
        found = real(*path, **query)
        if path == ("overview",):
            assert found["object_totals"]["queues"] >= 4
            return {**found, "object_totals": total}
        return [{"name": "a@b", "fd_total": 1_012}] if path == ("nodes",) else found

    monkeypatch.setattr(bare.management, "get", answer)
    assert drift(topology, bare.management) == []
    with pytest.raises(Misconfigured, match="file handles: has 1012, counts 1018 for 6 queues"):
        apply(topology_for([SENDER, NEIGHBOUR], vhost=topology.vhost), bare.management, bare.passwords)
    assert drift(topology, bare.management) == []
    total["queues"] = 5
    (narrow,) = drift(topology, bare.management)
    assert narrow.startswith("broker node a@b: file handles: has 1012, counts 1015 for 5 queues")
    assert apply(topology, bare.management, bare.passwords) == []


def test_what_a_few_agencies_need_is_asked_for_by_name_and_comes_to_the_same(bare: Vhost) -> None:
    bare.apply([SENDER])
    few = topology_for([NEIGHBOUR], vhost=bare.name)
    done = apply(few, bare.management, bare.passwords, by_name=True)
    code = NEIGHBOUR
    assert sorted(done) == sorted(
        f"added {what}"
        for what in (
            f"binding deliver → inbox.{code} by {code}",
            f"binding submit.{code} → intake.{code}",
            f"exchange submit.{code}",
            f"permission agency.{code}",
            f"queue inbox.{code}",
            f"queue intake.{code}",
            f"user agency.{code}",
        )
    )
    assert apply(few, bare.management, bare.passwords, by_name=True) == []
    both = topology_for([SENDER, NEIGHBOUR], vhost=bare.name)
    assert drift(both, bare.management, bare.passwords) == []
    bare.management.put("permissions", bare.name, user_of(code), body=OPEN)
    bare.management.put("user-limits", user_of(code), "max-channels", body={"value": 3})
    corrected = apply(few, bare.management, bare.passwords, by_name=True)
    assert sorted(corrected) == [f"corrected permission {user_of(code)}", f"corrected user {user_of(code)}"]
    assert drift(both, bare.management, bare.passwords) == []


def test_passwords_are_generated_once_and_kept_from_others(tmp_path: Path) -> None:
    folder = tmp_path / "passwords"
    first = Passwords(folder).of(USER)
    assert Passwords(folder).of(USER) == first
    assert Passwords(folder).of(user_of(NEIGHBOUR)) != first
    assert len(first) >= 32
    assert stat.S_IMODE((folder / USER).stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert sorted(path.name for path in folder.iterdir()) == sorted([USER, user_of(NEIGHBOUR)])


def test_a_password_that_others_can_read_is_refused(tmp_path: Path) -> None:
    passwords = Passwords(tmp_path)
    passwords.of(USER)
    (tmp_path / USER).chmod(0o640)
    with pytest.raises(Misconfigured, match="chmod 600"):
        passwords.of(USER)


def test_a_wrong_operator_password_is_a_mistake_and_an_absent_broker_is_not(bare: Vhost) -> None:
    topology = topology_for([SENDER], vhost=bare.name)
    address = f"127.0.0.1:{bare.node.ports.management}"
    with Management(f"http://operator:wrong@{address}") as wrong, pytest.raises(Misconfigured, match="401"):
        drift(topology, wrong)
    with Management("http://operator:x@127.0.0.1:1") as absent, pytest.raises(Transient):
        drift(topology, absent)


@pytest.mark.parametrize("url", ["amqp://u:p@h", "http://127.0.0.1:15672", "nonsense"])
def test_a_management_url_without_a_user_is_refused(url: str) -> None:
    with pytest.raises(Misconfigured, match="user:password@host"):
        Management(url)


@pytest.mark.parametrize("name", ["bus.admin", "agency.operator", "somebody"])
def test_the_administrator_that_asks_is_no_drift_and_another_of_such_a_name_is(
    bare: Vhost, broker_node: Node, name: str
) -> None:
    topology = topology_for([SENDER], vhost=bare.name)
    host = broker_node.management_url.rpartition("@")[2]
    administrators = [name, "bus.another"]
    for each in administrators:
        bare.management.put("users", each, body={"password": "p", "tags": "administrator"})
    try:
        with Management(f"http://{name}:p@{host}") as management:
            apply(topology, management, bare.passwords)
            assert drift(topology, management, bare.passwords) == ["user bus.another should not be there"]
    finally:
        for each in administrators:
            bare.management.delete("users", each)
