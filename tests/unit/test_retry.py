"""How often something is tried again, and after which waits."""

from __future__ import annotations

from itertools import islice

import pytest

from bus import retry
from bus.retry import Policy


@pytest.mark.parametrize("policy", [retry.CONSIGN, retry.DEPOT, retry.AWAY])
def test_waits_are_jittered_and_bounded(policy: Policy) -> None:
    waits = list(islice(policy.backoff(), 200))
    assert len(waits) == (200 if policy.attempts is None else policy.attempts - 1)
    assert all(policy.first / 10 <= wait <= policy.longest for wait in waits)
    assert waits[0] <= policy.first
    assert len(set(waits)) == len(waits)


def test_what_the_bus_cannot_do_without_is_waited_for_without_end() -> None:
    assert retry.CONSIGN.attempts is retry.AWAY.attempts is None
