"""One agency floods the bus, in one disguise after the other, and nobody else waits for it (P11)."""

from __future__ import annotations

import secrets
import signal
from collections.abc import Callable, Mapping
from dataclasses import replace
from uuid import uuid4

import httpx
import pytest

from bus.broker import topology
from bus.documents.letter import Content, Letter, Receiver
from bus.documents.signing import sign
from bus.identifiers import AgencyCode
from bus.ledger.entry import Kind
from compose.local import LocalBus
from tests.assets import factory
from tests.faults.evidence import depths
from tests.faults.scene import DGA, OPM, SOC, Scene
from tests.faults.waiting import eventually
from tests.faults.wire import flood

MIB = 1024**2


def _own(letter: Letter, number: int) -> Letter:
    return replace(letter, content=Content(subject=f"เรื่องที่ {number} (ตัวอย่าง)"))


def _plain(sender: AgencyCode) -> Letter:
    moment = factory.NOW
    return factory.letter(
        letter_id=uuid4(), sender=factory.sender(sender), receivers=(Receiver(agency=DGA),), sent_at=moment
    )


def garbage(bus: LocalBus) -> list[bytes]:
    return [secrets.token_bytes(20) for _ in range(1_000)]


def oversize(bus: LocalBus) -> list[bytes]:
    return [b"<" + secrets.token_bytes(MIB) for _ in range(150)]


def wrong_signatures(bus: LocalBus) -> list[bytes]:
    letter = _plain(SOC)
    return [sign(_own(letter, n), bus.seal(OPM)).raw for n in range(300)]


def conflicts(bus: LocalBus) -> list[bytes]:
    letter = _plain(OPM)
    return [sign(_own(letter, n), bus.seal(OPM)).raw for n in range(300)]


def repeats(bus: LocalBus) -> list[bytes]:
    return [sign(_plain(OPM), bus.seal(OPM)).raw] * 1_000


def reports(bus: LocalBus) -> list[bytes]:
    return [b"eyJ" + secrets.token_hex(40).encode() for _ in range(1_000)]


FLOODS: Mapping[str, Callable[[LocalBus], list[bytes]]] = {
    each.__name__: each for each in (garbage, oversize, wrong_signatures, conflicts, repeats, reports)
}
SMALL = {"fruitless": 10, "refusals_per_hour": 20}


@pytest.mark.parametrize("disguise", FLOODS)
def test_p11_a_letter_overtakes_the_flood_that_came_before_it(
    stage: Callable[..., Scene], disguise: str
) -> None:
    network = stage(shares=SMALL)
    network.bus.start_depot()
    network.router("first")
    network.adapter(SOC, resend_after=120.0)
    network.calm()
    network.process("first").stop()
    bodies = FLOODS[disguise](network.bus)
    flood(network.bus, OPM, bodies)
    keys = network.send(SOC, DGA, count=3)
    eventually(lambda: _waiting(network, SOC) >= len(keys), "the letters are in their queue")
    assert _waiting(network, OPM) == len(bodies)
    router = network.router(batch=20, prefetch=20)
    eventually(lambda: len(network.entries(Kind.ACCEPTED)) >= len(keys), "the letters are accepted")
    # Stopped as it was then: what the broker has is known only a while later.
    router.send_signal(signal.SIGSTOP)
    assert _waiting(network, OPM) > 0, "the flood is not over yet"
    router.send_signal(signal.SIGCONT)
    eventually(lambda: network.accepted(SOC, keys), "their sender is told")
    eventually(lambda: _settled(router.health) >= len(bodies) + len(keys), "all of the flood is settled")
    assert _waiting(network, OPM) == 0
    assert [entry.body["agency"] for entry in network.entries(Kind.SHARE_EXCEEDED)] == [OPM]
    assert len(network.entries(Kind.REFUSED)) <= SMALL["refusals_per_hour"] + 1
    metrics = httpx.get(f"{router.health}/metrics", timeout=60).text
    assert 'saraban_router_share_exceeded_total{agency=""} 1.0' in metrics
    assert "share-exceeded" in router.last_words(400)


def test_who_floods_is_told_by_the_answer_to_one_of_its_submissions(stage: Callable[..., Scene]) -> None:
    network = stage(shares={"fruitless": 10})
    network.bus.start_depot()
    network.router()
    flood(network.bus, OPM, garbage(network.bus)[:60])
    eventually(lambda: network.entries(Kind.SHARE_EXCEEDED), "the alarm is raised")
    flood(network.bus, OPM, garbage(network.bus)[:5])
    eventually(lambda: _flags(network) == ["share-exceeded"], "one answer says so")
    assert len(network.entries(Kind.SHARE_EXCEEDED)) == 1


def test_two_that_flood_do_not_wait_for_each_other(stage: Callable[..., Scene]) -> None:
    network = stage(shares=SMALL)
    network.bus.start_depot()
    network.router("first").stop()
    flood(network.bus, OPM, garbage(network.bus))
    flood(network.bus, SOC, garbage(network.bus)[:100])
    network.router(batch=20, prefetch=20)
    small, large = topology.intake_queue(SOC), topology.intake_queue(OPM)

    def over() -> Mapping[str, int]:
        found = depths(network.bus)
        return {} if found[small] else found

    assert eventually(over, "the smaller flood is over")[large] > 0


def test_what_expired_while_no_router_ran_is_refused_for_that_and_not_parked_as_a_bug(
    stage: Callable[..., Scene],
) -> None:
    network = stage()
    network.bus.start_depot()
    good = sign(_plain(OPM), network.bus.seal(OPM)).raw
    flood(network.bus, OPM, [*garbage(network.bus)[:50], good], expiration="10")
    eventually(lambda: depths(network.bus)[topology.PARKED] == 51, "all have expired")
    network.router()
    eventually(lambda: len(network.entries(Kind.REFUSED)) == 51, "all are refused")
    assert {entry.body["code"] for entry in network.entries(Kind.REFUSED)} == {"message.property"}
    assert {entry.body["agency"] for entry in network.entries(Kind.REFUSED)} == {OPM}
    assert network.entries(Kind.PARKED) == []


@pytest.mark.parametrize("asked", [{"expiration": "600000"}, {"priority": 5}, {"reply_to": "amq.gen-x"}])
def test_what_a_client_asks_of_the_broker_is_refused_and_not_obeyed(
    stage: Callable[..., Scene], asked: dict[str, object]
) -> None:
    network = stage()
    network.bus.start_depot()
    network.router()
    good = sign(_plain(OPM), network.bus.seal(OPM)).raw
    flood(network.bus, OPM, [good], **asked)
    (refused,) = eventually(lambda: network.entries(Kind.REFUSED), "it is refused")
    assert refused.body["code"] == "message.property"
    flood(network.bus, OPM, [good])
    judged = eventually(
        lambda: network.entries(Kind.REFUSED)[1:] or network.entries(Kind.ACCEPTED), "it is judged"
    )
    assert judged[0].body.get("code") in (None, "file.missing")


def test_a_forged_death_gets_a_poisonous_submission_refused_and_no_router_killed(
    stage: Callable[..., Scene],
) -> None:
    network = stage()
    network.bus.start_depot()
    network.router("first").stop()
    death = {"reason": "expired", "queue": topology.intake_queue(OPM), "count": 1}
    flood(network.bus, OPM, [b"<poison/>"], headers={"x-death": [death]}, expiration="1")
    eventually(lambda: depths(network.bus)[topology.PARKED] == 1, "it has expired")
    router = network.router()
    (refused,) = eventually(lambda: network.entries(Kind.REFUSED), "it is refused")
    assert refused.body["code"] == "message.property"
    assert router.running


def _waiting(network: Scene, code: str) -> int:
    return depths(network.bus)[topology.intake_queue(code)]


def _settled(health: str | None) -> float:
    lines = httpx.get(f"{health}/metrics", timeout=60).text.splitlines()
    return sum(
        float(line.split()[-1]) for line in lines if line.startswith("saraban_router_submissions_total{")
    )


def _flags(network: Scene) -> list[str]:
    with network.bus.open_ledger().read() as reader:
        numbers = [(OPM, number) for number in range(1, 100)]
        return [str(one.headers["flags"]) for one in reader.consignments(numbers) if "flags" in one.headers]
