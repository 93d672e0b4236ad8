"""The interpreter that has imported the programs, and forks one for each request: `python -m tests.programs SOCKET`.

What runs in the child is the module itself, as `python -m` would run it, up to this interpreter's ordinary end. It
ends when the socket closes; the children do not.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import runpy
import selectors
import signal
import socket
import sys
from typing import Any

from bus import failpoints
from tests.programs.wire import PRELOADED, STREAMS, Request, received_request


def main() -> None:
    """Serve requests; in a child, become the program that was requested."""
    for name in PRELOADED:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    with socket.socket(fileno=int(sys.argv[1])) as channel:
        request = _serve(channel)
    if request is not None:
        runpy.run_module(request.module, run_name="__main__", alter_sys=True)


def _serve(channel: socket.socket) -> Request | None:
    """Fork until the other end is gone; return None then, and in each child its request."""
    woken, wake = socket.socketpair()
    woken.setblocking(False)
    wake.setblocking(False)
    signal.set_wakeup_fd(wake.fileno())
    signal.signal(signal.SIGCHLD, lambda *_: None)
    with selectors.DefaultSelector() as selector, woken, wake:
        selector.register(channel, selectors.EVENT_READ)
        selector.register(woken, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is woken:
                    woken.recv(4096)
                    _report_ended(channel)
                elif (found := received_request(channel)) is None:
                    return None
                elif os.fork():
                    for stream in found.streams:
                        os.close(stream)
                else:
                    _become(found)
                    _say(channel, {"begun": os.getpid()})
                    return found


def _report_ended(channel: socket.socket) -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not pid:
            return
        _say(channel, {"ended": pid, "code": os.waitstatus_to_exitcode(status)})


def _say(channel: socket.socket, what: dict[str, Any]) -> None:
    channel.sendall(json.dumps(what).encode() + b"\n")


def _become(request: Request) -> None:
    """Make this child what a new process of its own would be."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if request.session:
        os.setsid()
    for stream, number in zip(request.streams, STREAMS, strict=True):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(request.folder)
    os.environ.clear()
    os.environ.update(request.environment)
    sys.argv = ["-m", *request.words]
    failpoints.arm(os.environ.get("SARABAN_FAILPOINTS", ""))


if __name__ == "__main__":
    main()
