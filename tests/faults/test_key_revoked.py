"""An agency's certificate is revoked while its letter, accepted already, is about to be delivered to a router again."""

from __future__ import annotations

from collections.abc import Callable

from bus.errors import RejectionCode
from bus.ledger.entry import Kind, timestamp
from bus.thai import now
from tests.faults.promises import promises_hold
from tests.faults.scene import DGA, OPM, SOC, Scene, agencies
from tests.faults.waiting import eventually
from tests.faults.wire import submit, under_another_id


def test_p5_an_accepted_letter_is_not_refused_because_its_key_was_revoked_afterwards(
    stage: Callable[..., Scene],
) -> None:
    town = stage().start()
    router = town.router(failpoints="router.after-commit:submissions=kill")
    (key,) = town.send(OPM, SOC, DGA)
    town.dies(router, "router.after-commit")
    assert len(town.entries(Kind.ACCEPTED)) == 1
    town.bus.apply_directory(agencies(2, revoked={OPM: timestamp(now())}))

    town.router()
    promises_hold(town)
    assert town.accepted(OPM, [key])
    assert key in town.received(SOC) & town.received(DGA)

    submit(town.bus, OPM, under_another_id(town.bus, OPM, town.raw(OPM, key)[0]))
    eventually(lambda: town.entries(Kind.REFUSED), "a letter after the revocation is refused")
    evidence = promises_hold(town)
    assert [body["code"] for body in evidence.of(Kind.REFUSED)] == [RejectionCode.KEY_REVOKED]
