"""What a router tells Prometheus of its agencies: a few series, unless each is asked for."""

from __future__ import annotations

import pytest

from bus.identifiers import AgencyCode
from bus.router.metrics import Metrics

MANY = [AgencyCode(f"{number:010}") for number in range(8_000)]


@pytest.mark.parametrize("named", [False, True])
def test_agencies_are_named_only_where_that_is_asked_for(*, named: bool) -> None:
    metrics = Metrics(named=named)
    for place, agency in enumerate(MANY):
        metrics.note_unconfirmed(agency, "Nacked")
        metrics.note_exceeded(agency)
        metrics.note_fills({agency: place / len(MANY)})
    metrics.note_fills({MANY[0]: 0.5, MANY[1]: 0.75})
    lines = [
        line for line in metrics.text().decode().splitlines() if "agency=" in line and "_created" not in line
    ]
    assert len(lines) == (3 * len(MANY) if named else 3)
    if named:
        assert f'saraban_router_inbox_fill_ratio{{agency="{MANY[0]}"}} 0.5' in lines
    else:
        assert 'saraban_router_inbox_fill_ratio{agency=""} 0.75' in lines
        assert 'saraban_router_unconfirmed_total{agency="",reason="Nacked"} 8000.0' in lines
        assert 'saraban_router_share_exceeded_total{agency=""} 8000.0' in lines
