"""A process is stopped (SIGSTOP) in the middle of its work for longer than the broker waits for its heartbeat."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest

from bus.broker.management import Management
from bus.broker.topology import ROUTER, user_of
from compose.process import Process
from tests.faults.promises import promises_hold
from tests.faults.scene import DGA, OPM, SOC, Scene
from tests.faults.waiting import eventually


def connections(scene: Scene, user: str) -> list[str]:
    """The broker's connections of a user in this scene's vhost."""
    with Management(scene.bus.broker.management_url) as management:
        found = management.get("vhosts", scene.bus.vhost, "connections")
    return [each["name"] for each in found if each.get("user") == user]


def _router(scene: Scene) -> Process:
    return scene.router(failpoints="router.after-commit:submissions=stop")


def _sender(scene: Scene) -> Process:
    return scene.adapter(OPM, failpoints="adapter.before-publish=stop")


def _recipient(scene: Scene) -> Process:
    return scene.adapter(SOC, failpoints="adapter.after-store=stop")


@pytest.mark.parametrize(
    ("start", "user"), [(_router, ROUTER), (_sender, user_of(OPM)), (_recipient, user_of(SOC))]
)
def test_p2_what_a_frozen_process_had_in_hand_is_done_once(
    network: Scene, start: Callable[[Scene], Process], user: str
) -> None:
    process = start(network)
    eventually(lambda: len(connections(network, user)) >= 2, "two connections")
    keys = network.send(OPM, SOC, DGA, count=2)
    eventually(lambda: network.bus.failpoints_reached(process.name), "frozen")
    # The broker gives up whoever misses two heartbeats, and hands what it had to somebody else.
    eventually(lambda: not connections(network, user), "the broker gave its connections up")
    assert process.running
    process.send_signal(signal.SIGCONT)
    promises_hold(network)
    assert process.running
    assert {*keys} <= network.received(SOC) & network.received(DGA)
