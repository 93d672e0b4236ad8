"""A client under examination: a program that takes orders and says what happened, both as lines of JSON."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import IO, Any

from compose.conformance.failing import Failed

Said = dict[str, Any]


class Client:
    """The program; it can be stopped and begun again, and keeps what it keeps in its own folder."""

    def __init__(self, command: str, environment: Mapping[str, str], log: IO[str]) -> None:
        self._command, self._log = shlex.split(command), log
        self.environment = dict(environment)
        """What it gets when it is begun the next time."""
        self._process: subprocess.Popen[str] | None = None
        self._news = threading.Condition()
        self.said: list[Said] = []
        """Everything that it has said, of all its lives."""

    def start(self) -> None:
        """Begin it. Raises Failed if there is no such program."""
        try:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                text=True,
                encoding="utf-8",
                env={**os.environ, **self.environment},
                start_new_session=True,  # it may be a script that starts another
            )
        except OSError as error:
            raise Failed(f"{self._command[0]}: {error.strerror}") from error
        self._reader = threading.Thread(target=self._read, args=(self._process,), daemon=True)
        self._reader.start()

    def stop(self) -> None:
        """End it as a power cut would: it gets no time for anything."""
        if self._process is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._reader.join()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                with suppress(BrokenPipeError):  # an order that was never read
                    pipe.close()
        self._process = None

    def _read(self, process: subprocess.Popen[str]) -> None:
        for line in process.stdout or ():
            try:
                said = json.loads(line)
            except ValueError:
                continue
            if isinstance(said, dict):
                with self._news:
                    self.said.append(said)
                    self._news.notify_all()

    def order(self, do: str, **more: Any) -> None:
        """Have it do something. Raises Failed if it is not there any more."""
        if self._process is None or self._process.stdin is None:
            raise Failed("the client is not running")
        try:
            self._process.stdin.write(json.dumps({"do": do, **more}, ensure_ascii=False) + "\n")
            self._process.stdin.flush()
        except OSError as error:
            raise Failed("the client has ended") from error

    def until(
        self,
        event: str,
        fits: Callable[[Said], bool] = lambda said: True,
        *,
        after: int,
        within: float = 120,
    ) -> Said:
        """Return what it says of this kind, after so many things said. Raises Failed if it does not."""
        deadline = time.monotonic() + within

        def found() -> Said | None:
            said = (one for one in self.said[after:] if one.get("event") == event and fits(one))
            return next(said, None)

        with self._news:
            while (one := found()) is None:
                if not self._news.wait(deadline - time.monotonic()):
                    last = json.dumps(self.said[-3:], ensure_ascii=False)
                    raise Failed(
                        f"the client has not said {event} within {within:g} s; its last words: {last}"
                    )
            return one
