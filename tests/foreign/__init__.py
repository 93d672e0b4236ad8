"""A client of the wire in plain Node.js, and how the tests run it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from queue import Empty, Queue
from typing import Any, Self

FOLDER = Path(__file__).parent
NODE = shutil.which("node")


class Client:
    """A client that is steered by lines of JSON and says what happened in lines of JSON; a context manager."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        self._command, self._environment = command, environment
        self.said: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=sys.stderr,
            text=True,
            env={**os.environ, **self._environment},
        )
        self._lines: Queue[dict[str, Any]] = Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                pipe.close()

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            self._lines.put(json.loads(line))

    def do(self, order: str, **more: Any) -> None:
        """Have it do something."""
        assert self._process.stdin
        self._process.stdin.write(json.dumps({"do": order, **more}) + "\n")
        self._process.stdin.flush()

    def until(self, event: str, fits: Callable[[dict[str, Any]], bool] = lambda said: True) -> dict[str, Any]:
        """Wait until it says this, and return what it says."""
        while True:
            try:
                said = self._lines.get(timeout=120)
            except Empty:
                raise AssertionError(f"no {event}; {self.said}") from None
            self.said.append(said)
            if said["event"] == event and fits(said):
                return said
