"""What is confirmed one after the other is recorded together."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from typing import Any, cast

from bus.ledger.group import GroupCommit
from bus.ledger.rows import Consignment
from bus.router.alarms import Alarms
from bus.router.confirmations import Confirmations
from tests.assets.factory import OCS, OPM
from tests.unit.adapter.network import until


class Appends:
    """Takes what is to be recorded, and says that it was."""

    def __init__(self) -> None:
        self.batches: list[list[Consignment]] = []

    def submit(self, act: Any, *, about: str) -> Future[tuple[bool, range]]:
        self.batches.append(act.args[0])
        done: Future[tuple[bool, range]] = Future()
        done.set_result((False, range(0)))
        return done


async def test_the_letter_and_the_answer_to_its_sender_share_an_append_though_confirmed_one_after_the_other() -> (
    None
):
    appends = Appends()
    confirmations = Confirmations(cast(GroupCommit, appends), Alarms(), lambda: None)
    running = asyncio.create_task(confirmations.run())
    both = [Consignment(code, 1, 1, 1, "letter", {}, b"{}") for code in (OCS, OPM)]
    for one in both:
        confirmations.add(one)
        for _ in range(10):
            await asyncio.sleep(0)
    await until(lambda: sum(map(len, appends.batches)) == 2)
    assert appends.batches == [both]
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
