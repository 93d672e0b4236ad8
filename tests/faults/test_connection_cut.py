"""The connection to the broker breaks in the middle of a frame."""

from __future__ import annotations

import pytest

from tests.faults.promises import promises_hold
from tests.faults.proxy import Line
from tests.faults.scene import DGA, OPM, SOC, Scene
from tests.faults.waiting import eventually

IN_A_LETTER = 2500
"""Bytes: more than any frame of the protocol's own has, less than a letter."""


@pytest.mark.parametrize(("way", "code"), [("up", OPM), ("down", SOC)])
def test_p4_half_a_letter_is_never_delivered(network: Scene, way: str, code: str) -> None:
    with Line(network.bus.broker.amqp_url) as line:
        network.adapter(code, broker__url=line.url)
        line.cut(way, IN_A_LETTER)
        keys = network.send(OPM, SOC, DGA, count=3)
        eventually(lambda: line.cuts == [way], "the line was cut")
        promises_hold(network)
        assert {*keys} <= network.received(SOC) & network.received(DGA)
        assert "broker-lost" in network.process(code).log.read_text(encoding="utf-8")
        network.adapter(code)
