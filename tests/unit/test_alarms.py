"""An alarm reaches the log, a metric and every listener; what is only away raises none."""

from __future__ import annotations

import asyncio
from typing import Any

from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from bus.errors import Transient
from bus.router.alarms import Alarms


def test_an_alarm_is_logged_counted_and_told_without_the_fault_itself() -> None:
    registry, heard = CollectorRegistry(), list[tuple[str, dict[str, Any]]]()
    alarms = Alarms(registry)
    alarms.listeners.append(lambda alarm, fields: heard.append((alarm, fields)))
    with capture_logs() as lines:
        alarms.ring("bug-met", agency="0100100000", exc_info=KeyError("x"))
    assert [(line["event"], line["log_level"]) for line in lines] == [("bug-met", "error")]
    assert heard == [("bug-met", {"agency": "0100100000"})]
    assert registry.get_sample_value("saraban_router_alarms_total", {"alarm": "bug-met"}) == 1


async def test_a_fault_of_work_that_nobody_waits_for_is_an_alarm_and_what_is_away_is_none() -> None:
    alarms, heard = Alarms(), asyncio.Queue[tuple[str, Any]]()
    alarms.listeners.append(lambda alarm, fields: heard.put_nowait((alarm, fields["work"])))

    async def ends(error: Exception) -> None:
        raise error

    for name, error in (("away", Transient("later")), ("broken", KeyError("x"))):
        alarms.watch(asyncio.ensure_future(ends(error)), name)
    assert await heard.get() == ("background-failed", "broken")
    assert heard.empty()
