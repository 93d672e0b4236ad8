"""What a router tells Prometheus: a few series of its agencies unless each is asked for; and whether anybody asks."""

from __future__ import annotations

from datetime import timedelta

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from bus.identifiers import AgencyCode
from bus.router.journeys import Entered
from bus.router.metrics import Inbox, Metrics
from bus.router.watchers import Watchers
from bus.thai import now

MANY = [AgencyCode(f"{number:010}") for number in range(1, 8_001)]


@pytest.mark.parametrize("named", [False, True])
def test_agencies_are_named_only_where_that_is_asked_for(*, named: bool) -> None:
    metrics, since = Metrics(named=named), now() - timedelta(seconds=60)
    for agency in MANY:
        metrics.note_unconfirmed(agency, "Nacked")
        metrics.note_exceeded(agency)
    filled = {agency: Inbox(place, since) for place, agency in enumerate(MANY, 1)}
    metrics.note_inboxes("main", filled, 10_000)
    text = metrics.text().decode()
    lines = [line for line in text.splitlines() if "agency=" in line]
    assert len(lines) == (5 * len(MANY) if named else 5)
    assert "saraban_router_inbox_messages_most 8000.0" in text
    if named:
        assert f'saraban_router_inbox_fill_ratio{{agency="{MANY[4_999]}"}} 0.5' in lines
        assert f'saraban_router_inbox_messages{{agency="{MANY[4_999]}"}} 5000.0' in lines
    else:
        assert 'saraban_router_inbox_fill_ratio{agency=""} 0.8' in lines
        assert f'saraban_router_inbox_messages{{agency=""}} {sum(range(8_001)):.1f}' in text.replace(
            "3.2004e+07", "32004000.0"
        )
        assert 'saraban_router_unconfirmed_total{agency="",reason="Nacked"} 8000.0' in lines
        assert 'saraban_router_share_exceeded_total{agency=""} 8000.0' in lines
    (oldest,) = {line.split()[-1] for line in lines if "inbox_oldest" in line}
    assert 60 <= float(oldest) < 70


def test_an_inbox_that_is_empty_again_has_no_series_any_more() -> None:
    metrics = Metrics(named=True)
    metrics.note_inboxes("main", {MANY[0]: Inbox(2, now())}, None)
    metrics.note_inboxes("north", {MANY[1]: Inbox(3, now())}, 10)
    assert metrics.text().count(b"saraban_router_inbox_messages{") == 2
    metrics.note_inboxes("main", {}, None)
    text = metrics.text().decode()
    assert f'inbox_messages{{agency="{MANY[0]}"}}' not in text
    assert f'inbox_fill_ratio{{agency="{MANY[1]}"}} 0.3' in text


def test_a_router_that_nobody_watches_says_so_after_fifteen_minutes_and_once_an_hour() -> None:
    time = 0.0
    watchers = Watchers(lambda: time)

    def said_within(minutes: int) -> list[int]:
        nonlocal time
        with capture_logs() as lines:
            for _ in range(minutes):
                time += 60
                watchers.look()
        assert {one["event"] for one in lines} <= {"nobody-watches"}
        return [one["minutes"] for one in lines]

    assert said_within(14) == []
    assert said_within(1 + 120) == [15, 75, 135]
    watchers.asked()
    assert said_within(14) == []
    assert said_within(2) == [15]


def test_to_ask_for_the_metrics_is_to_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    metrics, asked = Metrics(), []
    monkeypatch.setattr(metrics.watchers, "asked", lambda: asked.append(True))
    metrics.text()
    assert asked == [True]


def test_what_was_entered_is_taken_in_order_and_what_is_too_much_is_counted() -> None:
    registry = CollectorRegistry()
    entered = Entered(registry)
    for made in (range(1, 4), range(4, 5), range(0), range(9, 12)):
        entered.add(made)
    taken = entered.take()
    assert taken == [range(1, 5), range(9, 12)]
    assert entered.take() == []
    entered.put_back(taken)
    assert entered.take() == taken
    for turn in range(201):
        entered.add(range(turn * 2_000, turn * 2_000 + 1_000))
    assert registry.get_sample_value("saraban_router_journey_missed_total") == 1_000
    assert entered.take()[0] == range(2_000, 3_000)
