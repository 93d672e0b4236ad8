"""An agency's certificate is revoked while its letter, accepted already, is about to be delivered to a router again."""

from __future__ import annotations

from collections.abc import Callable

from bus.errors import RefusalCode
from bus.ledger.entry import Kind, timestamp
from bus.thai import now
from tests.faults.promises import promises_hold
from tests.faults.scene import DGA, OPM, SOC, Scene, agencies
from tests.faults.waiting import eventually
from tests.faults.wire import submit, under_another_id


def test_p5_an_accepted_letter_is_not_refused_because_its_key_was_revoked_afterwards(
    stage: Callable[..., Scene],
) -> None:
    network = stage().start()
    router = network.router(failpoints="router.after-commit:submissions=kill")
    (key,) = network.send(OPM, SOC, DGA)
    network.dies(router, "router.after-commit")
    assert len(network.entries(Kind.ACCEPTED)) == 1
    network.bus.apply_directory(agencies(2, revoked={OPM: timestamp(now())}))

    network.router()
    promises_hold(network)
    assert network.accepted(OPM, [key])
    assert key in network.received(SOC) & network.received(DGA)

    submit(network.bus, OPM, under_another_id(network.bus, OPM, network.raw(OPM, key)[0]))
    eventually(lambda: network.entries(Kind.REFUSED), "a letter after the revocation is refused")
    evidence = promises_hold(network)
    assert [body["code"] for body in evidence.of(Kind.REFUSED)] == [RefusalCode.KEY_REVOKED]
