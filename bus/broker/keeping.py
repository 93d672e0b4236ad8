"""One connection to the broker after another: which host, how long to wait, and when to leave it (liveness.py)."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable
from contextlib import suppress

from bus import logs
from bus.broker.awaiting import advice
from bus.broker.connection import Connection, parameters_of
from bus.broker.hosts import Hosts
from bus.broker.liveness import LOOK_EVERY, MOST_PATIENCE, SILENT_FOR, Liveness
from bus.broker.messages import Away, Closed
from bus.retry import AWAY

_log = logs.get("broker")
_HANDSHAKE, _LONGEST_HANDSHAKE = 4.0, 20.0
"""Seconds from the attempt to the open connection, for the first round of hosts, and the longest: it is doubled for
each round, as a broker to which everybody comes back at once needs longer than one that is frozen deserves."""


class Keeping:
    """Has a connection at all times, over and over, until it is ended."""

    def __init__(
        self,
        hosts: Hosts,
        *,
        name: str,
        heartbeat: int,
        tls: ssl.SSLContext | None,
        lost: Callable[[], None],
    ) -> None:
        self.connection: Connection | None = None
        self.connections = 0
        """How many there have been."""
        self.why: str | None = None
        """Why there is none, by the last attempt or loss; None while there is one, or none was tried."""
        self.host: str | None = None
        """The host of the connection, or of the last attempt."""
        self.closing = False
        self._hosts = hosts
        self._name = name
        self._heartbeat = heartbeat
        self._tls = tls
        self._lost = lost
        self._liveness: Liveness | None = None
        self._patience = SILENT_FOR
        self._connected = asyncio.Event()
        self._keeping: asyncio.Task[None] | None = None

    @property
    def connected(self) -> bool:
        return self.connection is not None and not self.connection.gone.done() and not self.closing

    @property
    def trouble(self) -> str | None:
        """Why nothing gets through now, with the host; None while something does, or it was not waited for yet."""
        if not self.connected:
            tried = f"; {self.host} was tried last: {self.why}" if self.why else ""
            return f"there is no connection{tried}"
        found = self._liveness.trouble if self._liveness else None
        return f"{self.host} {found}" if found else None

    def begin(self) -> None:
        self._keeping = asyncio.create_task(self._keep(), name=f"link {self._name}")

    def announce_end(self) -> None:
        """Let nobody wait any longer: there will be no other connection."""
        self.closing = True
        self._connected.set()
        if self.connection is not None:
            self.connection.unblocked.set()

    async def end(self, *, within: float) -> None:
        """Close what there is, and leave no task behind."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.wait({self._keeping})
        if self.connection is not None:
            await self.connection.close(within=within)

    async def wait_connected(self) -> None:
        """Return when there is a connection; raise Closed when there will be none."""
        await self._connected.wait()
        while not self.connected and not self.closing:
            await asyncio.sleep(0)  # it has just been lost, and `_keep` is about to learn of it
            await self._connected.wait()
        if self.closing:
            raise Closed(f"link {self._name} is closed")

    async def _keep(self) -> None:
        while True:
            connection = await self._connect_somewhere()
            self.connection = connection
            self.connections += 1
            self.why = None
            self._connected.set()
            _log.info("broker-connected", link=self._name, host=self.host)
            reason = await self._until_gone(connection, self.host or "")
            self._connected.clear()
            self.why = reason
            self.connection = self._liveness = None
            self._lost()
            _log.warning("broker-lost", link=self._name, host=self.host, reason=reason)
            # Those that a node has lost all at once do not come to the next one all at once.
            await asyncio.sleep(next(AWAY.backoff()))

    async def _connect_somewhere(self) -> Connection:
        """Try the hosts in turn; wait only when all of them have failed."""
        backoff, failed, within = AWAY.backoff(), 0, _HANDSHAKE
        while True:
            host = self.host = self._hosts.first
            try:
                connection = await self._connect(host, within)
            except Away as away:
                failed += 1
                self._hosts.put_last(host)
                self._hosts.away[host] = self.why = str(away)
                pause = 0.0
                if failed % len(self._hosts) == 0:
                    pause, within = next(backoff), min(2 * within, _LONGEST_HANDSHAKE)
                    self._say_away()
                await asyncio.sleep(pause)
            else:
                self._hosts.away.pop(host, None)
                self._say_away()
                self._hosts.away.clear()  # who is away next time is found anew
                return connection

    def _say_away(self) -> None:
        """Say who cannot be reached, as whom and what to do: one line a minute, and the attempts go on."""
        if self._hosts.to_be_said(time.monotonic()):
            away = dict(self._hosts.away)
            reason = "; ".join(f"{host}: {why}" for host, why in away.items())
            do = "; ".join(dict.fromkeys(map(advice, away.values())))
            _log.warning("broker-away", hosts=", ".join(away), user=self._hosts.user, reason=reason, do=do)

    async def _connect(self, host: str, within: float) -> Connection:
        parameters = parameters_of(
            self._hosts.url(host), self._name, self._heartbeat, self._tls, within=within
        )
        connection = Connection(parameters)
        try:
            await connection.wait_open()
        except asyncio.CancelledError:
            await connection.close(within=1.0)
            raise
        return connection

    async def _until_gone(self, connection: Connection, host: str) -> str:
        """Wait until it is gone, or is given up for another; return why."""
        several = len(self._hosts) > 1
        liveness = self._liveness = Liveness(connection, patience=self._patience if several else None)
        left_by_others = self._hosts.given_up[host]
        while not connection.gone.done():
            liveness.look()
            if self._hosts.given_up[host] > left_by_others:
                connection.abort("another link of this process has given the host up")
            elif liveness.silent or liveness.useless:
                reason = liveness.trouble or ""
                if liveness.useless:
                    self._be_more_patient(liveness.looks)
                self._hosts.give_up(host)
                _log.error("broker-given-up", link=self._name, host=host, reason=reason)
                connection.abort(f"given up, as it {reason}")
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY):
                    await asyncio.shield(connection.gone)
        if not self._hosts.given_up[host] > left_by_others:
            self._hosts.put_last(host)
        return connection.gone.result()

    def _be_more_patient(self, lasted: int) -> None:
        """Go from host to host ever more slowly, as long as it helps nothing."""
        again = lasted < 10 * self._patience
        self._patience = min(2 * self._patience, MOST_PATIENCE) if again else SILENT_FOR
