"""The commands of docs/quickstart.md, as the installed wheel carries them, run by users that own nothing but a home."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from compose.leash import Leash

_FENCE = re.compile(r"^#+ (?P<heading>.*)$|^```(?P<kind>\w*) ?(?P<whose>.*)\n(?P<text>(?:.*\n)*?)^```$", re.M)
_WITHIN = 120.0


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block: whose commands they are, and whether they go on until somebody else has done something."""

    section: str
    kind: str
    whose: str
    text: str

    @property
    def waits(self) -> bool:
        return self.whose.endswith(" waits")

    @property
    def user(self) -> str:
        return self.whose.partition(" ")[0]


def blocks_of(page: Path) -> list[Block]:
    """Return the fenced blocks of a page in order, each with the heading above it."""
    found, heading = [], ""
    for match in _FENCE.finditer(page.read_text(encoding="utf-8")):
        if match["heading"] is not None:
            heading = match["heading"].partition(" · ")[0]
        else:
            found.append(Block(heading, match["kind"], match["whose"], match["text"]))
    return found


@dataclass
class Running:
    """A block that was started, with all that it started; what they print goes to one file."""

    text: str
    output: Path
    process: subprocess.Popen[bytes]
    leash: Leash

    @property
    def said(self) -> str:
        return self.output.read_text(encoding="utf-8", errors="replace")

    def finish(self) -> str:
        """Wait until all of it has ended well, and return what it printed."""
        code = self.process.wait(_WITHIN)
        self.leash.release()
        assert code == 0, f"exit {code}\n{self.text}\n{self.said}"
        return self.said

    def stop(self) -> None:
        """End what is left of it, in order."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            self.process.wait(_WITHIN)
        self.leash.release()


@dataclass
class User:
    """A user of the machine with a home; `uid` is None where the machine allows only one user."""

    home: Path
    uid: int | None
    values: Mapping[str, str]
    """What stands in the page for what differs from machine to machine, and what it is here."""
    environment: dict[str, str] = field(default_factory=dict)
    _exports: list[str] = field(default_factory=list)
    _begun: list[Running] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.home.mkdir(mode=0o700, parents=True)
        self._ready = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._ready.bind(str(self.home / "notify"))
        self._ready.settimeout(_WITHIN)
        self.own(self.home)

    def own(self, path: Path) -> None:
        """Give a file or folder to this user."""
        if self.uid is not None:
            for each in (path, *path.rglob("*")):
                os.chown(each, self.uid, self.uid)

    def take(self, file: Path) -> None:
        """Be handed a file."""
        shutil.copy(file, self.home)
        self.own(self.home / file.name)

    def start(self, text: str, *, answer: str = "") -> Running:
        """Start commands as they stand in the page; programs that it puts into the background are ready on return."""
        for shown, real in self.values.items():
            text = text.replace(shown, real)
        background = len(re.findall(r" &$", text, re.M))
        script = "\n".join([*self._exports, text])
        if background:  # its shell stays, and ends once they have
            script += "\ntrap : TERM\nwait || wait"
        self._exports += re.findall(r"^export .*$", text, re.M)
        output = self.home.with_name(f"{self.home.name}.{len(self._begun)}.log")
        output.with_suffix(".answers").write_text(answer)
        given = {"HOME": str(self.home), "PATH": os.defpath, "LANG": "C.UTF-8", "TZ": "Asia/Bangkok"}
        given["NOTIFY_SOCKET"] = str(self.home / "notify")
        with output.open("wb") as log, output.with_suffix(".answers").open("rb") as answers:
            process = subprocess.Popen(
                ["bash", "-euo", "pipefail", "-c", script],
                cwd=self.home,
                env=given | self.environment,
                stdin=answers,
                stdout=log,
                stderr=subprocess.STDOUT,
                user=self.uid,
                group=self.uid,
                extra_groups=None if self.uid is None else [],
                umask=0o022,
                start_new_session=True,
            )
        running = Running(text, output, process, Leash(-process.pid))
        self._begun.append(running)
        for _ in range(background):
            self._wait_ready(running)
        return running

    def run(self, text: str, *, answer: str = "") -> str:
        """Run commands to their end and return what they printed; those with programs in the background go on."""
        running = self.start(text, answer=answer)
        return running.said if running.text.rstrip().endswith("&") else running.finish()

    def stop(self) -> None:
        """End all that still runs, the last first."""
        for running in reversed(self._begun):
            running.stop()
        self._begun.clear()
        self._ready.close()

    def _wait_ready(self, running: Running) -> None:
        try:
            while self._ready.recv(4096) != b"READY=1":
                pass
        except TimeoutError:
            raise AssertionError(f"not ready: {running.text}\n{running.said}") from None
