"""The ledger's schema is upgraded under routers that work, and routers of the older program start again after it."""

from __future__ import annotations

from collections.abc import Callable

from bus.ledger.entry import Kind
from tests.contract.test_upgrading import following, later, own
from tests.faults.promises import promises_hold
from tests.faults.scene import DGA, OPM, SOC, Scene
from tests.faults.waiting import eventually

__all__ = ["later"]


def test_p1_no_letter_is_lost_or_late_while_schema_and_routers_are_changed_one_after_another(
    stage: Callable[..., Scene], postgres_url: str, later: Callable[..., str]
) -> None:
    network = stage(ledger_url=postgres_url).start()
    network.router("router-2")
    keys = network.send(OPM, SOC, DGA, count=15) + network.send(SOC, OPM, count=15)
    eventually(lambda: network.accepted(OPM, keys[:1]), "the first is accepted")
    # However quick the routers were meanwhile, there is something left for them to do.
    keys += network.send(OPM, SOC, DGA, count=5) + network.send(SOC, OPM, count=5)
    assert later(postgres_url) > own()
    keys += network.send(OPM, SOC, count=5)
    for name in ("router-1", "router-2"):
        # Both are of the program that does not know the new schema.
        network.process(name).stop()
        keys += network.send(SOC, OPM, DGA, count=3)
        network.router(name)
    network.process("router-1").kill()
    keys += network.send(DGA, OPM, SOC, count=3)
    network.router("router-1")
    evidence = promises_hold(network)
    assert len(evidence.letters) == len(keys)
    assert network.entries(Kind.OVERDUE) == []


def test_a_router_says_of_a_schema_that_is_too_new_what_is_to_be_done_and_ends(
    stage: Callable[..., Scene], postgres_url: str, later: Callable[..., str]
) -> None:
    network = stage(ledger_url=postgres_url)
    later(postgres_url, following(1))
    router = network.router(wait=False)
    assert router.wait_gone(60) == 2, router.last_words()
    said = router.last_words()
    assert f"the ledger is of schema {following(1)}, for programs of {following(1)} and newer" in said
    assert "Upgrade this program first" in said
