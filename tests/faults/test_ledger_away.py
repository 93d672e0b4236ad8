"""The ledger's database is locked, or gone, for a while."""

from __future__ import annotations

import sqlite3
import urllib.error
import urllib.request
from collections.abc import Callable

from sqlalchemy import select

from adapters.mailbox import tables as mail
from compose.cluster import PostgresCluster
from compose.process import Process
from tests.faults.promises import promises_hold
from tests.faults.scene import DGA, OPM, SOC, Scene
from tests.faults.waiting import eventually


def _ready(process: Process) -> bool:
    try:
        with urllib.request.urlopen(f"{process.health}/readyz", timeout=60) as answer:
            return bool(answer.status == 200)
    except urllib.error.HTTPError:
        return False


def test_p1_no_letter_is_lost_while_the_ledger_is_locked(stage: Callable[..., Scene]) -> None:
    network = stage().start()
    network.calm()
    router = network.process("router-1")
    lock = sqlite3.connect(network.bus.folder / "ledger.db", isolation_level=None)
    try:
        lock.execute("BEGIN IMMEDIATE")
        keys = network.send(OPM, SOC, DGA, count=3)
        eventually(lambda: not _ready(router), "the router says that it is waiting")
        lock.execute("ROLLBACK")
    finally:
        lock.close()
    promises_hold(network)
    assert router.running
    assert {*keys} <= network.received(SOC) & network.received(DGA)


def test_p8_the_ledger_goes_on_where_it_was_when_its_server_was_killed(
    stage: Callable[..., Scene], postgres_server: PostgresCluster, postgres_url: str
) -> None:
    network = stage(ledger_url=postgres_url).start()
    first = network.send(OPM, SOC, DGA, count=5)
    eventually(lambda: network.accepted(OPM, first), "the first are accepted")
    promises_hold(network)
    router = network.process("router-1")
    keys = network.send(OPM, SOC, DGA, count=5)
    postgres_server.kill()
    assert not postgres_server.running

    def held_up(references: list[str]) -> int:
        wanted = mail.outbox.c.reference.in_(references)
        return len(
            network.rows(SOC, select(mail.outbox.c.id).where(wanted, mail.outbox.c.last_error.is_not(None)))
        )

    def one_more_is_held_up() -> bool:
        keys.extend(network.send(SOC, OPM))
        return held_up(keys[5:]) > 0

    # For a second the depot goes by the directory that it has asked for last: what comes by then may pass.
    eventually(one_more_is_held_up, "the depot says that it cannot ask the ledger")
    late = network.send(SOC, OPM, count=5)
    eventually(lambda: held_up(late) == 5, "nothing can be sent while nobody can ask the ledger")
    keys += late
    postgres_server.start()
    promises_hold(network)
    assert router.running
    assert {*keys[:5]} <= network.received(SOC) & network.received(DGA)
    assert {*keys[5:]} <= network.received(OPM)
