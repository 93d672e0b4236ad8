"""`saraban-bus agencies`: whose adapter is dead, whose inbox fills up, and since when something waits for whom."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from bus.broker.management import Management
from bus.ledger.entry import Kind
from tests.faults.scene import DGA, OPM, SOC, Scene
from tests.faults.waiting import eventually


def agencies(network: Scene) -> list[dict[str, Any]]:
    done = network.bus.run_bus("agencies", "--json")
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)["agencies"]
    return found


def counted(network: Scene) -> list[tuple[int | None, int | None]]:
    """Messages and consumers of each inbox, the worst agency first.

    The broker counts what is in its queues, and who is at them, every few seconds: each at a moment of its own.
    """
    queues = [one["queue"] or {} for one in agencies(network)]
    return [(queue.get("messages"), queue.get("consumers")) for queue in queues]


def test_an_operator_sees_a_dead_adapter_and_its_inbox_filling_up(stage: Callable[..., Scene]) -> None:
    network = stage(inbox_max_length=10).start(OPM, SOC)
    keys = network.send(OPM, DGA, SOC, count=8)
    eventually(lambda: network.accepted(OPM, keys), "accepted")
    eventually(lambda: {*keys} <= network.received(SOC), "delivered")
    network.calm()
    eventually(lambda: counted(network) == [(9, 0), (0, 1), (0, 1)], "the broker has counted")
    first, *others = agencies(network)
    assert first["code"] == DGA
    assert first["trouble"] == ["no adapter, letters wait", "nearly full"]
    assert first["queue"]["messages"] == 9  # the directory's version, and the letters
    assert first["queue"]["fill"] == 0.9
    assert first["lastSubmission"] is None
    assert first["lastReceipt"] is None
    assert first["reads"] == ["letter/1.0", "notice/1.0"]
    # What has waited longest is the first that the agency was ever given.
    (directory, *_) = network.entries(Kind.DIRECTORY)
    assert first["oldestWaiting"] == directory.body["at"]
    by_code = {one["code"]: one for one in others}
    assert [one["trouble"] for one in others] == [[], []]
    assert by_code[SOC]["lastReceipt"] == max(
        entry.body["at"] for entry in network.entries(Kind.NOTICE) if entry.body["event"] == "delivered"
    )
    assert by_code[OPM]["lastReceipt"] is None
    assert by_code[OPM]["lastSubmission"] is not None
    assert by_code[OPM]["oldestWaiting"] is None
    # Everywhere else where an operator may look first.
    eventually(lambda: _warned_of(network), "the broker has counted the bytes, too")
    log = network.process("router-1").log
    eventually(lambda: log.read_text(encoding="utf-8").count('"inbox-nearly-full"') == 1, "the log warns")
    shown = network.bus.run_bus("agencies").stdout
    assert shown.index(DGA) < min(shown.index(OPM), shown.index(SOC))
    assert "no adapter, letters wait, nearly full" in shown

    network.adapter(DGA)
    network.calm()
    eventually(lambda: [one["trouble"] for one in agencies(network)] == [[], [], []], "nothing is wrong")
    eventually(lambda: '"inbox-has-room"' in log.read_text(encoding="utf-8"), "the warning ends")


def _warned_of(network: Scene) -> bool:
    """Whether `topology check` warns of DGA's inbox as `agencies` shows it, and of nothing else."""
    check = network.bus.run_bus("topology", "check", "--json")
    size = agencies(network)[0]["queue"]["bytes"]
    warning = f"queue inbox.{DGA} is 90% full (9 messages, {size} bytes, 0 consumers)"
    return bool(size and json.loads(check.stdout)["warnings"] == [warning])


def test_an_inbox_nearly_full_of_bytes_is_seen_and_a_missing_queue_comes_first(
    stage: Callable[..., Scene],
) -> None:
    network = stage(inbox_max_bytes=50_000).start(OPM)
    keys = network.send(OPM, DGA, count=7, subject="ก" * 400)
    eventually(lambda: network.accepted(OPM, keys), "accepted")
    network.calm()

    def dga() -> dict[str, Any]:
        (found,) = [one for one in agencies(network) if one["code"] == DGA]
        return found

    def counts() -> bool:
        queue = dga()["queue"] or {}
        return queue.get("messages") == 8 and queue["bytes"] >= 0.7 * 50_000

    eventually(counts, "the broker has counted messages and bytes")
    worst = dga()
    assert worst["queue"]["fill"] == round(worst["queue"]["bytes"] / 50_000, 3) >= 0.7
    assert "nearly full" in worst["trouble"]
    with Management(network.bus.broker.management_url) as management:
        management.delete("queues", network.bus.vhost, f"inbox.{SOC}")
    eventually(lambda: [one["code"] for one in agencies(network)][:2] == [SOC, DGA], "it is gone")
    assert agencies(network)[0]["trouble"] == ["no queue"]


def test_without_the_broker_the_ledgers_part_is_told(stage: Callable[..., Scene]) -> None:
    network = stage()
    settings = network.bus.folder / "bus.toml"
    text = settings.read_text(encoding="utf-8")
    (url,) = [line for line in text.splitlines() if line.startswith("management_url")]
    settings.write_text(text.replace(url, 'management_url = "http://127.0.0.1:9"'), encoding="utf-8")
    done = network.bus.run_bus("agencies", "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert "does not answer" in said["broker"]
    assert [one["queue"] for one in said["agencies"]] == [None, None, None]
    assert [one["pending"] for one in said["agencies"]] == [1, 1, 1]
