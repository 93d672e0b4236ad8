"""Checking a pack that somebody brings: in a process of its own, a few at once, and nothing of it is kept."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from threading import BoundedSemaphore
from typing import Any, BinaryIO, Final

AT_ONCE: Final = 2
WITHIN: Final = 60.0
"""Seconds by the clock on the wall."""
LARGEST: Final = 64 * 1024 * 1024
_places = BoundedSemaphore(AT_ONCE)
_KEPT: Final = ("PATH", "LANG", "LC_ALL")
"""What the process sees of the environment: no password that stands there."""


class NoVerdict(Exception):
    """A pack was not judged; `why` is `busy`, `empty`, `large`, `slow`, `memory` or `fault`."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


def judged(pack: BinaryIO, log_key: str | None, *, within: float = WITHIN) -> dict[str, Any]:
    """Return the verifier's report on a pack. Raises NoVerdict."""
    if not _places.acquire(blocking=False):
        raise NoVerdict("busy")
    try:
        with tempfile.TemporaryDirectory(prefix="saraban-verify-") as name:
            folder = Path(name)
            _take(pack, folder / "pack.asice")
            return _report(folder, log_key, within)
    finally:
        _places.release()


def _take(pack: BinaryIO, path: Path) -> None:
    size = pack.seek(0, os.SEEK_END)
    if size == 0:
        raise NoVerdict("empty")
    if size > LARGEST:
        raise NoVerdict("large")
    pack.seek(0)
    with path.open("xb") as target:
        shutil.copyfileobj(pack, target, 1024 * 1024)


def _report(folder: Path, log_key: str | None, within: float) -> dict[str, Any]:
    # -I: nothing in the folder or the environment is taken for a module.
    command = [sys.executable, "-I", "-m", "bus.console.confined", str(folder / "pack.asice"), log_key or ""]
    environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
    said = folder / "report.json"
    with said.open("xb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.DEVNULL,
            cwd=folder,
            env=environment,
            start_new_session=True,
        )
        try:
            status = process.wait(within)
        except subprocess.TimeoutExpired as error:
            raise NoVerdict("slow") from error
        finally:
            # All of its group, whatever it may have started.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if status == -signal.SIGXCPU or status == -signal.SIGKILL:
        raise NoVerdict("slow")
    if status:
        raise NoVerdict("memory" if status == 3 else "fault")
    try:
        report: dict[str, Any] = json.loads(said.read_bytes())
    except ValueError as error:
        raise NoVerdict("fault") from error
    return report
