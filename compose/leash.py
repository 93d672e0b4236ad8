"""A leash on a child process: it is stopped when its parent is gone, even if the parent was killed."""

from __future__ import annotations

import signal
import subprocess

# The watcher sleeps in `read` until the other end of the pipe closes: by `release`, which ends the watcher first, or
# because the parent is no more. A process that has taken the number of the one that was watched began later, and is
# let alone; a group keeps its number while anything of it is left, even where its first process is not.
_WATCH = """
began=$(ps -o lstart= -p "${1#-}")
read -r _
now=$(ps -o lstart= -p "${1#-}")
[ "$now" = "$began" ] || [ -z "$now$2" ] && kill -s "$3" -- "$1" 2>/dev/null
"""


class Leash:
    """Sends `signum` to the process `pid` once the process that made this leash has ended without releasing it."""

    def __init__(self, pid: int, signum: signal.Signals = signal.SIGTERM) -> None:
        name = signum.name.removeprefix("SIG")
        self._watcher = subprocess.Popen(
            ["/bin/sh", "-c", _WATCH, "leash", str(pid), "" if pid < 0 else "one", name],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C in the terminal is the parent's to handle
        )

    def release(self) -> None:
        """Let the process go: it may outlive its parent from now on."""
        self._watcher.kill()
        self._watcher.wait()
        if self._watcher.stdin:
            self._watcher.stdin.close()

    def __enter__(self) -> Leash:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
