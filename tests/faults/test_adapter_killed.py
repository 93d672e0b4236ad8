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
def test_p10_the_same_bytes_are_sent_again_when_their_sender_is_killed_at(town: Scene, step: str) -> None:
    adapter = town.adapter(OPM, failpoints=f"{step}=kill")
    keys = town.send(OPM, SOC, DGA, count=2)
    town.dies(adapter, step.partition(":")[0])
    town.adapter(OPM)
    promises_hold(town)
    assert {*keys} <= town.received(SOC) & town.received(DGA)


@pytest.mark.parametrize("step", RECEIVING)
def test_p2_a_letter_is_there_once_when_its_recipient_is_killed_at(town: Scene, step: str) -> None:
    adapter = town.adapter(SOC, failpoints=f"{step}=kill")
    keys = town.send(OPM, SOC, DGA, count=2)
    town.dies(adapter, step.partition(":")[0])
    town.adapter(SOC)
    promises_hold(town)
    assert {*keys} <= town.received(SOC) & town.received(DGA)


def test_p7_no_receipt_is_made_when_the_recipient_is_killed_before_it(town: Scene) -> None:
    adapter = town.adapter(SOC, failpoints="adapter.before-receipt=kill")
    receipts = select(func.count()).select_from(mail.notices).where(mail.notices.c.event == "delivered")
    before = town.rows(SOC, receipts)
    (key,) = town.send(OPM, SOC)
    town.dies(adapter, "adapter.before-receipt")
    assert town.rows(SOC, receipts) == before
    assert key not in town.received(SOC)
    town.adapter(SOC)
    promises_hold(town)
    assert key in town.received(SOC)
