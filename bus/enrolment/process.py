"""`saraban-bus enrol`: does what stewards ordered, and approves what needs no person, by invitations and settings."""

from __future__ import annotations

import asyncio
from time import monotonic

from bus import logs
from bus.enrolment.brokers import broker_made_ready
from bus.enrolment.carrying_out import Means, carry_out
from bus.enrolment.deciding import Waiting, approve, waiting
from bus.enrolment.logins import issued_by
from bus.enrolment.orders import waiting_entries
from bus.errors import Misconfigured, Transient
from bus.identifiers import RawDigest
from bus.ledger import schema
from bus.ledger.entry import Entry
from bus.ledger.reading import Reader
from bus.ledger.store import Ledger
from bus.operators import of_the_bus
from bus.process import alive, pause, ready
from bus.router.activation import directory_in_force
from bus.router.alarms import Alarms
from bus.router.signers import bus_seal
from bus.settings.bus import BusSettings
from bus.thai import now

_EVERY = 1.0
_AGAIN_AFTER = 60.0
"""Seconds after which a request that met a fault is tried again."""
_OPERATOR = of_the_bus("saraban-bus enrol")
_log = logs.get("enrolment")


async def run_enrolment(settings: BusSettings, stop: asyncio.Event) -> None:
    """Carry out orders and approve requests until stopped.

    Raises Misconfigured when the ledger has no schema, and while the seal's certificate is not in force.
    """
    schema.check(settings.ledger.address())
    seal = bus_seal(settings)
    means = Means(seal, broker_made_ready(settings), issued_by(settings))
    alarms = Alarms()
    orders, approver = _Orders(means, alarms), _Approver(settings, means, alarms)
    with Ledger(settings.ledger.address()) as ledger:
        ready()
        while not stop.is_set():
            # Nobody would believe what an ended certificate's key answers; the requests wait for its successor.
            seal.require_in_force(settings.seal.certificate, now())
            await asyncio.to_thread(orders.round, ledger)
            await asyncio.to_thread(approver.round, ledger)
            alive()
            await pause(stop, _EVERY)


class _Orders:
    def __init__(self, means: Means, alarms: Alarms) -> None:
        self._means = means
        self._alarms = alarms
        self._done_through = 0
        """No order up to this number waits."""
        self._put_off: dict[int, float] = {}
        """Orders that met a fault of ours, and when each is tried again."""

    def round(self, ledger: Ledger) -> None:
        """Carry out in order what waits; what is wrong with one order keeps no other waiting."""
        try:
            with ledger.read() as reader:
                found = waiting_entries(reader, self._done_through)
                self._done_through = found[0].seq - 1 if found else reader.head()
        except Transient as away:
            _log.warning("orders-wait", reason=away)
            return
        for entry in found:
            if monotonic() >= self._put_off.get(entry.seq, 0.0):
                self._carry_out(ledger, entry)
                alive()

    def _carry_out(self, ledger: Ledger, entry: Entry) -> None:
        number = entry.seq
        try:
            done = carry_out(ledger, entry, self._means)
        except Transient as away:
            _log.warning("orders-wait", order=number, reason=away)
        except Exception as fault:
            self._put_off[number] = monotonic() + _AGAIN_AFTER
            self._alarms.ring("order-failed", order=number, exc_info=fault)
        else:
            self._put_off.pop(number, None)
            if done is not None and done.outcome == "done":
                _log.info("order-done", order=number, version=done.directory)
            elif done is not None:
                _log.warning("order-refused", order=number, code=done.detail)


class _Approver:
    def __init__(self, settings: BusSettings, means: Means, alarms: Alarms) -> None:
        self._means = means
        self._renewals = settings.enrolment.renewal == "auto"
        self._alarms = alarms
        self._left: set[RawDigest] = set()
        """Requests that cannot be approved as they are: they are an operator's."""
        self._put_off: dict[RawDigest, float] = {}
        """Requests that met a fault of ours, and when each is tried again; whoever asks is answered: not yet."""

    def round(self, ledger: Ledger) -> None:
        """Approve each request that needs no person; what is wrong with one of them keeps no other waiting."""
        try:
            with ledger.read() as reader:
                due = [one for one in waiting(reader) if self._is_due(one.name)]
        except Transient as away:
            _log.warning("enrolment-waits", reason=away)
            return
        for asked in due:
            self._look_at(ledger, asked)
            alive()

    def _is_due(self, name: RawDigest) -> bool:
        return name not in self._left and monotonic() >= self._put_off.get(name, 0.0)

    def _look_at(self, ledger: Ledger, asked: Waiting) -> None:
        try:
            with ledger.read() as reader:
                needs_nobody = self._needs_nobody(reader, asked)
            if needs_nobody:
                self._approve(ledger, asked)
        except Transient as away:
            _log.warning("enrolment-waits", reason=away)
        except Exception as fault:
            self._put_off[asked.name] = monotonic() + _AGAIN_AFTER
            self._alarms.ring("enrolment-failed", agency=asked.request.agency, exc_info=fault)

    def _needs_nobody(self, reader: Reader, asked: Waiting) -> bool:
        if asked.invitation:
            return asked.approves_itself
        if not self._renewals:
            return False
        agency = directory_in_force(reader)[1].agencies.get(asked.request.agency)
        return agency is not None and agency.active

    def _approve(self, ledger: Ledger, asked: Waiting) -> None:
        try:
            seal, ready, issue = self._means.seal, self._means.ready, self._means.issue
            version = approve(ledger, asked, seal, ready, operator=_OPERATOR, issue=issue)
            _log.info("enrolment-approved", agency=asked.request.agency, version=version)
        except Misconfigured as wrong:
            self._left.add(asked.name)
            _log.error("enrolment-left", agency=asked.request.agency, reason=wrong)
