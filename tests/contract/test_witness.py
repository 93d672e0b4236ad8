"""The log over HTTP, and adapters as its witnesses: what they believe, what alarms them, what they cosign (P8)."""

from __future__ import annotations

import shutil
import time
from base64 import b64decode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from starlette.applications import Starlette

from adapters.agent.witnessing import Witness, WitnessKeys
from adapters.log import LogClient
from adapters.mailbox import Mailbox, Message
from adapters.mailbox.directories import Taken
from adapters.status import status_view, witness_trouble
from bus.directory import Directory
from bus.documents.notes import NoteKey, make_key, witness_key, witness_name
from bus.documents.reports import Cosigned, open_report, sealed
from bus.errors import RefusalCode, Transient
from bus.ledger.rows import Head
from bus.ledger.store import Ledger
from bus.router.delivery import Delivery
from bus.transparency import log_routes
from bus.verifier.merkle import require_consistency
from bus.verifier.notes import read_checkpoint, read_note, require_signed, with_signatures
from bus.web import serving
from compose.local import free_port
from tests.assets import factory
from tests.assets.factory import OCS
from tests.assets.statements import statement
from tests.contract import ledger_rig as rig
from tests.contract.lived import Lived, live


def lived_in(folder: Path, template: Path) -> Lived:
    folder.mkdir(exist_ok=True)
    shutil.copy(template, folder / "ledger.db")
    return live(Ledger(f"sqlite:///{folder / 'ledger.db'}"), folder)


@pytest.fixture
def lived(sqlite_template: Path, tmp_path: Path) -> Lived:
    return lived_in(tmp_path / "bus", sqlite_template)


@asynccontextmanager
async def served(ledger: Ledger) -> AsyncIterator[str]:
    port = free_port()
    async with serving(Starlette(routes=log_routes(ledger)), "127.0.0.1", port, setting="test"):
        yield f"http://127.0.0.1:{port}"


class Network:
    """A mailbox of OCS with its witness, and what it has published."""

    def __init__(self, lived: Lived, folder: Path, url: str) -> None:
        self.lived = lived
        self.mailbox = Mailbox(folder / "mailbox", OCS)
        self.published: list[bytes] = []
        make_key(folder / "witness.pem")
        log = lived.signer._key.verifier
        self.own: NoteKey = witness_key(folder / "witness.pem", witness_name(log, OCS))
        self.client = LogClient(url)
        self.witness = Witness(
            self.mailbox, factory.seal(OCS), WitnessKeys(log, self.own), self.client, self._publish, every=1.0
        )

    async def _publish(self, _id: str, raw: bytes) -> None:
        self.published.append(raw)

    @property
    def alarms(self) -> list[str]:
        return [alarm.reason for alarm in self.mailbox.heads.alarms()]


@pytest.fixture
async def network(lived: Lived, tmp_path: Path) -> AsyncIterator[Network]:
    async with served(lived.ledger) as url:
        made = Network(lived, tmp_path, url)
        async with made.client:
            yield made
        made.mailbox.close()


def heads_of(lived: Lived) -> list[Head]:
    with lived.ledger.read() as reader:
        return reader.heads.above(0)


def more(lived: Lived, count: int = 1) -> Head:
    with lived.ledger.append() as writer:
        rig.some_entries(writer, count)
    head = lived.signer.sign()
    assert head is not None
    return head


# ---- over HTTP -----------------------------------------------------------------------------------------------------


async def test_head_tiles_and_proofs_are_to_be_had_by_everybody_and_nothing_that_is_not_signed(
    lived: Lived,
) -> None:
    more(lived, 300)
    with lived.ledger.append() as writer:
        rig.some_entries(writer, 5)
    async with served(lived.ledger) as url, httpx.AsyncClient(base_url=url) as http:
        answer = await http.get("/log/checkpoint")
        assert answer.headers["cache-control"] == "no-cache"
        note = read_note(answer.text)
        require_signed(note, lived.signer._key.verifier)
        head = read_checkpoint(note)
        size = head.size
        full = await http.get("/log/tile/0/000")
        assert (len(full.content), "immutable" in full.headers["cache-control"]) == (256 * 32, True)
        width = size - 256
        part = await http.get(f"/log/tile/0/001.p/{width}")
        assert len(part.content) == width * 32
        assert len((await http.get("/log/tile/1/000.p/1")).content) == 32
        for path in (
            f"0/001.p/{width + 1}",
            "0/001",
            "0/002.p/1",
            "1/000.p/2",
            "0/000.p/0",
            "0/000.p/257",
            "0/1",
            "0/x001/x234/067",
            "9/000",
        ):
            assert (await http.get(f"/log/tile/{path}")).status_code == 404, path
        old = heads_of(lived)[0]
        proof = (await http.get(f"/log/consistency/{old.size}/{size}")).json()["hashes"]
        require_consistency(old.size, old.root, size, head.root, [b64decode(one) for one in proof])
        assert (await http.get(f"/log/consistency/1/{size + 1}")).status_code == 404
        assert (await http.get("/log/consistency/3/2")).status_code == 404


async def test_before_the_first_head_there_is_nothing(sqlite_template: Path, tmp_path: Path) -> None:
    shutil.copy(sqlite_template, tmp_path / "ledger.db")
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    async with served(ledger) as url, httpx.AsyncClient(base_url=url) as http:
        for path in ("checkpoint", "anchor", "tile/0/000.p/1", "consistency/0/1"):
            assert (await http.get(f"/log/{path}")).status_code == 404
    ledger.close()


# ---- what a witness believes ---------------------------------------------------------------------------------------


async def test_heads_that_continue_one_another_are_believed_in_whatever_order_they_come(
    network: Network,
) -> None:
    first, second, third = heads_of(network.lived)
    assert await network.witness.look(second.note)
    assert await network.witness.look(third.note)
    assert await network.witness.look(first.note), "stale, and no alarm"
    assert await network.witness.look(second.note), "delivered again"
    newest = network.mailbox.heads.newest()
    assert newest is not None
    assert newest.size == third.size
    assert network.alarms == []


async def test_a_rewritten_log_is_an_alarm_that_keeps_both_heads_and_believes_the_first(
    network: Network, sqlite_template: Path, tmp_path: Path
) -> None:
    held = heads_of(network.lived)[-1]
    assert await network.witness.look(held.note)
    # The same key, the same history but for its content, and longer.
    (tmp_path / "forger").mkdir()
    shutil.copy(tmp_path / "bus" / "log.key.pem", tmp_path / "forger")
    forged = lived_in(tmp_path / "forger", sqlite_template)
    newer = more(forged, 3)
    async with served(forged.ledger) as url, LogClient(url) as client:
        network.witness._log = client
        assert not await network.witness.look(newer.note)
        assert not await network.witness.look(newer.note), "and once is enough"
    (alarm,) = network.mailbox.heads.alarms()
    assert alarm.reason.startswith("the log was rewritten")
    assert (alarm.held, alarm.shown) == (held.note, newer.note)
    newest = network.mailbox.heads.newest()
    assert newest is not None
    assert newest.note == held.note


async def test_two_heads_of_one_size_are_an_alarm(
    network: Network, sqlite_template: Path, tmp_path: Path
) -> None:
    held = heads_of(network.lived)[-1]
    await network.witness.look(held.note)
    (tmp_path / "forger").mkdir()
    shutil.copy(tmp_path / "bus" / "log.key.pem", tmp_path / "forger")
    twin = heads_of(lived_in(tmp_path / "forger", sqlite_template))[-1]
    assert twin.size == held.size
    assert not await network.witness.look(twin.note)
    assert network.alarms == ["two heads of one size"]


async def test_a_log_that_was_cut_off_is_an_alarm(
    network: Network, tmp_path: Path, sqlite_template: Path
) -> None:
    shutil.copytree(tmp_path / "bus", tmp_path / "older")
    await network.witness.look(more(network.lived, 4).note)
    older = Ledger(f"sqlite:///{tmp_path / 'older' / 'ledger.db'}")
    async with served(older) as url, LogClient(url) as client:
        network.witness._log = client
        with older.read() as reader:
            shown = reader.heads.above(0)[1]
        assert not await network.witness.look(shown.note)
    older.close()
    assert network.alarms[0].startswith("the log was cut off")


async def test_a_head_by_another_key_is_never_believed_and_is_no_evidence_against_the_log(
    network: Network,
) -> None:
    head = heads_of(network.lived)[0]
    forged = str(read_note(head.note)).replace(f"\n{head.size}\n", f"\n{head.size + 1}\n")
    assert not await network.witness.look(forged)
    assert not await network.witness.look("nonsense")
    assert network.alarms == []
    assert network.mailbox.heads.newest() is None


async def test_while_the_log_is_away_nothing_is_concluded(network: Network) -> None:
    first, second, _ = heads_of(network.lived)
    await network.witness.look(first.note)
    async with LogClient("http://127.0.0.1:1") as nobody:
        network.witness._log = nobody
        with pytest.raises(Transient, match="away"):
            await network.witness.look(second.note)
    assert network.alarms == []


# ---- what a witness signs ------------------------------------------------------------------------------------------


async def test_what_came_with_a_message_is_looked_at_and_the_anchor_is_cosigned_once(
    network: Network,
) -> None:
    first, _, third = heads_of(network.lived)
    headers = {"consignment": 1, "checkpoint": first.note}
    network.mailbox.arrivals.store([Message(type="weather", body=b"x", headers=headers)])
    for _ in range(2):
        await network.witness.work()
    assert network.mailbox.heads.of_size(first.size) is not None
    (raw,) = network.published
    report = open_report(raw, (factory.pin(factory.seal(OCS)),), factory.NOW)
    assert isinstance(report, Cosigned)
    assert report.size == third.size
    note = read_note(f"{read_note(third.note).text}\n{report.line}\n")
    assert require_signed(note, network.own.verifier)


async def test_a_cosignature_is_kept_outside_of_the_tree_and_published(network: Network) -> None:
    lived = network.lived
    lived.router.activate(rig.directory(2, OCS=rig.agency(OCS, witness=str(network.own.verifier))))
    more(lived)
    await network.witness.work()
    before = rig.counts(lived.ledger)["entries"]
    for outcome in ("cosigned", "duplicate"):
        assert lived.router.take(rig.delivery(network.published[0], OCS)).outcome == outcome
    assert rig.counts(lived.ledger)["entries"] == before
    anchor = await network.client.anchor()
    assert anchor is not None
    assert require_signed(read_note(anchor), network.own.verifier)


async def test_a_cosignature_by_nobodys_key_or_over_no_head_is_refused(network: Network) -> None:
    lived = network.lived

    def refused(**changes: Any) -> RefusalCode:
        head = heads_of(lived)[-1]
        line = str(network.own.cosign(read_note(head.note), 1))
        values: dict[str, Any] = {"id": uuid4(), "agency": OCS, "size": head.size, "line": line}
        raw = sealed(Cosigned(**values | changes), factory.seal(OCS))
        (found,), _ = lived.router.judge(rig.delivery(raw, OCS))
        return found.reason.code  # type: ignore[union-attr]

    assert refused() is RefusalCode.REPORT_COSIGNATURE, "the directory names no witness"
    lived.router.activate(rig.directory(2, OCS=rig.agency(OCS, witness=str(network.own.verifier))))
    more(lived)
    assert refused(size=4711) is RefusalCode.REPORT_COSIGNATURE
    assert refused(line="— nobody AAAA") is RefusalCode.REPORT_COSIGNATURE
    another = with_signatures(read_note(heads_of(lived)[0].note), ())
    assert refused(line=str(network.own.cosign(another, 1))) is RefusalCode.REPORT_COSIGNATURE
    assert refused(agency=factory.OPM) is RefusalCode.IDENTITY_SENDER_FOREIGN


# ---- a witness whose key the directory does not name ---------------------------------------------------------------


def _report(network: Network, key: NoteKey, size: int) -> Delivery:
    (head,) = [one for one in heads_of(network.lived) if one.size == size]
    line = str(key.cosign(read_note(head.note), 1))
    return rig.delivery(
        sealed(Cosigned(id=uuid4(), agency=OCS, size=size, line=line), factory.seal(OCS)), OCS
    )


async def test_a_key_that_is_not_pinned_is_refused_once_however_often_it_cosigns(
    network: Network, tmp_path: Path
) -> None:
    lived = network.lived
    sizes = [head.size for head in heads_of(lived)]
    before = rig.counts(lived.ledger)["entries"]
    outcomes = [lived.router.take(_report(network, network.own, size)).outcome for size in sizes * 3]
    assert outcomes == ["refused", *["repeated"] * (len(outcomes) - 1)]
    assert rig.counts(lived.ledger)["entries"] == before + 1
    # Another key of the same agency is another matter, and so is this one once the directory names it.
    make_key(tmp_path / "other.pem")
    other = witness_key(tmp_path / "other.pem", "another/name")
    outcomes = [lived.router.take(_report(network, other, size)).outcome for size in sizes]
    assert outcomes == ["refused", *["repeated"] * (len(outcomes) - 1)]
    lived.router.activate(rig.directory(2, OCS=rig.agency(OCS, witness=str(network.own.verifier))))
    assert lived.router.take(_report(network, network.own, sizes[-1])).outcome == "cosigned"


@pytest.mark.parametrize("named", ["no key", "another key", "nobody"])
async def test_an_adapter_whose_key_is_not_in_the_directory_says_so_and_does_not_cosign_until_it_is(
    network: Network, tmp_path: Path, named: str
) -> None:
    def told(directory: Directory, before: Directory | None = None) -> None:
        network.mailbox.arrivals.store(
            [Message(type="directory", body=b"x", headers={"consignment": directory.version})]
        )
        arrival = network.mailbox.arrivals.waiting(time.time(), 10)[-1]
        stated = statement(directory, before)
        assert network.mailbox.directories.receive(arrival, stated) is Taken.IN_FORCE

    make_key(tmp_path / "other.pem")
    other = str(witness_key(tmp_path / "other.pem", "another/name").verifier)
    wrong = {
        "no key": rig.directory(1),
        "another key": rig.directory(1, OCS=rig.agency(OCS, witness=other)),
        "nobody": replace(rig.directory(1), agencies={}, groups={}),
    }
    told(wrong[named])
    for _ in range(3):
        more(network.lived)
        await network.witness.work()
    assert network.published == []
    trouble = witness_trouble(network.mailbox)
    assert trouble is not None
    assert "saraban-adapter log key" in trouble["do"]
    assert status_view(network.mailbox)["witness_key"] == trouble
    told(rig.directory(2, OCS=rig.agency(OCS, witness=str(network.own.verifier))), wrong[named])
    await network.witness.work()
    assert len(network.published) == 1
    assert witness_trouble(network.mailbox) is None
