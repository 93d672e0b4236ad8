"""A router dies by SIGKILL at each step between taking a submission and acknowledging it, and is started again."""

from __future__ import annotations

import pytest

from tests.faults.promises import promises_hold
from tests.faults.scene import DGA, OPM, SOC, Scene

STEPS = (
    "router.before-gates",
    "router.before-commit:submissions",
    "router.after-commit:submissions",
    "router.before-publish",
    "router.before-publish:second",
    "link.before-confirm",
    "router.after-confirm",
    "router.before-commit:confirms",
    "router.after-commit:confirms",
    "router.before-ack",
)


@pytest.mark.parametrize("step", STEPS)
def test_p1_no_letter_is_lost_when_a_router_is_killed_at(network: Scene, step: str) -> None:
    point = step.removesuffix(":second")
    # Not waited for: it may die before it is seen to be ready.
    router = network.router(failpoints=f"{point}=kill" + ("@2" if step != point else ""), wait=False)
    keys = network.send(OPM, SOC, DGA, count=2) + network.send(SOC, OPM)
    network.dies(router, point.partition(":")[0])
    network.router()
    evidence = promises_hold(network)
    assert {*keys} <= network.received(DGA) | network.received(OPM)
    assert len(evidence.letters) == sum(map(len, network.given.values()))
