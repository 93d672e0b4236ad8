"""Programs of the bus for the tests, forked from an interpreter that has imported them before.

Beginning a program costs a second of a processor or more, nearly all of it imports, and the tests begin some hundreds.
What is forked is a process of its own, with everything else of a program that was begun by its command; those that
need another interpreter's settings (`PYTHON…`, a locale) are begun by it. The tests of the installed wheel, of the
units and of the demo use none of this.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Final

from compose.process import Running, Starter
from tests.programs.wire import Request, send_request
from tests.project import ROOT

_MODULES: Final = ("bus", "adapters")
_OF_THE_INTERPRETER: Final = (
    "PYTHON",
    "LC_",
    "LANG",
    "TZ",
    "COLUMNS",
    "LINES",
    "NO_COLOR",
    "FORCE_COLOR",
    "TERM",
)


class Forked:
    """A program that was forked, to be looked at as a `subprocess.Popen` is."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._ended = threading.Event()

    def end(self, code: int) -> None:
        """Take its exit code."""
        self.returncode = code
        self._ended.set()

    def poll(self) -> int | None:
        """Return its exit code, None while it runs."""
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end and return its exit code. Raises TimeoutExpired."""
        if not self._ended.wait(timeout) or self.returncode is None:
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0.0)
        return self.returncode

    def send_signal(self, sig: int) -> None:
        """Send it a signal, if it has not ended."""
        if self.returncode is None:
            with suppress(ProcessLookupError):  # it has ended, and this is not known yet
                os.kill(self.pid, sig)

    def terminate(self) -> None:
        """SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)


class Programs(Starter):
    """The interpreter that forks, begun with the first program."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._begun: queue.SimpleQueue[Forked | None] = queue.SimpleQueue()
        self._running: dict[int, Forked] = {}
        self._server: subprocess.Popen[bytes] | None = None
        self._channel: socket.socket | None = None
        self._reader: threading.Thread | None = None
        self._own = _of_the_interpreter(os.environ)

    def begin(self, command: Sequence[str], *, environment: Mapping[str, str], log: IO[bytes]) -> Running:
        """Begin a program whose output and errors go to the log."""
        return self.started(command, environment=environment, output=log, errors=log)

    def started(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        folder: Path = ROOT,
        output: IO[bytes] | None = None,
        errors: IO[bytes] | None = None,
    ) -> Running:
        """Begin a program, in a session of its own; what has no stream writes to nowhere.

        Raises:
            RuntimeError: it could not be, as where there is no such folder.
        """
        environment = os.environ if environment is None else environment
        if not self._can_fork(command, environment):
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output or subprocess.DEVNULL,
                stderr=errors or subprocess.DEVNULL,
                cwd=folder,
                env=dict(environment),
                start_new_session=True,
            )
        module, *words = command[2:]
        request = Request(module, words, str(folder), dict(environment), session=True)
        with self._turn, Path(os.devnull).open("r+b", buffering=0) as nowhere:
            channel = self._channel or self._start()
            streams_of_it = (nowhere, output or nowhere, errors or nowhere)
            send_request(channel, request, [stream.fileno() for stream in streams_of_it])
            program = self._begun.get()
            if program is None:
                raise RuntimeError(f"no program was begun by {command}")
            return program  # it may have ended by now

    def finished(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        folder: Path = ROOT,
        timeout: float = 120.0,
    ) -> subprocess.CompletedProcess[str]:
        """Run a program to its end and return what it printed. Raises TimeoutExpired."""
        with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
            program = self.started(
                command, environment=environment, folder=folder, output=output, errors=errors
            )
            try:
                code = program.wait(timeout)
            except BaseException:
                program.kill()
                raise
            printed = [_text_of(stream) for stream in (output, errors)]
        return subprocess.CompletedProcess(list(command), code, *printed)

    def close(self) -> None:
        """End the interpreter that forks; programs that run go on."""
        if self._server and self._channel and self._reader:
            self._channel.shutdown(socket.SHUT_WR)
            self._server.wait()
            self._reader.join()
            self._channel.close()

    def _start(self) -> socket.socket:
        self._channel, other = socket.socketpair()
        with other:
            self._server = subprocess.Popen(
                [sys.executable, "-m", "tests.programs", str(other.fileno())],
                stdin=subprocess.DEVNULL,
                cwd=ROOT,
                pass_fds=[other.fileno()],
                start_new_session=True,
            )
        self._reader = threading.Thread(target=self._read, args=(self._channel,), daemon=True)
        self._reader.start()
        return self._channel

    def _read(self, channel: socket.socket) -> None:
        with channel.makefile("rb") as lines:
            for line in lines:
                said = json.loads(line)
                if pid := said.get("begun"):
                    self._running[pid] = begun = Forked(pid)
                    self._begun.put(begun)
                elif program := self._running.pop(said["ended"], None):
                    program.end(said["code"])
                else:
                    self._begun.put(None)  # it could not become what was requested
        self._begun.put(None)

    def _can_fork(self, command: Sequence[str], environment: Mapping[str, str]) -> bool:
        python, option, module, *_ = (*command, "", "", "")
        known = (python, option) == (sys.executable, "-m") and module in _MODULES
        return known and _of_the_interpreter(environment) == self._own


def _of_the_interpreter(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what an interpreter, or a terminal's library, reads of its environment once."""
    return {name: value for name, value in environment.items() if name.startswith(_OF_THE_INTERPRETER)}


def _text_of(stream: IO[bytes]) -> str:
    stream.seek(0)
    return stream.read().decode()


programs: Final = Programs()
"""Those of this test process."""
