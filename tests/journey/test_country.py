"""Fifteen hundred agencies with keys and inboxes: a change of the directory and a circular reach every one of them.

`make scale` does the same, measured, with eight thousand.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import tomli_w

from bus.broker import topology
from bus.broker.link import Link
from bus.broker.management import Management
from bus.documents.letter import Receiver
from bus.documents.notes import make_key
from bus.errors import Transient
from bus.identifiers import AgencyCode
from bus.ledger.entry import Entry, Kind
from compose.local import LocalBus
from compose.node import Node
from compose.process import Process
from tests.bench import letters, throughput
from tests.scale import figures
from tests.scale.country import GROUP, codes_of, directory_text
from tests.unit.adapter.test_folder import LETTER

MANY = 1500
CODES = [AgencyCode(code) for code in codes_of(MANY)]
SENDER, DEAD = CODES[0], CODES[-1]
WITHIN = 180.0
"""Seconds after which something is taken not to come; on an idle machine it takes a twentieth of that."""


@pytest.fixture(scope="module")
def country(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalBus]:
    """The country's bus on a broker of its own; one inbox is full and takes nothing."""
    folder = tmp_path_factory.mktemp("country")
    with (
        Node(folder / "broker") as node,
        LocalBus(folder / "bus", broker=node, directory=directory_text(CODES), witnesses=False) as bus,
    ):
        bus.start_depot()
        letters.upload(bus.depot_url, bus.seal(SENDER), SENDER)
        yield bus


def router(bus: LocalBus) -> Process:
    return bus.start_router(sweep_interval=0.2)


async def settled(condition: Callable[[], object]) -> None:
    """Wait for a condition over stored rows; it is asked again and again, for commits have no event."""
    async with asyncio.timeout(WITHIN):
        while not await asyncio.to_thread(condition):  # noqa: ASYNC110
            await asyncio.sleep(0.1)


def newest(bus: LocalBus, kind: Kind) -> dict[str, object]:
    with bus.open_ledger().read() as reader:
        entry = reader.latest(kind)
    assert entry is not None
    return dict(entry.body)


def accepted(bus: LocalBus) -> list[Entry]:
    with bus.open_ledger().read() as reader:
        return list(reader.every(Kind.ACCEPTED))


def given_and_confirmed(bus: LocalBus, entry: object) -> tuple[set[str], set[str]]:
    """Whom an entry was consigned to, and for whom the broker has confirmed it."""
    with bus.open_ledger().read() as reader:
        given = {code: number for code, number in figures.consigned_with(bus, entry)}
        confirmed = {
            (code, number)
            for one in reader.every(Kind.CONSIGNED)
            for code, numbers in one.body["recipients"].items()
            for number in numbers
        }
    return set(given), {code for code, number in given.items() if (code, number) in confirmed}


def frozen(bus: LocalBus, entry: Entry) -> set[str]:
    """The recipient set that an acceptance names."""
    with bus.open_ledger().read() as reader:
        return set(reader.recipient_sets.named(entry.body["recipients"]).codes)


async def test_the_first_version_reaches_everybody_and_is_no_message(country: LocalBus) -> None:
    process = router(country)
    await settled(lambda: not figures.pending(country))
    given, confirmed = given_and_confirmed(country, newest(country, Kind.DIRECTORY)["seq"])
    assert given == confirmed == set(CODES)
    assert figures.newest_statement(country) < 4096
    process.stop()


async def test_a_change_is_small_for_all_and_a_router_that_dies_over_it_leaves_nobody_out(
    country: LocalBus,
) -> None:
    country.apply_directory(directory_text(CODES, 2, **{f"a{CODES[7]}": "สปช."}))
    dying = country.start_router(failpoints="router.after-confirm=kill@700", wait=False)
    await settled(lambda: not dying.running)
    dying.kill()
    assert country.failpoints_reached("router-1") == ["router.after-confirm"]
    assert len(figures.pending(country)) > MANY / 4
    process = router(country)
    before = throughput.peak_rss_mb(process)
    await settled(lambda: not figures.pending(country))
    given, confirmed = given_and_confirmed(country, newest(country, Kind.DIRECTORY)["seq"])
    assert given == confirmed == set(CODES)
    assert figures.newest_statement(country) <= 4096
    assert throughput.peak_rss_mb(process) - before <= 50
    process.stop()


async def test_a_circular_reaches_all_but_the_dead_one_over_a_router_that_dies_and_delays_no_other_letter(
    country: LocalBus,
) -> None:
    with Management(country.broker.management_url) as management:
        refuse = {"max-length": 1, "overflow": "reject-publish", "delivery-limit": 1_000_000}
        pattern = f"^{topology.inbox_queue(DEAD)}$"
        body = {"pattern": pattern, "apply-to": "queues", "priority": 9, "definition": refuse}
        management.put("policies", country.vhost, "dead-agency", body=body)
    circular, small = (
        letters.signed(country.keys, SENDER, [receiver], 1)[0]
        for receiver in (Receiver(group=GROUP), Receiver(agency=CODES[1]))
    )
    dying = country.start_router("router-2", failpoints="router.after-confirm=kill@700", wait=False)
    await throughput.submit(country, SENDER, [circular])
    await settled(lambda: not dying.running)
    dying.kill()
    process = router(country)
    await throughput.submit(country, SENDER, [small])
    await settled(lambda: len(accepted(country)) == 2)
    await settled(lambda: set(figures.pending(country)) == {DEAD})
    first, _ = accepted(country)
    given, confirmed = given_and_confirmed(country, first.seq)
    assert given == set(CODES)  # the sender's answer is one of them
    assert frozen(country, first) == set(CODES) - {SENDER}
    assert confirmed == set(CODES) - {DEAD}
    assert throughput.peak_rss_mb(process) <= 300
    process.stop()


async def test_every_inbox_has_what_the_ledger_says(country: LocalBus) -> None:
    """Two versions and a circular for each, and for the sender two answers; a repetition bears its old number."""
    seen = {code: await held(country, code) for code in (CODES[1], CODES[700], CODES[-2])}
    assert {code: {type_ for type_, _ in found} for code, found in seen.items()} == {
        code: {"directory", "letter"} for code in seen
    }
    numbers = {code: {number for _, number in found} for code, found in seen.items()}
    assert numbers == {CODES[1]: {1, 2, 3, 4}, CODES[700]: {1, 2, 3}, CODES[-2]: {1, 2, 3}}


@pytest.mark.parametrize("step", ["router.after-commit:submissions", "router.before-publish"])
async def test_the_sender_of_a_circular_sees_every_recipient_although_the_router_died_over_it(
    country: LocalBus, tmp_path: Path, step: str
) -> None:
    """Its own adapter sends it, and is told list and acceptance by the router that comes after."""
    if not country.witness_key(SENDER).exists():
        make_key(country.witness_key(SENDER))
    before = len(accepted(country))
    dying = country.start_router("router-3", failpoints=f"{step}=kill", wait=False)
    adapter = country.start_adapter(SENDER)
    (tmp_path / "หนังสือ.pdf").write_bytes(b"%PDF-1.7\n" + letters.PAPER + b"%%EOF\n")
    wanted = LETTER | {"number": f"นร 0105/ว {before}", "to": [f"group:{GROUP}"], "copy": []}
    (tmp_path / "letter.toml").write_text(tomli_w.dumps(wanted), encoding="utf-8")
    await settled(lambda: told(country, "status")["directory_version"] is not None)
    sent = country.run_adapter(SENDER, "send", str(tmp_path / "letter.toml"), "--json")
    assert sent.returncode == 0, sent.stderr
    await settled(lambda: not dying.running)
    dying.kill()
    assert step.partition(":")[0] in country.failpoints_reached("router-3")
    process = router(country)

    def shown() -> dict[str, Any]:
        return told(country, "show", json.loads(sent.stdout)["id"])

    await settled(lambda: shown()["state"] == "accepted")
    *_, newest_one = accepted(country)
    assert {one["agency"]["code"] for one in shown()["recipients"]} == frozen(country, newest_one)
    assert frozen(country, newest_one) == set(CODES) - {SENDER}
    assert len(accepted(country)) == before + 1
    assert adapter.stop() == 0, adapter.last_words()
    process.stop()


def told(bus: LocalBus, *words: str) -> dict[str, Any]:
    """What a command of the sender's adapter prints."""
    done = bus.run_adapter(SENDER, *words, "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


async def held(bus: LocalBus, code: AgencyCode) -> list[tuple[str | None, object]]:
    """What lies in an agency's inbox: type and consignment number of each message."""
    found: list[tuple[str | None, object]] = []
    async with Link(bus.amqp_url(topology.user_of(code)), name="look") as link:
        await link.wait_connected()
        depth = await link.depth(topology.inbox_queue(code))
        subscription = link.subscribe(topology.inbox_queue(code), prefetch=100)
        while len(found) < depth.messages:
            taken = await subscription.take(100)
            found += [(one.type, one.headers["consignment"]) for one in taken]
        with suppress(Transient):
            await subscription.stop()
    return found
