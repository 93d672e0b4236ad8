"""Being woken by what comes into an outbox, where the system tells of it; whoever is not woken looks after a while."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

from adapters.connectors.folder.contents import is_final
from bus.platform.watching import FolderWatch, watch


class OutboxWatch:
    """Whether something under its final name has come into a folder; made in a running event loop."""

    def __init__(self, folder: Path) -> None:
        self.came = asyncio.Event()
        self._folder = folder
        self._loop = asyncio.get_running_loop()
        self._watch: FolderWatch | None = None
        self._ended = False

    def renew(self) -> None:
        """Watch the folder, and watch it anew if another has taken its place; not in the loop, for a share may hang."""
        if self._watch is not None and self._watch.stands():
            return
        before, self._watch = self._watch, watch(self._folder)
        with suppress(RuntimeError):  # the loop has gone: this round was left behind
            self._loop.call_soon_threadsafe(self._heed, before, self._watch)

    def end(self) -> None:
        """Watch no more."""
        self._ended = True
        self._heed(self._watch, None)
        self._watch = None

    def _heed(self, before: FolderWatch | None, found: FolderWatch | None) -> None:
        if before is not None:
            self._loop.remove_reader(before)
            before.close()
        if found is not None:
            if self._ended:
                found.close()
            else:
                self._loop.add_reader(found, self._note, found)

    def _note(self, found: FolderWatch) -> None:
        if any(not name or is_final(name) for name in found.names()):
            self.came.set()
