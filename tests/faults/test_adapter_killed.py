"""An adapter dies by SIGKILL at each step of sending, of receiving and of telling its office, and is started again."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select

from adapters.mailbox import tables as mail
from tests.faults.promises import promises_hold
from tests.faults.scene import DGA, OPM, SOC, Scene

SENDING = (
    "connector.after-claim",
    "connector.after-put",
    "adapter.before-publish",
    "link.before-confirm",
    "adapter.after-publish",
    "connector.before-show:answer",
    "connector.after-show:answer",
)
RECEIVING = (
    "adapter.after-store",
    "adapter.after-ack",
    "adapter.after-receipt-stored",
    "connector.before-show:letter",
    "connector.after-show:letter",
)


@pytest.mark.parametrize("step", SENDING)
def test_p10_the_same_bytes_are_sent_again_when_their_sender_is_killed_at(network: Scene, step: str) -> None:
    # Not waited for: it may die before it is seen to be ready, of a report that it makes when it starts.
    adapter = network.adapter(OPM, failpoints=f"{step}=kill", wait=False)
    keys = network.send(OPM, SOC, DGA, count=2)
    network.dies(adapter, step.partition(":")[0])
    network.adapter(OPM)
    promises_hold(network)
    assert {*keys} <= network.received(SOC) & network.received(DGA)


@pytest.mark.parametrize("step", RECEIVING)
def test_p2_a_letter_is_there_once_when_its_recipient_is_killed_at(network: Scene, step: str) -> None:
    adapter = network.adapter(SOC, failpoints=f"{step}=kill", wait=False)
    keys = network.send(OPM, SOC, DGA, count=2)
    network.dies(adapter, step.partition(":")[0])
    network.adapter(SOC)
    promises_hold(network)
    assert {*keys} <= network.received(SOC) & network.received(DGA)


def test_p7_no_receipt_is_made_when_the_recipient_is_killed_before_it(network: Scene) -> None:
    adapter = network.adapter(SOC, failpoints="adapter.before-receipt=kill")
    receipts = select(func.count()).select_from(mail.notices).where(mail.notices.c.event == "delivered")
    before = network.rows(SOC, receipts)
    (key,) = network.send(OPM, SOC)
    network.dies(adapter, "adapter.before-receipt")
    assert network.rows(SOC, receipts) == before
    assert key not in network.received(SOC)
    network.adapter(SOC)
    promises_hold(network)
    assert key in network.received(SOC)
