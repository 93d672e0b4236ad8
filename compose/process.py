"""One program of the bus as a child process: started until ready, and never outliving its parent."""

from __future__ import annotations

import os
import signal
import ssl
import subprocess
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep
from typing import IO, Protocol

from bus.errors import BusError
from compose.leash import Leash

ROOT = Path(__file__).parents[1]
_READY_WITHIN = 60.0
_NO_PROXY = urllib.request.ProxyHandler({})
"""A proxy that the environment names has no part in what stays on this machine."""


class Running(Protocol):
    """A program that was begun, as `subprocess.Popen` has it."""

    pid: int

    def poll(self) -> int | None:
        """Return its exit code; None while it runs."""

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end and return its exit code. Raises TimeoutExpired."""

    def send_signal(self, sig: int) -> None:
        """Send it a signal, if it has not ended."""

    def terminate(self) -> None:
        """Ask it to end, by SIGTERM."""

    def kill(self) -> None:
        """End it, by SIGKILL."""


class Starter:
    """How programs of the bus are begun; the tests have another, which spares each of them its imports."""

    def begin(self, command: Sequence[str], *, environment: Mapping[str, str], log: IO[bytes]) -> Running:
        """Begin a program in a session of its own, which writes what it prints to the log."""
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=ROOT,
            env=dict(environment),
            start_new_session=True,
        )

    def finished(
        self, command: Sequence[str], *, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a program to its end, in our environment or this one, and return what it printed.

        Raises TimeoutExpired after two minutes.
        """
        return subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False
        )


starter = Starter()


class NotReady(BusError):
    """A process did not become ready, or ended before; the message shows the end of its log."""


@dataclass(slots=True)
class Process:
    """One running program of the bus."""

    name: str
    command: list[str]
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    health: str | None = None
    tls: ssl.SSLContext | None = None
    """With which it is asked for its health, where that is over https."""
    _process: Running | None = None
    _leash: Leash | None = None

    def start(self, *, wait: bool = True) -> Process:
        """Start it and wait until it says that it is ready."""
        with self.log.open("ab") as log:
            environment = {**os.environ, **self.environment}
            self._process = starter.begin(self.command, environment=environment, log=log)
        self._leash = Leash(self._process.pid, signal.SIGKILL)
        if wait:
            self.wait_ready()
        return self

    @property
    def pid(self) -> int:
        if self._process is None:
            raise NotReady(f"{self.name} is not started")
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        return self._process.poll() if self._process else None

    def wait_ready(self, within: float = _READY_WITHIN) -> None:
        """Wait until `/readyz` says yes. Raises NotReady when it ends before, or takes too long."""
        deadline = monotonic() + within
        while self.health and not self._ready():
            if not self.running:
                raise NotReady(f"{self.name} ended with {self.exit_code}:\n{self.last_words()}")
            if monotonic() > deadline:
                raise NotReady(f"{self.name} is not ready after {within:.0f} s:\n{self.last_words()}")
            sleep(0.05)

    def wait_gone(self, within: float = 30.0) -> int:
        """Wait until it has ended and return its exit code."""
        if self._process is None:
            raise NotReady(f"{self.name} is not started")
        return self._process.wait(within)

    def send_signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL, as a power cut would."""
        self._end(signal.SIGKILL, 10)

    def stop(self, grace: float = 15.0) -> int | None:
        """Ask it to stop and wait; after `grace` seconds SIGKILL. Returns its exit code."""
        self._end(signal.SIGTERM, grace)
        return self.exit_code

    def last_words(self, lines: int = 15) -> str:
        """Return the end of its log."""
        return (
            "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.exists() else ""
        )

    def _end(self, number: signal.Signals, grace: float) -> None:
        process = self._process
        if process and process.poll() is None:
            process.send_signal(number)
            process.send_signal(signal.SIGCONT)
            try:
                process.wait(grace)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if self._leash:
            self._leash.release()
            self._leash = None

    def _ready(self) -> bool:
        try:
            straight = urllib.request.build_opener(_NO_PROXY, urllib.request.HTTPSHandler(context=self.tls))
            with straight.open(f"{self.health}/readyz", timeout=2) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False
