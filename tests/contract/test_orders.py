"""What stewards order: taken once, looked at again before it is done, and entered in one append with its effect."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from pydantic import SecretStr

from bus.broker.topology import inbox_queue, user_of
from bus.checks import ledger as ledger_checks
from bus.directory import Agency
from bus.documents.enrolment import read_answer
from bus.documents.notes import make_key, witness_key
from bus.enrolment import process
from bus.enrolment.carrying_out import Done, Means, carry_out
from bus.enrolment.deciding import decline, waiting
from bus.enrolment.logins import by_nobody
from bus.enrolment.order_refusals import ORDER_WORDS, OrderRefusal, OrderRefused
from bus.enrolment.orders import Act, order, outcome_of, waiting_entries, waiting_orders
from bus.enrolment.process import run_enrolment
from bus.errors import Transient
from bus.identifiers import AgencyCode, RawDigest
from bus.installing import Wanted, make
from bus.ledger.entry import Kind
from bus.ledger.store import Ledger
from bus.operators import Operator, Role
from bus.router.activation import directory_in_force
from bus.router.alarms import Alarms
from bus.router.signers import bus_seal
from bus.settings.bus import BusSettings, load_bus_settings
from bus.views.entries import line_of
from bus.views.reports import REPORTS
from tests.assets import factory
from tests.assets.enrolments import requested
from tests.assets.factory import OCS, SOC
from tests.contract import ledger_rig as rig
from tests.fixtures.broker import Vhost
from tests.programs import programs

NEW, OTHER = AgencyCode("0999900000"), AgencyCode("0999900001")
BUS = factory.seal("bus")
STEWARD = Operator("สมหญิง", Role.STEWARD, "oidc")
OTHERS = Operator("somchai", Role.STEWARD, "key")
MEANS = Means(BUS, lambda _: "the broker's password", by_nobody)
WHY = "กุญแจหาย"


@pytest.fixture(scope="module")
def witness(tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("witness") / "key.pem"
    make_key(file)
    return str(witness_key(file, "saraban.example/test/witness").verifier)


@pytest.fixture
def known(ledger: Ledger) -> Ledger:
    """A ledger with a directory in force."""
    rig.Router(ledger).activate(rig.directory())
    return ledger


def asked(ledger: Ledger, witness: str, code: AgencyCode = NEW, seal: Any = BUS) -> tuple[RawDigest, str]:
    """An invited agency's request that waits: its name, and the fingerprint that would be read out."""
    return requested(ledger, witness, code, seal)


def ordered(ledger: Ledger, act: Act, agency: AgencyCode, reason: str = WHY, **more: Any) -> int:
    with ledger.append() as writer:
        return order(writer, act, agency, more.pop("operator", STEWARD), reason, **more)


def carried_out(ledger: Ledger, means: Means = MEANS) -> list[Done | None]:
    """What becomes of everything that waits."""
    with ledger.read() as reader:
        found = waiting_entries(reader)
    return [carry_out(ledger, entry, means) for entry in found]


def refusal(ledger: Ledger, *words: Any, **more: Any) -> OrderRefusal:
    """Why an order is not taken; nothing is entered."""
    before = rig.counts(ledger)
    with pytest.raises(OrderRefused) as refused:
        ordered(ledger, *words, **more)
    assert rig.counts(ledger) == before
    return refused.value.refusal


def bodies(ledger: Ledger, *kinds: Kind) -> list[dict[str, Any]]:
    return [dict(body) for body in rig.entries_of_kind(ledger, *kinds)]


def active(ledger: Ledger, code: AgencyCode) -> bool:
    with ledger.read() as reader:
        return directory_in_force(reader)[1].agencies[code].active


# ---- carried out ---------------------------------------------------------------------------------------------------


def test_who_is_suspended_by_order_is_resumed_by_order_and_both_name_the_steward(known: Ledger) -> None:
    for act, is_active, version in ((Act.SUSPEND, False, 2), (Act.RESUME, True, 3)):
        number = ordered(known, act, OCS)
        assert carried_out(known) == [Done("done", directory=version)]
        assert active(known, OCS) is is_active
        (given,) = [one for one in bodies(known, Kind.ORDERED) if one["seq"] == number]
        assert (given["operator"], given["role"], given["method"]) == ("สมหญิง", "steward", "oidc")
        directory, done = bodies(known, Kind.DIRECTORY)[-1], bodies(known, Kind.ORDER_DONE)[-1]
        assert (directory["operator"], directory["reason"], directory["version"]) == ("สมหญิง", WHY, version)
        assert (done["order"], done["outcome"], done["directory"]) == (number, "done", version)
        assert done["at"] == directory["at"], "they are of one append"
    assert carried_out(known) == []


def test_an_approved_agency_joins_and_its_answer_names_the_steward(known: Ledger, witness: str) -> None:
    request, fingerprint = asked(known, witness)
    typed = " ".join(fingerprint[at : at + 4].upper() for at in range(0, 64, 4))
    number = ordered(known, Act.APPROVE, NEW, "", request=request, fingerprint=typed)
    with known.read() as reader:
        (one,) = waiting_orders(reader)
        assert outcome_of(reader, number) is None
    assert (one.seq, one.act, one.operator, one.fingerprint) == (number, Act.APPROVE, STEWARD, fingerprint)
    made: list[str] = []

    def ready(agency: Agency) -> str:
        made.append(agency.code)
        return "the broker's password"

    assert carried_out(known, Means(BUS, ready, by_nobody)) == [Done("done", directory=2)]
    assert made == [NEW]
    answer, done = bodies(known, Kind.ENROLMENT_ANSWERED, Kind.ORDER_DONE)
    assert (answer["operator"], answer["outcome"], answer["directory"]) == ("สมหญิง", "approved", 2)
    assert done["seq"] == answer["seq"] + 1
    with known.read() as reader:
        entry = outcome_of(reader, number)
        assert entry is not None
        assert entry.body["outcome"] == "done"
        assert directory_in_force(reader)[1].has_inbox(NEW)


def test_a_declined_request_has_the_stewards_reason(known: Ledger, witness: str) -> None:
    request, _ = asked(known, witness)
    ordered(known, Act.DECLINE, NEW, request=request)
    assert carried_out(known) == [Done("done")]
    with known.read() as reader:
        entry = reader.enrolments.answer_to(request)
        assert entry is not None
        answer = read_answer(reader.must_document(entry).decode(), BUS.certificate)
    assert (answer.outcome, answer.reason, entry.body["operator"]) == ("declined", WHY, "สมหญิง")
    assert "directory" not in bodies(known, Kind.ORDER_DONE)[-1]


# ---- taken, or not -------------------------------------------------------------------------------------------------


def test_the_same_order_that_waits_is_not_entered_twice_and_its_opposite_not_at_all(
    known: Ledger, witness: str
) -> None:
    first = ordered(known, Act.SUSPEND, OCS)
    assert ordered(known, Act.SUSPEND, OCS, "for another reason") == first
    assert ordered(known, Act.SUSPEND, SOC) != first
    assert refusal(known, Act.RESUME, OCS) is OrderRefusal.CONTRADICTS
    request, fingerprint = asked(known, witness)
    approval = ordered(known, Act.APPROVE, NEW, request=request, fingerprint=fingerprint)
    assert ordered(known, Act.APPROVE, NEW, request=request, fingerprint=fingerprint[:20]) == approval
    assert refusal(known, Act.DECLINE, NEW, request=request) is OrderRefusal.CONTRADICTS
    assert len(carried_out(known)) == 3
    assert refusal(known, Act.SUSPEND, OCS) is OrderRefusal.ALREADY
    assert ordered(known, Act.RESUME, OCS) > first


def test_what_cannot_be_ordered_is_refused_with_a_code_and_not_entered(known: Ledger, witness: str) -> None:
    request, fingerprint = asked(known, witness)
    other, _ = asked(known, witness, OTHER)
    a_request: dict[str, Any] = {"request": request, "fingerprint": fingerprint}
    assert refusal(known, Act.RESUME, OCS) is OrderRefusal.ALREADY
    assert refusal(known, Act.SUSPEND, NEW) is OrderRefusal.AGENCY
    assert refusal(known, Act.SUSPEND, AgencyCode("bus")) is OrderRefusal.AGENCY
    for name, role in (
        ("somying", Role.OPERATOR),
        ("somying", Role.AUDITOR),
        ("saraban-bus", None),
        (" ", Role.STEWARD),
    ):
        by = Operator(name, role, "local")
        assert refusal(known, Act.SUSPEND, OCS, operator=by) is OrderRefusal.ROLE
    for reason in ("", "  ", "a\nb", "a\x00b", "x" * 1001):
        assert refusal(known, Act.SUSPEND, OCS, reason) is OrderRefusal.REASON
    assert refusal(known, Act.DECLINE, NEW, " ", request=request) is OrderRefusal.REASON
    assert refusal(known, Act.SUSPEND, OCS, **a_request) is OrderRefusal.UNREADABLE
    assert refusal(known, Act.DECLINE, NEW, **a_request) is OrderRefusal.UNREADABLE
    assert refusal(known, Act.APPROVE, NEW, request=request) is OrderRefusal.UNREADABLE
    assert refusal(known, Act.DECLINE, NEW, request=RawDigest("no")) is OrderRefusal.UNREADABLE
    assert refusal(known, Act.DECLINE, NEW, request=RawDigest("ab" * 32)) is OrderRefusal.NO_REQUEST
    assert refusal(known, Act.DECLINE, NEW, request=other) is OrderRefusal.NO_REQUEST
    for wrong in (fingerprint[:15], "", "0" * 64, fingerprint[1:], fingerprint + "0"):
        a_request["fingerprint"] = wrong
        assert refusal(known, Act.APPROVE, NEW, **a_request) is OrderRefusal.FINGERPRINT
    assert bodies(known, Kind.ORDERED) == []


def test_in_a_new_ledger_nothing_can_be_ordered(ledger: Ledger) -> None:
    assert refusal(ledger, Act.SUSPEND, OCS) is OrderRefusal.AGENCY


def test_every_refusal_has_words() -> None:
    assert set(ORDER_WORDS) == set(OrderRefusal)
    assert all(words.th and words.en for words in ORDER_WORDS.values())


# ---- looked at again -----------------------------------------------------------------------------------------------


def test_an_order_for_a_request_that_was_answered_meanwhile_is_refused(known: Ledger, witness: str) -> None:
    request, fingerprint = asked(known, witness)
    ordered(known, Act.APPROVE, NEW, request=request, fingerprint=fingerprint)
    with known.read() as reader:
        (one,) = waiting(reader)
    decline(known, one, BUS, operator=OTHERS, reason="the telephone said no")
    assert carried_out(known) == [Done("refused", OrderRefusal.ANSWERED)]
    (answer,) = bodies(known, Kind.ENROLMENT_ANSWERED)
    assert answer["operator"] == "somchai"
    (done,) = bodies(known, Kind.ORDER_DONE)
    assert (done["outcome"], done["detail"]) == ("refused", "order.answered")
    assert carried_out(known) == []


def test_a_request_that_is_answered_while_its_broker_is_made_ready_is_answered_once(
    known: Ledger, witness: str
) -> None:
    request, fingerprint = asked(known, witness)
    ordered(known, Act.APPROVE, NEW, request=request, fingerprint=fingerprint)
    with known.read() as reader:
        (one,) = waiting(reader)

    def ready(_: Agency) -> str:
        decline(known, one, BUS, operator=OTHERS, reason="no")
        return "the broker's password"

    assert carried_out(known, Means(BUS, ready, by_nobody)) == [Done("refused", OrderRefusal.ANSWERED)]
    with known.read() as reader:
        assert NEW not in directory_in_force(reader)[1].agencies


FORGED: dict[str, tuple[dict[str, Any], OrderRefusal]] = {
    "no steward": ({"role": "operator"}, OrderRefusal.ROLE),
    "a program": ({"role": None, "method": "program"}, OrderRefusal.ROLE),
    "an unknown role": ({"role": "king"}, OrderRefusal.UNREADABLE),
    "an unknown way": ({"method": "carrier pigeon"}, OrderRefusal.UNREADABLE),
    "an unknown act": ({"act": "delete"}, OrderRefusal.UNREADABLE),
    "no act": ({"act": None}, OrderRefusal.UNREADABLE),
    "no reason": ({"reason": None}, OrderRefusal.REASON),
    "a number for a name": ({"operator": 1}, OrderRefusal.UNREADABLE),
    "nobody": ({"operator": None}, OrderRefusal.UNREADABLE),
    "no agency": ({"agency": None}, OrderRefusal.UNREADABLE),
    "an agency that is none": ({"agency": "bus"}, OrderRefusal.AGENCY),
    "a list": ({"method": ["oidc"]}, OrderRefusal.UNREADABLE),
}


def test_an_order_that_no_steward_gave_is_refused_whoever_entered_it(known: Ledger, witness: str) -> None:
    """As whoever has broken into the console could write."""
    request, fingerprint = asked(known, witness)
    whole: dict[str, Any] = {"agency": OCS, "act": "suspend", "reason": WHY, **STEWARD.fields()}
    theirs = {"agency": NEW, "act": "approve", "request": request}
    wrong = {**FORGED, "another key": ({**theirs, "fingerprint": "0" * 64}, OrderRefusal.FINGERPRINT)}
    wrong["too little of a key"] = ({**theirs, "fingerprint": fingerprint[:8]}, OrderRefusal.FINGERPRINT)
    wrong["no key"] = (theirs, OrderRefusal.UNREADABLE)
    with known.append() as writer:
        for changes, _ in wrong.values():
            writer.entry(Kind.ORDERED, **(whole | changes))
    with known.read() as reader:
        assert [one.act for one in waiting_orders(reader)] == [Act.APPROVE], "of a form that can be read"
    for (name, (_, why)), done in zip(wrong.items(), carried_out(known), strict=True):
        assert (name, done) == (name, Done("refused", why))
    assert active(known, OCS)
    assert bodies(known, Kind.ENROLMENT_ANSWERED) == []
    with known.read() as reader:
        assert all(map(line_of, reader.entries()))
        assert list(REPORTS["operators"].rows(reader, None))


def test_of_two_that_carry_out_the_same_order_one_does(known: Ledger, witness: str) -> None:
    request, fingerprint = asked(known, witness)
    ordered(known, Act.APPROVE, NEW, request=request, fingerprint=fingerprint)
    ordered(known, Act.SUSPEND, OCS)
    together = Barrier(2)

    def ready(_: Agency) -> str:
        together.wait(20)
        return "the broker's password"

    means = Means(BUS, ready, by_nobody)
    with ThreadPoolExecutor(2) as pool:
        found = [each.result(60) for each in [pool.submit(carried_out, known, means) for _ in range(2)]]
    assert sorted(one is None for pair in zip(*found, strict=True) for one in pair) == [
        False,
        False,
        True,
        True,
    ]
    assert len(bodies(known, Kind.ORDER_DONE)) == 2
    with known.read() as reader:
        assert directory_in_force(reader)[1].version == 3


def test_an_order_that_was_carried_out_is_not_done_again_whatever_has_changed_since(known: Ledger) -> None:
    ordered(known, Act.SUSPEND, OCS)
    with known.read() as reader:
        (entry,) = waiting_entries(reader)
    assert carry_out(known, entry, MEANS) == Done("done", directory=2)
    ordered(known, Act.RESUME, OCS)
    assert carried_out(known) == [Done("done", directory=3)]
    assert carry_out(known, entry, MEANS) is None
    assert active(known, OCS)
    assert len(bodies(known, Kind.ORDER_DONE)) == 2


# ---- the process ---------------------------------------------------------------------------------------------------


def test_one_bad_order_keeps_no_other_waiting_and_is_tried_again(
    known: Ledger, witness: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults: list[Exception] = [ZeroDivisionError(), Transient("the broker does not answer")]
    alarms, rung = Alarms(), []
    alarms.listeners.append(lambda alarm, fields: rung.append((alarm, fields["order"])))

    def ready(_: Agency) -> str:
        if faults:
            raise faults.pop(0)
        return "the broker's password"

    request, fingerprint = asked(known, witness)
    bad = ordered(known, Act.APPROVE, NEW, request=request, fingerprint=fingerprint)
    ordered(known, Act.SUSPEND, OCS)
    orders = process._Orders(Means(BUS, ready, by_nobody), alarms)
    orders.round(known)
    assert rung == [("order-failed", bad)]
    assert not active(known, OCS)
    orders.round(known)
    assert len(faults) == 1, "it is not tried again at once"
    monkeypatch.setattr(process, "monotonic", lambda: time.monotonic() + process._AGAIN_AFTER)
    orders.round(known)  # the broker is away
    assert rung == [("order-failed", bad)]
    ordered(known, Act.RESUME, OCS)
    orders.round(known)
    assert active(known, OCS)
    assert [one["outcome"] for one in bodies(known, Kind.ORDER_DONE)] == ["done"] * 3
    with known.read() as reader:
        assert NEW in directory_in_force(reader)[1].agencies
    orders.round(known)


@pytest.fixture
def centre(tmp_path: Path, witness: str) -> BusSettings:
    """The settings of a centre on SQLite, with a directory that has one agency."""
    list(make(tmp_path / "bus.toml", Wanted()))
    return load_bus_settings(tmp_path / "bus.toml")


def until(settled: Callable[[], Any]) -> None:
    end = time.monotonic() + 60
    while not settled():
        assert time.monotonic() < end, "not within a minute"
        time.sleep(0.05)


def test_killed_before_it_enters_what_became_of_an_order_it_does_it_once(
    centre: BusSettings, witness: str, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "bus", "enrol", "-c", str(tmp_path / "bus.toml")]
    log = tmp_path / "reached"
    kills = {"SARABAN_FAILPOINTS": "enrolment.before-order-done=kill", "SARABAN_FAILPOINT_LOG": str(log)}
    with Ledger(centre.ledger.address()) as ledger:
        request, _ = asked(ledger, witness, seal=bus_seal(centre))
        number = ordered(ledger, Act.DECLINE, NEW, request=request)
        killed = programs.started(command, environment=os.environ | kills)
        assert killed.wait(60) == -signal.SIGKILL
        assert log.read_text(encoding="utf-8").split() == ["enrolment.before-order-done"]
        assert bodies(ledger, Kind.ENROLMENT_ANSWERED, Kind.ORDER_DONE) == []
        again = programs.started(command, environment=os.environ | kills)
        try:
            until(lambda: bodies(ledger, Kind.ORDER_DONE))
        finally:
            again.terminate()
        assert again.wait(30) == 0
        answer, done = bodies(ledger, Kind.ENROLMENT_ANSWERED, Kind.ORDER_DONE)
        assert (answer["operator"], done["order"], done["outcome"]) == ("สมหญิง", number, "done")


def test_the_doctor_says_when_orders_wait_for_a_program_that_does_not_run(
    centre: BusSettings, witness: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Ledger(centre.ledger.address()) as ledger:
        request, _ = asked(ledger, witness, seal=bus_seal(centre))
        ordered(ledger, Act.DECLINE, NEW, request=request)

    def said() -> list[str]:
        return [one.sentence for one in ledger_checks._read(centre, ledger_checks._waiting)]

    assert not [line for line in said() if "orders" in line], "enrol has a minute for it"
    monkeypatch.setattr(ledger_checks, "now", lambda: datetime.now(UTC) + timedelta(minutes=2))
    assert [line for line in said() if line.startswith("1 orders of stewards wait")]


async def test_enrolment_makes_a_broker_ready_for_who_is_approved_by_order(
    centre: BusSettings, vhost: Vhost, witness: str
) -> None:
    """The process's own loop, with a real broker."""
    vhost.admit("bus.admin")
    vhost.management.put(
        "users", "bus.admin", body={"password": vhost.passwords.of("bus.admin"), "tags": "administrator"}
    )
    broker = centre.broker.model_copy(
        update={
            "url": vhost.url("bus.admin").split("@")[1].join(("amqp://", "")),
            "vhost": vhost.name,
            "management_url": "http://" + vhost.node.management_url.split("@")[1],
            "management_user": "bus.admin",
            "management_password": SecretStr(vhost.passwords.of("bus.admin")),
        }
    )
    settings = centre.model_copy(update={"broker": broker})
    with Ledger(settings.ledger.address()) as ledger:
        request, fingerprint = asked(ledger, witness, seal=bus_seal(settings))
        ordered(ledger, Act.APPROVE, NEW, "", request=request, fingerprint=fingerprint)
        stop = asyncio.Event()
        running = asyncio.create_task(run_enrolment(settings, stop))
        await asyncio.to_thread(until, lambda: bodies(ledger, Kind.ORDER_DONE))
        ordered(ledger, Act.SUSPEND, NEW)
        await asyncio.to_thread(until, lambda: len(bodies(ledger, Kind.ORDER_DONE)) == 2)
        stop.set()
        await running
        assert [one["outcome"] for one in bodies(ledger, Kind.ORDER_DONE)] == ["done", "done"]
        assert not active(ledger, NEW)
    assert vhost.management.find("queues", vhost.name, inbox_queue(NEW)) is not None
    assert vhost.management.find("users", user_of(NEW)) is not None
