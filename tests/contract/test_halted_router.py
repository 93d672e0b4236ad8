"""What a router's `/readyz` goes by: whether the ledger has answered, and whether it is halted."""

from __future__ import annotations

from pathlib import Path

from bus.ledger import halt
from bus.ledger.entry import Kind
from bus.ledger.store import Ledger
from bus.router.alarms import Alarms
from bus.router.checkpoints import Checkpoints
from tests.assets.operators import by
from tests.contract import ledger_rig as rig
from tests.contract.test_tree import unguarded


async def test_a_router_is_not_ready_before_the_ledger_has_answered_nor_while_it_is_halted(
    ledger: Ledger, tmp_path: Path
) -> None:
    with ledger.append() as writer:
        writer.entry(Kind.RELEASED)
    checkpoints = Checkpoints(rig.signer(ledger, tmp_path), Alarms())
    assert _standing(checkpoints) == ("the ledger has not been asked yet", None)
    halt.set_halted(ledger.engine, True, operator=by("a test"), reason="entries 2 to 9 are missing (8)")
    await checkpoints.sign()
    assert _standing(checkpoints) == (None, "the ledger is halted: entries 2 to 9 are missing (8)")
    halt.set_halted(ledger.engine, False, operator=by("a test"), reason="they are back")
    await checkpoints.sign()
    assert _standing(checkpoints) == (None, None)


def _standing(checkpoints: Checkpoints) -> tuple[str | None, str | None]:
    return checkpoints.away, checkpoints.halt


async def test_a_router_that_finds_its_own_newer_head_halts_the_ledger_and_says_what_is_missing(
    ledger: Ledger, tmp_path: Path
) -> None:
    with ledger.append() as writer:
        writer.entry(Kind.RELEASED)
    signer = rig.signer(ledger, tmp_path)
    signer.sign()
    checkpoints = Checkpoints(signer, Alarms())
    with ledger.append() as writer:
        writer.entry(Kind.RELEASED)
    signer.sign()
    unguarded(ledger, "DELETE FROM anchors", "DELETE FROM checkpoints", "DELETE FROM entries WHERE seq = 2")
    await checkpoints.sign()
    assert checkpoints.halt is not None
    assert checkpoints.halt.startswith("entry 2 is missing (1): a head of 2 entries with the root ")
    assert checkpoints.halt.endswith("was signed, and the ledger has only 1 entry")
