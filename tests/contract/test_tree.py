"""The ledger's tree on both databases: tiles, signed heads, and what is never signed (P8)."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, text

from bus.errors import Misconfigured, Transient
from bus.ledger import halt, merkle, tiles
from bus.ledger.checkpoint import Signer, Tampered, published
from bus.ledger.database import reading
from bus.ledger.entry import Kind, timestamp
from bus.ledger.store import Ledger
from bus.ledger.tables import entries, halts
from bus.ledger.tiles import HEIGHT, WIDTH
from bus.operators import Operator, Role, of_the_bus
from bus.thai import now
from bus.verifier.merkle import node_hash, require_consistency, require_inclusion
from bus.verifier.notes import read_checkpoint, read_note, require_signed
from tests.assets.factory import OCS, OPM, SOC
from tests.assets.operators import by
from tests.contract import ledger_rig as rig


@pytest.fixture
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> int:
    """Tiles of four hashes, so that a test has several levels of them; the code knows no other difference."""
    monkeypatch.setattr(tiles, "HEIGHT", 2)
    monkeypatch.setattr(tiles, "WIDTH", 4)
    return 4


@pytest.fixture
def signer(ledger: Ledger, tmp_path: Path) -> Signer:
    return rig.signer(ledger, tmp_path)


def grown(ledger: Ledger, *counts: int) -> None:
    """Append so many entries, one append for each number."""
    for count in counts:
        with ledger.append() as writer:
            rig.some_entries(writer, count)


def naive_root(leaves: list[bytes]) -> bytes:
    if len(leaves) == 1:
        return leaves[0]
    middle = 1 << ((len(leaves) - 1).bit_length() - 1)
    return node_hash(naive_root(leaves[:middle]), naive_root(leaves[middle:]))


def leaves_of(ledger: Ledger) -> list[bytes]:
    with reading(ledger.engine) as connection:
        return list(map(bytes, connection.scalars(select(entries.c.leaf).order_by(entries.c.seq))))


def unguarded(ledger: Ledger, *statements: str) -> None:
    """Change the ledger as the owner of its database can: the guards are taken away first."""
    with ledger.engine.connect() as connection:
        if ledger.engine.dialect.name == "postgresql":
            connection.execute(text("SET LOCAL session_replication_role = replica"))
        else:
            connection.rollback()
            driver = connection.connection.driver_connection
            assert driver is not None
            driver.execute("PRAGMA foreign_keys=OFF")
            connection.begin()
            for (name,) in connection.execute(
                text("SELECT name FROM sqlite_master WHERE type = 'trigger'")
            ).all():
                connection.execute(text(f"DROP TRIGGER {name}"))
        for statement in statements:
            assert connection.exec_driver_sql(statement).rowcount, statement
        connection.commit()


# ---- tiles ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("counts", [(1,), (3, 1), (4, 4, 8), (1, 2, 30, 1), (64, 1), (70,)])
def test_root_and_proofs_out_of_tiles_are_those_of_the_leaves(
    ledger: Ledger, small_tiles: int, counts: tuple[int, ...]
) -> None:
    grown(ledger, *counts)
    leaves, size = leaves_of(ledger), sum(counts)
    with ledger.read() as reader:
        tree = reader.tree()
        for part in range(1, size + 1):
            assert tree.root(part) == naive_root(leaves[:part])
        for seq in range(1, size + 1):
            proof = tree.inclusion_proof(seq, size)
            require_inclusion(leaves[seq - 1], seq - 1, size, tree.root(size), proof)
        for old in range(1, size + 1):
            proof = tree.consistency_proof(old, size)
            require_consistency(old, tree.root(old), size, tree.root(size), proof)
    assert rig.counts(ledger)["tiles"] == size // 4 + size // 16 + size // 64


def test_a_tile_is_written_once_it_is_full_and_stands_as_tlog_tiles_has_it(ledger: Ledger) -> None:
    grown(ledger, WIDTH - 1)
    assert rig.counts(ledger)["tiles"] == 0
    grown(ledger, 2)
    assert rig.counts(ledger)["tiles"] == 1
    leaves = leaves_of(ledger)
    with ledger.read() as reader:
        tree = reader.tree()
        assert tree.tile(0, 0, WIDTH) == b"".join(leaves[:WIDTH])
        assert tree.tile(0, 1, 1) == leaves[WIDTH]
        assert tree.tile(1, 0, 1) == merkle.combine(leaves[:WIDTH])
        for level, place, width in ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 1, 1), (2, 0, 1), (0, 0, 0)):
            with pytest.raises(LookupError):
                tree.tile(level, place, width)
        with pytest.raises(LookupError):
            tree.root(WIDTH + 2)
    assert 1 << HEIGHT == WIDTH


def test_an_append_that_fails_leaves_no_tile(ledger: Ledger, small_tiles: int) -> None:
    def fail() -> None:
        with ledger.append() as writer:
            rig.some_entries(writer, 9)
            writer.flush()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert rig.counts(ledger)["tiles"] == 0
    grown(ledger, 4)
    with ledger.read() as reader:
        assert reader.tree().root(4) == naive_root(leaves_of(ledger))


def test_the_entries_about_a_letter_are_a_chain(ledger: Ledger) -> None:
    with ledger.append() as writer:
        first = rig.in_ledger(writer)
        other = rig.in_ledger(writer, number="นร 0105/2")
        second = writer.entry(Kind.OVERDUE, letter=first, silent=[OCS])
    with ledger.append() as writer:
        third = writer.entry(Kind.OVERDUE, letter=first, silent=[OCS])
        fourth = writer.entry(Kind.OVERDUE, letter=first, silent=[OCS])
    with ledger.read() as reader:
        priors = [entry.body.get("prior") for entry in reader.entries_of(first)]
        assert [entry.seq for entry in reader.entries_of(first)] == [first, second, third, fourth]
        assert priors == [None, first, second, third]
        assert [entry.body.get("prior") for entry in reader.entries_of(other)] == [None]


# ---- heads ---------------------------------------------------------------------------------------------------------


def test_a_head_is_signed_once_for_each_state_of_the_ledger(ledger: Ledger, signer: Signer) -> None:
    assert signer.sign() is None
    grown(ledger, 3)
    head = signer.sign()
    assert head is not None
    assert signer.sign() is None
    grown(ledger, 2)
    newer = signer.sign()
    assert newer is not None
    note = read_note(newer.note)
    require_signed(note, signer._key.verifier)
    checkpoint = read_checkpoint(note)
    assert (checkpoint.origin, checkpoint.size) == (rig.ORIGIN, 5)
    with ledger.read() as reader:
        proof = reader.tree().consistency_proof(3, 5)
        assert [each.size for each in reader.heads.above(0)] == [3, 5]
    require_consistency(3, head.root, 5, checkpoint.root, proof)
    assert signer.newest() == newer


def test_witnesses_are_asked_now_and_then_and_only_about_what_is_new(ledger: Ledger, tmp_path: Path) -> None:
    seldom = rig.signer(ledger, tmp_path, anchor_every=timedelta(days=400))
    often = rig.signer(ledger, tmp_path)

    def asked() -> list[int]:
        with ledger.read() as reader:
            anchor = reader.heads.newest_anchor()
            return [anchor[0].size] if anchor else []

    grown(ledger, 1)
    assert asked() == []
    seldom.sign()
    assert asked() == [1]
    grown(ledger, 1)
    seldom.sign()
    assert asked() == [1]
    often.sign()
    assert asked() == [2]
    often.sign()
    assert rig.counts(ledger)["anchors"] == 2


def test_cosignatures_stand_below_the_head_once_for_each_witness(ledger: Ledger, signer: Signer) -> None:
    grown(ledger, 1)
    head = signer.sign()
    assert head is not None
    line = head.note.splitlines()[-1]
    with ledger.append() as writer:
        assert writer.cosigned(1, SOC, line)
        assert writer.cosigned(1, OCS, line)
        assert not writer.cosigned(1, SOC, line)
    with ledger.read() as reader:
        assert [agency for agency, _ in reader.heads.cosignatures(1)] == [SOC, OCS]
        lines = [line for _, line in reader.heads.cosignatures(1)]
    assert published(head, lines) == head.note + f"{line}\n{line}\n"
    assert rig.counts(ledger)["entries"] == 1


def test_of_each_witness_the_newest_cosignature_is_found(ledger: Ledger, signer: Signer) -> None:
    said: dict[str, tuple[int, str]] = {}
    for size, witnesses in enumerate([(OCS, SOC), (OCS,), (OPM, OCS), ()], start=1):
        grown(ledger, 1)
        head = signer.sign()
        assert head is not None
        for agency in witnesses:
            with ledger.append() as writer:
                assert writer.cosigned(size, agency, head.note.splitlines()[-1])
                said[agency] = (size, timestamp(writer.at))
    with ledger.read() as reader:
        assert reader.heads.cosigned_lately() == said
        assert reader.heads.cosigned_lately(limit=2) == {code: said[code] for code in (OPM, OCS)}


# ---- what is never signed ------------------------------------------------------------------------------------------


REWRITES = {
    "a leaf changed": ["UPDATE entries SET leaf = (SELECT leaf FROM entries WHERE seq = 2) WHERE seq = 1"],
    "the last entries cut off": ["DELETE FROM entries WHERE seq > 5"],
    "an entry deleted": ["DELETE FROM entries WHERE seq = 3"],
    "the signed root replaced": ["UPDATE checkpoints SET root = (SELECT leaf FROM entries WHERE seq = 1)"],
    "the signed note replaced": ["UPDATE checkpoints SET note = 'nothing'"],
    "the heads removed and a leaf changed": [
        "DELETE FROM anchors",
        "DELETE FROM checkpoints",
        "UPDATE entries SET leaf = (SELECT leaf FROM entries WHERE seq = 2) WHERE seq = 1",
    ],
    "the heads removed and the end cut off": [
        "DELETE FROM anchors",
        "DELETE FROM checkpoints",
        "DELETE FROM entries WHERE seq > 5",
    ],
}


@pytest.fixture(params=REWRITES)
def rewritten(request: pytest.FixtureRequest, ledger: Ledger, signer: Signer) -> Ledger:
    grown(ledger, 8)
    signer.sign()
    unguarded(ledger, *REWRITES[request.param])
    return ledger


def test_a_head_that_does_not_continue_the_last_is_not_signed_and_nothing_more_is_appended(
    rewritten: Ledger, signer: Signer
) -> None:
    heads = rig.counts(rewritten)["checkpoints"]
    with pytest.raises(Tampered):
        signer.sign()
    assert rig.counts(rewritten)["checkpoints"] == heads
    with pytest.raises(Transient, match="halted"), rewritten.append():
        pass
    with pytest.raises(Transient, match="halted"):
        signer.sign()


def test_what_people_halt_and_resume_takes_two_of_them(ledger: Ledger) -> None:
    engine = ledger.engine
    somying, somchai = by("somying"), by("somchai")
    first = halt.ask(engine, True, operator=somying, reason="it moves")
    assert isinstance(first, halt.Wish)
    assert isinstance(halt.ask(engine, True, operator=somying, reason="still"), halt.Wish)
    grown(ledger, 1)
    with reading(engine) as connection:
        assert [one.operator for one in halt.wishes(connection)] == [somying, somying]
        assert halt.wishes(connection)[0] == first
    done = halt.ask(engine, True, operator=somchai, reason="it moves")
    assert done == halt.Done(True, (somying, somchai))
    with pytest.raises(Transient, match=r"halted: it moves$"), ledger.append():
        pass
    assert halt.ask(engine, True, operator=somying, reason="again") == halt.Done(True, ())
    with reading(engine) as connection:
        assert halt.wishes(connection) == (), "what was done is wished no more"
    assert isinstance(halt.ask(engine, False, operator=somchai, reason="moved"), halt.Wish)
    with pytest.raises(Transient), ledger.append():
        pass
    assert halt.ask(engine, False, operator=somying, reason="seen") == halt.Done(False, (somchai, somying))
    grown(ledger, 1)
    with engine.connect() as connection:
        names = connection.execute(select(halts.c.operator, halts.c.reason).order_by(halts.c.number)).all()
    assert names == [("somying, somchai", "it moves"), ("somchai, somying", "moved; seen")]


def test_a_wish_is_void_after_an_hour_and_once_a_program_has_halted(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, at = ledger.engine, now()
    halt.ask(engine, True, operator=by("somying"), reason="a test")
    monkeypatch.setattr(halt, "now", lambda: at + timedelta(minutes=61))
    assert isinstance(halt.ask(engine, True, operator=by("somchai"), reason="a test"), halt.Wish)
    halt.set_halted(engine, True, operator=of_the_bus("signer"), reason="found")
    halt.ask(engine, False, operator=by("somying"), reason="looked at")
    halt.set_halted(engine, False, operator=of_the_bus("a test"), reason="x")
    halt.set_halted(engine, True, operator=of_the_bus("signer"), reason="found anew")
    assert isinstance(halt.ask(engine, False, operator=by("somchai"), reason="x"), halt.Wish), (
        "that was about another halt"
    )


@pytest.mark.parametrize("who", [by("malee", Role.AUDITOR), by("mana", Role.OPERATOR), of_the_bus("signer")])
def test_only_stewards_ask_for_a_halt(ledger: Ledger, who: Operator) -> None:
    with pytest.raises(Misconfigured, match="no steward"):
        halt.ask(ledger.engine, True, operator=who, reason="x")


def test_a_halt_is_lifted_by_an_operator_and_stands_in_the_database(ledger: Ledger) -> None:
    halt.set_halted(ledger.engine, True, operator=by("signer"), reason="a test")
    halt.set_halted(ledger.engine, True, operator=by("signer"), reason="a test again")
    with pytest.raises(Transient, match=r"halted: a test$"), ledger.append():
        pass
    halt.set_halted(ledger.engine, False, operator=by("sample"), reason="it was a test")
    grown(ledger, 1)
    assert rig.counts(ledger)["halts"] == 2
