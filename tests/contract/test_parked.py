"""What is parked, asked for by who sent it, by fault and by time; and the replay of many at a stated rate."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, cast

import pytest

from bus.broker.messages import Incoming
from bus.identifiers import AgencyCode, RawDigest
from bus.ledger.entry import Kind
from bus.ledger.parked import UNKNOWN, WhichParked
from bus.ledger.store import Ledger
from bus.operators import Operator, Role
from bus.router import parking, replaying
from bus.router.monitoring import Watching
from bus.thai import now
from tests.assets.factory import OCS, OPM, SOC
from tests.contract import ledger_rig as rig
from tests.contract.test_question_plans import asked

STEWARD = Operator("somying", Role.STEWARD, "oidc")


def park(ledger: Ledger, agency: AgencyCode | None, fault: str | None = None, count: int = 1) -> list[int]:
    with ledger.append() as writer:
        return [
            writer.entry(Kind.PARKED, agency=agency, rawSha256="ab" * 32, error=fault, document=b"<Letter/>")
            for _ in range(count)
        ]


def replayed(ledger: Ledger, parked: int, outcome: str = "accepted", error: str | None = None) -> None:
    with ledger.append() as writer:
        request = parking.request_replay(writer, parked, operator=STEWARD, reason="mended")
        writer.entry(Kind.REPLAYED, request=request, parked=parked, outcome=outcome, error=error)


def waiting(ledger: Ledger, after: int = 0, limit: int | None = None, **which: Any) -> list[int]:
    with ledger.read() as reader:
        asked = WhichParked(**which)
        found = [entry.seq for entry in reader.parked.waiting(asked, after=after, limit=limit)]
        if not after and limit is None:
            assert reader.parked.count(asked) == len(found) == sum(reader.parked.by_fault(asked).values())
    return found


def test_parked_submissions_are_found_by_sender_fault_and_time(ledger: Ledger) -> None:
    first, second = park(ledger, OPM, "KeyError", 2)
    (third,) = park(ledger, OCS, "delivery-limit")
    (fourth,) = park(ledger, None)
    with ledger.read() as reader:
        between = datetime.fromisoformat(reader.entries(after=third - 1)[0].body["at"])
    assert waiting(ledger) == [first, second, third, fourth]
    assert waiting(ledger, agency=OPM) == [first, second]
    assert waiting(ledger, fault="KeyError") == [first, second]
    assert waiting(ledger, fault=UNKNOWN) == [fourth]
    assert waiting(ledger, agency=OCS, fault="KeyError") == []
    assert waiting(ledger, since=between) == [third, fourth]
    assert waiting(ledger, until=between) == [first, second]
    assert waiting(ledger, since=between, until=between + timedelta(microseconds=1), agency=OCS) == [third]
    assert waiting(ledger, limit=2) == [first, second]
    assert waiting(ledger, after=second, limit=1) == [third]
    assert waiting(ledger, agency=SOC) == []
    with ledger.read() as reader:
        assert reader.parked.by_fault() == {"KeyError": 2, "delivery-limit": 1, UNKNOWN: 1}


def test_what_a_replay_brought_through_is_gone_and_what_failed_again_stands_under_its_newest_fault(
    ledger: Ledger,
) -> None:
    first, second, third = park(ledger, OPM, "KeyError", 3)
    replayed(ledger, first)
    replayed(ledger, second, "parked", "ValueError")
    replayed(ledger, second, "parked", "TypeError")
    replayed(ledger, third, "refused")
    (fourth,) = park(ledger, OPM, "KeyError")
    assert waiting(ledger) == [second, fourth]
    with ledger.append() as writer:
        assert writer.parked.by_fault() == {"KeyError": 1, "TypeError": 1}
        assert [row.fault for row in writer.parked.rows()] == ["TypeError", "KeyError"]
        assert [writer.parked.is_waiting(one) for one in (0, first, second, third, fourth, 10_000)] == [
            *(False, False, True, False, True, False)
        ]
        replays = [one.seq for one in writer.entries(kind=Kind.REPLAYED)]
        assert not any(writer.parked.is_waiting(one) for one in replays), "they are no parked submissions"


def test_a_dry_run_says_what_asking_does_and_each_is_asked_for_once(ledger: Ledger) -> None:
    parked = park(ledger, OPM, "KeyError", 5)
    others = park(ledger, OCS, "KeyError", 2)
    with ledger.append() as writer:
        parking.request_replay(writer, parked[1], operator=STEWARD, reason="mended")
    replayed(ledger, parked[0])
    before = rig.counts(ledger)
    with ledger.read() as reader:
        dry = parking.dry_run(reader, WhichParked(agency=OPM))
        page = parking.dry_run(reader, after=parked[2], limit=3)
    assert rig.counts(ledger) == before
    assert (dry.parked, dry.asked) == (parked[2:], [parked[1]])
    assert page.parked == [*parked[3:], others[0]]
    replayed(ledger, parked[4])
    with ledger.append() as writer:
        asked = parking.request_replays(writer, dry.parked, operator=STEWARD, reason="แก้แล้ว")
        again = parking.request_replays(writer, [*parked, 10_000], operator=STEWARD, reason="again")
    assert list(asked.requests) == parked[2:4]
    assert asked.passed_over == [parked[4]]
    assert (again.requests, again.passed_over) == ({}, [*parked, 10_000])
    bodies = rig.entries_of_kind(ledger, Kind.REPLAY_REQUESTED)
    of_many = [one for one in bodies if one["seq"] in asked.requests.values()]
    assert [(one["parked"], one["operator"], one["role"], one["reason"]) for one in of_many] == [
        (seq, "somying", "steward", "แก้แล้ว") for seq in parked[2:4]
    ]
    with ledger.append() as writer:
        assert parking.request_replays(writer, [], operator=STEWARD, reason="none").requests == {}


@pytest.mark.parametrize(
    ("count", "rate", "sizes", "pause"),
    [
        (5, 60, [1] * 5, 1.0),
        (5, 120, [2, 2, 1], 1.0),
        (3, 6, [1, 1, 1], 10.0),
        (3, 90, [2, 1], 60 * 2 / 90),
        (0, 5, [], 0),
    ],
)
def test_many_are_asked_for_at_the_stated_rate(count: int, rate: int, sizes: list[int], pause: float) -> None:
    found = list(parking.portions(list(range(count)), rate))
    assert [len(some) for some, _ in found] == sizes
    assert [seq for some, _ in found for seq in some] == list(range(count))
    assert [seconds for _, seconds in found] == [pause] * (len(sizes) - 1) + [0.0] * bool(sizes)


def test_replays_are_carried_out_a_few_at_a_time_in_the_order_of_their_requests(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replaying, "_REPLAYED_AT_ONCE", 2)
    parked = park(ledger, OPM, None, 5)
    with ledger.append() as writer:
        requests = parking.request_replays(writer, parked, operator=STEWARD, reason="mended").requests
        for done in (parked[0], parked[3]):
            writer.entry(Kind.REPLAYED, request=requests[done], parked=done, outcome="accepted")
    through, taken = 0, []
    for _ in range(4):
        through, some = replaying._replays(ledger, through)
        assert len(some) <= 2
        taken += [(one.parked, one.replay) for one in some]
    assert taken == [(seq, requests[seq]) for seq in (parked[1], parked[2], parked[4])]
    with ledger.read() as reader:
        assert through == reader.latest_seq(Kind.REPLAY_REQUESTED)
        assert [reader.parked.replay_wanted(requests[seq]) for seq in parked] == [
            False,
            True,
            True,
            False,
            True,
        ]


def test_a_request_that_names_nothing_parked_stops_no_other(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As whoever has broken into the console could enter one."""
    monkeypatch.setattr(replaying, "_REPLAYED_AT_ONCE", 2)
    (parked,) = park(ledger, OPM)
    with ledger.append() as writer:
        released = writer.entry(Kind.RELEASED, agency=OPM)
        for named in (None, "1", released, 10_000):
            writer.entry(Kind.REPLAY_REQUESTED, parked=named)
        request = parking.request_replay(writer, parked, operator=STEWARD, reason="mended")
        assert writer.parked.asked_for() == {released, 10_000, parked}
    through, taken = 0, []
    for _ in range(3):
        through, some = replaying._replays(ledger, through)
        taken += [one.replay for one in some]
    assert (taken, through) == ([request], request)
    with ledger.read() as reader:
        assert [one.replay for one in parking.replays(reader)] == [request]


def test_ten_thousand_parked_are_counted_and_asked_for_in_little_time(ledger: Ledger) -> None:
    parked = park(ledger, OPM, "KeyError", 10_000)
    with ledger.append() as writer:
        for seq in parked[:5_000]:
            request = writer.entry(Kind.REPLAY_REQUESTED, parked=seq, reason="mended", **STEWARD.fields())
            writer.entry(Kind.REPLAYED, request=request, parked=seq, outcome="accepted")
    took: dict[str, float] = {}
    with ledger.append() as writer:
        for name, ask in (
            ("is_waiting", lambda: writer.parked.is_waiting(parked[-1])),
            ("still", lambda: writer.parked.still(RawDigest("cd" * 32), OPM)),
            ("replay_wanted", lambda: writer.parked.replay_wanted(writer.head())),
            ("count", writer.parked.count),
            ("by_fault", writer.parked.by_fault),
            ("page", lambda: writer.parked.rows(limit=100)),
            ("ask", lambda: parking.request_replays(writer, parked[-500:], operator=STEWARD, reason="x")),
        ):
            took[name] = min(_seconds(ask) for _ in range(1 if name == "ask" else 3))
    assert all(seconds < 2.0 for seconds in took.values()), took
    assert took["is_waiting"] < 0.1, took
    assert waiting(ledger, after=parked[4_998], limit=1) == [parked[5_000]]


def _seconds(ask: Callable[[], object]) -> float:
    """How long it takes; on a loaded machine, whatever else runs may come between."""
    start = time.monotonic()
    ask()
    return time.monotonic() - start


def incoming(deaths: Sequence[dict[str, object]]) -> Incoming:
    return Incoming(
        body=b"<Letter/>", exchange="dead", routing_key="", user_id=None, message_id=None, type=None,
        headers={"x-death": list(deaths)}, redelivered=False, received_at=now(), generation=1, tag=1,
    )  # fmt: skip


def test_a_fault_is_the_class_that_this_router_met_or_that_none_lived_through_it() -> None:
    name = RawDigest("ab" * 32)
    limit = incoming([{"reason": "delivery_limit", "queue": "submit"}])
    assert parking.fault_of(limit, {name: "KeyError"}, name) == "KeyError"
    assert parking.fault_of(limit, {}, name) == "delivery-limit"
    assert parking.fault_of(incoming([{"reason": "rejected"}]), {}, name) is None
    assert parking.fault_of(incoming([]), {RawDigest("cd" * 32): "KeyError"}, name) is None


@pytest.mark.parametrize("ledger_url", ["sqlite"], indirect=True)
async def test_what_is_parked_is_counted_again_once_something_was_parked_or_replayed(ledger: Ledger) -> None:
    watching = Watching(
        depot=cast(Any, None),
        ledger=ledger,
        alarms=cast(Any, None),
        directory=rig.directory,
        clusters=(),
        watchers=cast(Any, None),
    )

    async def questions() -> int:
        with asked(ledger) as statements:
            await watching._count_parked()
        return len(statements)

    first, second = park(ledger, OPM, "KeyError", 2)
    assert (await questions(), watching.parked) == (3, 2)
    assert (await questions(), watching.parked) == (2, 2)
    replayed(ledger, first)
    assert (await questions(), watching.parked) == (3, 1)
    park(ledger, OPM)
    assert (await questions(), watching.parked) == (3, 2)
    replayed(ledger, second, "parked", "ValueError")
    assert (await questions(), watching.parked) == (3, 2)
    assert (await questions(), watching.parked) == (2, 2)
