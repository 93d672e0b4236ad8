"""The other yardstick: an AS2 peer (RFC 4130), in the same run and on the same machine.

pyas2lib and what it needs live in an environment of their own, build/as2, from a lock file of their own: nothing of it
is among the packages of this project.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
SIZE = 2048
"""Bytes of a message."""
_WITHIN = 300


def round_trips_per_s(build: Path) -> float | str:
    """Return how many messages are confirmed a second; in words why it is not known, where it cannot be had."""
    place = build / "as2"
    python = place / "bin" / "python"
    steps = [
        [sys.executable, "-m", "venv", "--clear", str(place)],
        [str(python), "-m", "pip", "--quiet", "install", "--require-hashes", "-r", str(HERE / "as2.lock")],
    ]
    done = place / "installed"
    try:
        for step in steps if not done.exists() else []:
            _run(step)
        done.touch()
        return float(_run([str(python), str(HERE / "as2_peer.py"), str(SIZE)]))
    except subprocess.CalledProcessError as failed:
        lines = (failed.stderr or failed.stdout or "").strip().splitlines()
        return f"not measured: {lines[-1] if lines else failed}"
    except (OSError, ValueError, subprocess.TimeoutExpired) as failed:
        return f"not measured: {failed}"


def _run(command: list[str]) -> str:
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=_WITHIN)
    return done.stdout.strip()
