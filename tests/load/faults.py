"""What goes wrong while the load goes on: something every so many seconds, in turn."""

from __future__ import annotations

import signal
import threading
from collections import Counter
from collections.abc import Callable
from itertools import cycle

from bus.broker.management import Management
from bus.broker.topology import ROUTER
from bus.errors import Transient
from compose.local import LocalBus
from compose.process import Process

_FROZEN = 3.0


class Faults:
    """A thread that breaks things from when it is begun until it is ended; `happened` counts what was broken."""

    def __init__(self, bus: LocalBus, routers: list[Process], consoles: list[Process], every: float) -> None:
        self._bus, self._routers, self._consoles, self._every = bus, routers, consoles, every
        self.happened: Counter[str] = Counter()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Faults:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        acts: list[Callable[[], str]] = [
            lambda: self._killed(self._routers[-1]),
            self._disconnected,
            lambda: self._killed(self._consoles[-1]),
            lambda: self._frozen(self._routers[0]),
            lambda: self._killed(self._bus.processes["serve"]),
        ]
        for act in cycle(acts):
            if self._over.wait(self._every):
                return
            try:
                self.happened[act()] += 1
            except Transient as failed:
                self.happened[f"not done: {failed}"] += 1

    def _killed(self, process: Process) -> str:
        process.kill()
        process.start()
        return f"{process.name.partition('-')[0]} killed"

    def _frozen(self, process: Process) -> str:
        process.send_signal(signal.SIGSTOP)
        self._over.wait(_FROZEN)
        process.send_signal(signal.SIGCONT)
        return f"{process.name.partition('-')[0]} frozen"

    def _disconnected(self) -> str:
        """Have the broker close every connection of the routers."""
        with Management(self._bus.broker.management_url) as management:
            for one in management.get("connections"):
                if one.get("vhost") == self._bus.vhost and one.get("user") == ROUTER:
                    management.delete("connections", one["name"])
        return "connections closed"
