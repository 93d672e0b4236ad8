"""A line between an adapter and the broker that can be cut in the middle of a frame."""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import suppress
from typing import Self
from urllib.parse import urlsplit

_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER with no time: closing sends a reset, as a line that breaks does."""


class Line:
    """Forwards connections on loopback; a context manager. `cut` is armed for one connection at a time."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._far = (parts.hostname or "", parts.port or 0)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self._lock = threading.Lock()
        self._armed: dict[str, int] = {}
        self.cuts: list[str] = []
        """Which way the bytes went that were cut, for each cut."""

    @property
    def url(self) -> str:
        """Where to connect to instead."""
        return f"amqp://127.0.0.1:{self._listener.getsockname()[1]}"

    def cut(self, way: str, after: int) -> None:
        """Cut the connection that carries a chunk larger than `after` bytes `up` (to the broker) or `down`.

        What comes in smaller pieces, such as a heartbeat or a confirm, passes; of that chunk `after` bytes do.
        """
        with self._lock:
            self._armed[way] = after

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        for each in self._open:
            _close(each)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                try:
                    far = socket.create_connection(self._far, timeout=10)
                except OSError:
                    near.close()
                    continue
                far.settimeout(None)
                self._open += [near, far]
                for way, source, target in (("up", near, far), ("down", far, near)):
                    threading.Thread(target=self._carry, args=(way, source, target), daemon=True).start()

    def _carry(self, way: str, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                after = self._cut_now(way, len(data))
                target.sendall(data[:after])
                if after is not None:
                    target.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                    source.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                    break
        _close(source)
        _close(target)

    def _cut_now(self, way: str, size: int) -> int | None:
        with self._lock:
            after = self._armed.get(way)
            if after is None or size <= after:
                return None
            del self._armed[way]
            self.cuts.append(way)
            return after


def _close(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
