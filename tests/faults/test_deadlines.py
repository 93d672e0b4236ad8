"""A deadline passes while the bus is down, and while a recipient is."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from datetime import datetime

from sqlalchemy import select

from adapters.mailbox import tables as mail
from bus.broker import topology
from bus.documents.notice import Event
from bus.ledger.entry import Kind, timestamp
from bus.ledger.tables import due
from bus.thai import now
from tests.faults.evidence import depths
from tests.faults.promises import promises_hold
from tests.faults.scene import DGA, OPM, SOC, Scene
from tests.faults.waiting import eventually
from tests.faults.wire import flood

_WEEK = "".join(
    f'{day} = ["00:00-23:59"]\n'
    for day in ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
)


def calendar(receipt: str, registration: str = "PT4H", *, version: int = 1) -> str:
    """A calendar by which machines have so long for their receipts and clerks for theirs, whatever the speed."""
    deadlines = "".join(
        f'[deadline.{speed}]\nreceipt = "{receipt}"\nregistration = "{registration}"\n'
        for speed in ("001", "002", "003", "004")
    )
    return f"version = {version}\n[hours]\n{_WEEK}{deadlines}"


def _overdue(network: Scene) -> list[dict[str, object]]:
    return [dict(entry.body) for entry in network.entries(Kind.OVERDUE)]


def test_p12_nobody_is_accused_of_what_a_bus_that_was_down_did_not_hear(stage: Callable[..., Scene]) -> None:
    network = stage(calendar=calendar("PT12S")).start(OPM)
    network.send(OPM, SOC)
    (accepted,) = eventually(lambda: network.entries(Kind.ACCEPTED), "accepted")
    deadline = datetime.fromisoformat(accepted.body["receiptDue"])
    eventually(lambda: _is_consigned(network, accepted.seq), "consigned")
    network.process("router-1").kill()
    assert now() < deadline, "the router was there to hear the receipt"
    network.adapter(SOC)
    eventually(lambda: network.rows(SOC, _sent_receipts()), "the recipient's receipt is in the intake")
    eventually(lambda: now() > deadline, "the deadline has passed")
    network.router()
    evidence = promises_hold(network)
    eventually(lambda: not _due(network), "the deadline is judged")
    assert _overdue(network) == []
    assert all(evidence.state(row.letter).recipients[SOC].receipt for row in evidence.letters)


def _is_consigned(network: Scene, letter: int) -> bool:
    """Whether the broker has confirmed a letter for SOC."""
    bodies = [entry.body for entry in network.entries(Kind.CONSIGNED)]
    return any(body.get("letter") == letter and SOC in body["recipients"] for body in bodies)


def test_p12_a_silent_recipient_is_reported_once_and_may_still_answer(stage: Callable[..., Scene]) -> None:
    # Time enough for SOC's receipt, on a loaded machine as well.
    network = stage(calendar=calendar("PT12S")).start(OPM, SOC)
    keys = network.send(OPM, SOC, DGA)
    eventually(lambda: _overdue(network), "the silence is recorded")
    promises_hold(network)
    (overdue,) = _overdue(network)
    assert overdue["silent"] == [DGA]
    told = select(mail.notices.c.about).where(mail.notices.c.event == Event.OVERDUE_RECEIPT)
    assert [about for (about,) in network.rows(OPM, told)] == [DGA]
    network.process("router-1").kill()
    network.router()
    network.adapter(DGA)
    promises_hold(network)
    assert _overdue(network) == [overdue]
    assert {*keys} <= network.received(DGA)


def _announce(network: Scene, text: str, *more: str) -> None:
    """Put another calendar in force, as an operator does: a longer time stands for a holiday, which takes a day."""
    file = network.bus.folder / "announced.toml"
    file.write_text(text, encoding="utf-8")
    done = network.bus.run_bus("calendar", "apply", str(file), *more)
    assert done.returncode == 0, done.stderr


def test_p12_nobody_is_accused_on_a_holiday_that_was_announced_after_the_letter_was_accepted(
    stage: Callable[..., Scene],
) -> None:
    network = stage(calendar=calendar("PT1H", "PT25S")).start(OPM, SOC)
    keys = network.send(OPM, SOC, acknowledgement="registration")
    eventually(lambda: network.accepted(OPM, keys), "accepted")
    (accepted,) = network.entries(Kind.ACCEPTED)
    _announce(network, calendar("PT1H", "PT40S", version=2), "--extend")
    assert timestamp(now()) < accepted.body["registrationDue"], "the extension came in time"
    (extension,) = network.entries(Kind.DEADLINE_EXTENDED)
    ((group,),) = (extension.body["extended"],)
    assert (group["was"], group["recipients"]) == (accepted.body["registrationDue"], [SOC])
    eventually(lambda: _overdue(network), "the silence is recorded", within=120)
    (overdue,) = _overdue(network)
    assert (overdue["deadline"], overdue["due"], overdue["silent"]) == ("registration", group["due"], [SOC])
    assert str(overdue["at"]) > group["due"] > group["was"]
    promises_hold(network)
    told = select(mail.notices.c.about).where(mail.notices.c.event == Event.OVERDUE_REGISTRATION)
    assert [about for (about,) in network.rows(OPM, told)] == [SOC]


def test_p12_without_an_extension_the_frozen_time_counts(stage: Callable[..., Scene]) -> None:
    network = stage(calendar=calendar("PT1H", "PT8S")).start(OPM, SOC)
    keys = network.send(OPM, SOC, acknowledgement="registration")
    eventually(lambda: network.accepted(OPM, keys), "accepted")
    _announce(network, calendar("PT1H", "PT4H", version=2))
    eventually(lambda: _overdue(network), "the silence is recorded")
    (accepted,) = network.entries(Kind.ACCEPTED)
    (overdue,) = _overdue(network)
    assert (overdue["due"], overdue["silent"]) == (accepted.body["registrationDue"], [SOC])
    assert network.entries(Kind.DEADLINE_EXTENDED) == []


def _due(network: Scene) -> bool:
    with network.bus.open_ledger().engine.connect() as ledger:
        return ledger.execute(select(due.c.at).where(due.c.deadline == "receipt")).first() is not None


def _sent_receipts() -> object:
    outbox = mail.outbox
    return select(outbox.c.id).where(outbox.c.type == "notice", outbox.c.state == "sent")


def test_p11_a_flood_of_an_agency_that_is_not_concerned_delays_no_judgement(
    stage: Callable[..., Scene],
) -> None:
    network = stage(calendar=calendar("PT3S"), shares={"fruitless": 5}).start(OPM, router=False)
    flood(network.bus, DGA, [secrets.token_bytes(20) for _ in range(4_000)])
    router = network.router(batch=4, prefetch=4)
    stop = threading.Event()
    flooding = threading.Thread(target=_flood_until, args=(network, stop))
    flooding.start()
    try:
        eventually(lambda: depths(network.bus)[topology.intake_queue(DGA)] > 0, "the flood is there")
        network.send(OPM, SOC)
        eventually(lambda: network.entries(Kind.ACCEPTED), "accepted")
        eventually(lambda: _overdue(network), "the silence is recorded")
        assert depths(network.bus)[topology.intake_queue(DGA)] > 0, "there was no moment without a flood"
    finally:
        stop.set()
        flooding.join()
    assert router.running
    assert [one["silent"] for one in _overdue(network)] == [[SOC]]


def _flood_until(network: Scene, stop: threading.Event) -> None:
    while not stop.is_set():
        if depths(network.bus)[topology.intake_queue(DGA)] < 4_000:
            flood(network.bus, DGA, [secrets.token_bytes(20) for _ in range(2_000)])
