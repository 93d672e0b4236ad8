"""The whole of a directory, fetched from the depot when what was consigned of it does not lead to it.

So it is for an agency that joins, for a mailbox that was made anew, and for a version that changes very much. What the
depot gives is held against the signed statement; one that lies, or has it no more, is asked again and again, and
`status` says so.
"""

from __future__ import annotations

import asyncio
import time
from asyncio import to_thread
from collections.abc import Callable
from typing import Protocol

from adapters.agent.tuning import Tuning
from adapters.mailbox import Mailbox
from adapters.mailbox.conditions import ConditionCode, Finding
from bus.directory.statement import Statement
from bus.errors import BusError
from bus.identifiers import RawDigest
from bus.logs import get
from bus.text import printable

_LOG = get(__name__)


class Contents(Protocol):
    """Where the content of a directory comes from; the depot's client."""

    async def directory(self, digest: RawDigest, size: int) -> bytes:
        """Return the content of this digest. Raises Transient or FileUnavailable."""


class DirectoryFetcher:
    """Fetches the newest version that is lacked."""

    def __init__(
        self,
        mailbox: Mailbox,
        depot: Contents,
        tuning: Tuning,
        *,
        lacked: Callable[[], Statement | None],
        then: Callable[[], None],
    ) -> None:
        self._mailbox = mailbox
        self._depot = depot
        self._tuning = tuning
        self._lacked = lacked
        self._then = then
        self._failures = 0
        self.wake = asyncio.Event()

    async def work(self) -> float | None:
        """Fetch what is lacked; give the seconds until it is tried again."""
        statement = self._lacked()
        if statement is None:
            return None
        try:
            content = await self._depot.directory(statement.digest, statement.size)
            await to_thread(self._mailbox.directories.receive_whole, statement, content)
        except BusError as exc:
            self._failures += 1
            _LOG.warning("directory-not-fetched", version=statement.version, reason=exc)
            detail = printable(str(exc))
            finding = Finding(ConditionCode.DIRECTORY_LACKING, detail_th=detail, detail_en=detail)
            await to_thread(self._mailbox.conditions.report, "directory", [finding])
            return self._tuning.pause_after(self._failures)
        self._failures = 0
        _LOG.info("directory-fetched", version=statement.version)
        await to_thread(self._mailbox.conditions.report, "directory", [])
        # What waited for it, be it the statement itself or a letter by an unknown key, need wait no longer.
        await to_thread(self._mailbox.pull_in, time.time())
        self._then()
        return 0.0
