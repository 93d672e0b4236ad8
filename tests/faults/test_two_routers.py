"""Two routers on one PostgreSQL ledger have the same submission in hand, and one of them dies."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bus.ledger.entry import Kind
from tests.faults.promises import promises_hold
from tests.faults.scene import DGA, OPM, SOC, Scene
from tests.faults.waiting import eventually
from tests.faults.wire import submit, with_another_subject


def _sealed_but_not_sent(town: Scene) -> tuple[str, bytes]:
    """A letter whose signed bytes lie in its sender's mailbox, and whose sender died before it published them."""
    adapter = town.adapter(OPM, failpoints="adapter.before-publish=kill")
    (key,) = town.send(OPM, SOC, DGA)
    town.dies(adapter, "adapter.before-publish")
    town.process("router-1").stop()
    return key, town.raw(OPM, key)[0]


@pytest.mark.parametrize("step", ["router.before-commit:submissions", "router.after-commit:submissions"])
def test_p9_the_same_submission_at_two_routers_is_one_letter_when_one_dies(
    stage: Callable[..., Scene], postgres_url: str, step: str
) -> None:
    town = stage(ledger_url=postgres_url).start()
    key, raw = _sealed_but_not_sent(town)
    dying = town.router("router-1", failpoints=f"{step}=kill")
    other = town.router("router-2")
    # A fresh router takes one message until it has seen one that is no redelivery: of two, each gets one.
    submit(town.bus, OPM, raw, raw)
    town.dies(dying, step.partition(":")[0])
    assert other.running
    eventually(lambda: town.entries(Kind.ACCEPTED), "accepted")
    town.router("router-1")
    town.adapter(OPM)
    evidence = promises_hold(town)
    assert len(evidence.letters) == 1
    assert key in town.received(SOC) & town.received(DGA)


def test_p9_of_two_contents_under_one_id_one_is_accepted_and_one_recorded(
    stage: Callable[..., Scene], postgres_url: str
) -> None:
    town = stage(ledger_url=postgres_url).start()
    key, raw = _sealed_but_not_sent(town)
    town.router("router-1")
    town.router("router-2")
    submit(town.bus, OPM, raw)
    eventually(lambda: town.entries(Kind.ACCEPTED), "accepted")
    submit(town.bus, OPM, *[with_another_subject(town.bus, OPM, raw)] * 2)
    town.adapter(OPM)
    evidence = promises_hold(town)
    assert [body["code"] for body in evidence.of(Kind.CONFLICT)] == ["id.conflict"]
    assert len(evidence.letters) == 1
    assert key in town.received(SOC) & town.received(DGA)
