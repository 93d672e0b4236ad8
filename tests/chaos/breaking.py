"""Carrying out the faults of a plan, and counting those that really happened."""

from __future__ import annotations

import re
import signal
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Lock
from time import monotonic, sleep

from bus.broker.management import Management
from bus.broker.topology import inbox_queue
from bus.errors import Transient
from compose.cluster import PostgresCluster
from compose.process import Process
from tests.chaos.network import Network
from tests.chaos.offices import Offices
from tests.chaos.plan import Fault, Kind

_SEEN_WITHIN = 20.0
_NO_DISK_LEFT, _LITTLE_DISK = "1000000GB", "50MB"
"""Free space below which the broker raises its alarm."""


class Breaker:
    """Begins and ends faults; `happened` has what was seen to happen, not what was meant."""

    def __init__(self, network: Network, offices: Offices) -> None:
        self._town = network
        self._offices = offices
        self.happened: Counter[str] = Counter()
        self._counting = Lock()
        self.restored: Counter[str] = Counter()
        """How often each agency's mailbox was brought back."""
        self._taken: dict[str, set[str]] = {}
        self._begin: dict[Kind, Callable[[Fault], None]] = {
            Kind.KILL: self._kill,
            Kind.STOP: self._stop,
            Kind.CUT: self._cut,
            Kind.DEPOT_CUT: self._cut,
            Kind.RESTORE: self._copy,
            Kind.PURGE: self._kill_to_purge,
            Kind.MEMORY_ALARM: self._alarm,
            Kind.DISK_ALARM: self._alarm,
            Kind.BROKER_RESTART: self._restart_broker,
            Kind.BROKER_KILL: self._restart_broker,
            Kind.DATABASE_KILL: self._kill_database,
        }
        self._end: dict[Kind, Callable[[Fault], None]] = {
            Kind.KILL: self._start_again,
            Kind.STOP: self._go_on,
            Kind.RESTORE: self._bring_back,
            Kind.PURGE: self._purge,
            Kind.MEMORY_ALARM: self._all_clear,
            Kind.DISK_ALARM: self._all_clear,
            Kind.DATABASE_KILL: self._start_database,
        }

    def begin(self, fault: Fault) -> None:
        """Break it."""
        self._begin[fault.kind](fault)

    def end(self, fault: Fault) -> None:
        """Put it right."""
        if fault.kind in self._end:
            self._end[fault.kind](fault)

    def count_cuts(self) -> None:
        """Count the lines that were really cut: one is armed, and breaks with the next frame that is long enough."""
        for kind, lines in ((Kind.CUT, self._town.lines), (Kind.DEPOT_CUT, self._town.depot_lines)):
            cuts = sum(len(line.cuts) for line in lines.values())
            if cuts:
                self.happened[kind] = cuts

    def _saw(self, fault: Fault) -> None:
        with self._counting:
            self.happened[fault.kind] += 1

    def _running(self, fault: Fault) -> Process:
        """The process that the fault is for; one that finds something away at its start ends, and is started again."""
        self._seen(lambda: self._town.process(fault.target).running)
        return self._town.process(fault.target)

    def _kill(self, fault: Fault) -> None:
        process = self._running(fault)
        self._town.down.add(fault.target)
        process.kill()
        if process.exit_code == -signal.SIGKILL:
            self._saw(fault)

    def _start_again(self, fault: Fault) -> None:
        self._town.start(fault.target)

    def _stop(self, fault: Fault) -> None:
        process = self._running(fault)
        process.send_signal(signal.SIGSTOP)
        if self._seen(lambda: _state(process.pid) == "T"):
            self._saw(fault)

    def _go_on(self, fault: Fault) -> None:
        with suppress(ProcessLookupError):  # it has ended by itself, which is told elsewhere
            self._town.process(fault.target).send_signal(signal.SIGCONT)

    def _cut(self, fault: Fault) -> None:
        way, _, after = fault.detail.partition(":")
        lines = self._town.lines if fault.kind is Kind.CUT else self._town.depot_lines
        lines[fault.target].cut(way, int(after))

    def _copy(self, fault: Fault) -> None:
        self._taken[fault.target] = self._offices.sent(fault.target)
        self._town.copy_mailbox(fault.target, self._place(fault))

    def _bring_back(self, fault: Fault) -> None:
        """What an operator does: the copy in its place, what was taken since laid out again, and `reconcile`."""
        self._town.down.add(fault.target)
        self._town.process(fault.target).kill()
        self._town.bring_back(fault.target, self._place(fault))
        self._offices.lay_again(fault.target, self._taken[fault.target])
        self._town.start(fault.target)
        self._reconcile(fault.target)
        self.restored[fault.target] += 1
        self._saw(fault)

    def _place(self, fault: Fault) -> Path:
        return self._town.bus.folder / "copies" / f"{fault.target}-{fault.at}"

    def _kill_to_purge(self, fault: Fault) -> None:
        self._town.down.add(fault.target)
        self._town.process(fault.target).kill()

    def _purge(self, fault: Fault) -> None:
        if self._seen(lambda: self._purged(fault.target)):
            self._saw(fault)
        self._town.start(fault.target)
        self._reconcile(fault.target)

    def _purged(self, code: str) -> bool:
        try:
            with Management(self._town.node.management_url) as management:
                management.delete("queues", self._town.bus.vhost, inbox_queue(code), "contents")
        except Transient:
            return False  # the broker is being restarted
        return True

    def _reconcile(self, code: str) -> None:
        asked = self._town.bus.run_adapter(code, "reconcile")
        if asked.returncode:
            raise AssertionError(f"`saraban-adapter reconcile` of {code} failed: {asked.stderr}")

    def _alarm(self, fault: Fault) -> None:
        if fault.kind is Kind.MEMORY_ALARM:
            self._town.node.set_memory_alarm(True)
            alarmed = self._seen(lambda: self._alarmed("memory"))
        else:
            self._town.node.ctl("set_disk_free_limit", _NO_DISK_LEFT)
            alarmed = self._seen(lambda: self._alarmed("disk"))
        if alarmed:
            self._saw(fault)

    def _all_clear(self, fault: Fault) -> None:
        if fault.kind is Kind.MEMORY_ALARM:
            self._town.node.set_memory_alarm(False)
        else:
            self._town.node.ctl("set_disk_free_limit", _LITTLE_DISK)

    def _restart_broker(self, fault: Fault) -> None:
        self._town.node.restart(hard=fault.kind is Kind.BROKER_KILL)
        self._saw(fault)

    def _kill_database(self, fault: Fault) -> None:
        cluster = self._cluster()
        cluster.kill()
        if not cluster.running:
            self._saw(fault)

    def _start_database(self, _fault: Fault) -> None:
        self._cluster().start()

    def _cluster(self) -> PostgresCluster:
        if self._town.cluster is None:
            raise AssertionError("this run has no PostgreSQL that could be killed")
        return self._town.cluster

    def _alarmed(self, resource: str) -> bool:
        """Whether the broker's alarm is on for `memory` or `disk`; its HTTP API would know only seconds later."""
        return resource in self._town.node.ctl("eval", "rabbit_alarm:get_alarms().")

    def _seen(self, look: Callable[[], bool]) -> bool:
        until = monotonic() + _SEEN_WITHIN
        while not look():
            if monotonic() > until:
                return False
            sleep(0.05)
        return True


def _state(pid: int) -> str:
    """The kernel's letter for what a process does; `T` is stopped."""
    shown = Path(f"/proc/{pid}/stat")
    if not shown.exists():
        return "T"  # no Linux: there the signal is taken at its word
    found = re.search(r"\) (\S)", shown.read_text(encoding="utf-8", errors="replace"))
    return found.group(1) if found else ""
