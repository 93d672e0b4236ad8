"""What is tried again, how often, and how a wait ends."""

from __future__ import annotations

import asyncio
from itertools import islice

import pytest

from bus import retry
from bus.errors import Misconfigured, Problem, RefusalCode, Refused, Transient
from bus.retry import Policy

QUICK = Policy(first=0.001, longest=0.002, attempts=4)
SLOW = Policy(first=600.0, longest=600.0, attempts=None)
PERMANENT = [
    Refused(RefusalCode.XML_DTD),
    Misconfigured(Problem("bus.toml", "ledger.url", "is missing", "Add it")),
    PermissionError(13, "denied"),
    FileNotFoundError(2, "no such file"),
    ValueError("a mistake in the program"),
]


class _Failing:
    """Raises one error after the other, then answers; it counts its calls."""

    def __init__(self, *errors: BaseException) -> None:
        self.errors = list(errors)
        self.calls = 0

    def __call__(self) -> str:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "done"


async def _tried(policy: Policy, work: _Failing) -> str:
    async for attempt in policy.attempts_async():
        with attempt:
            return work()
    raise AssertionError("an attempt either answers or raises")


@pytest.mark.parametrize(
    "error", [Transient("away"), ConnectionResetError(104, "reset"), TimeoutError(), OSError(28, "full")]
)
def test_what_is_temporary_is_tried_again(error: BaseException) -> None:
    work = _Failing(error, error)
    assert asyncio.run(_tried(QUICK, work)) == "done"
    assert work.calls == 3


@pytest.mark.parametrize("error", PERMANENT, ids=lambda error: type(error).__name__)
def test_what_is_permanent_is_tried_once(error: BaseException) -> None:
    work = _Failing(error)
    with pytest.raises(type(error)) as caught:
        asyncio.run(_tried(QUICK, work))
    assert caught.value is error
    assert work.calls == 1


def test_when_the_attempts_are_used_up_the_last_error_itself_comes_out() -> None:
    errors = [Transient(str(number)) for number in range(9)]
    work = _Failing(*errors)
    with pytest.raises(Transient) as caught:
        asyncio.run(_tried(QUICK, work))
    assert caught.value is errors[3]
    assert work.calls == QUICK.attempts


def test_cancelling_a_task_ends_its_wait() -> None:
    work = _Failing(Transient("away"))

    async def scenario() -> None:
        task = asyncio.create_task(_tried(SLOW, work))
        await asyncio.sleep(0)  # one turn: the first attempt fails and its wait begins
        assert work.calls == 1
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, 5)

    asyncio.run(scenario())
    assert work.calls == 1


@pytest.mark.parametrize("policy", [retry.CONSIGN, retry.DEPOT, retry.AWAY])
def test_waits_are_jittered_and_bounded(policy: Policy) -> None:
    waits = list(islice(policy.backoff(), 200))
    assert len(waits) == (200 if policy.attempts is None else policy.attempts - 1)
    assert all(policy.first / 10 <= wait <= policy.longest for wait in waits)
    assert waits[0] <= policy.first
    assert len(set(waits)) == len(waits)


def test_what_the_bus_cannot_do_without_is_waited_for_without_end() -> None:
    assert retry.CONSIGN.attempts is retry.AWAY.attempts is None
