"""Since when things have been in an outbox, and since when nothing in them has changed, by the adapter's own clock.

The dates of files are not asked: they are their writers', and wrong, old or copied as those like. A state is compared
with the state seen before, and nothing else.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from adapters.connectors.folder.folders import Folder, is_folder

State = tuple[object, ...]


@dataclass(slots=True)
class _Sighting:
    state: State
    first: float
    since: float


class Sightings:
    """What was seen at the last look; each look replaces the one before."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock` gives seconds that only ever grow."""
        self._clock = clock
        self._seen: dict[str, _Sighting] = {}
        self.unreadable: dict[str, OSError] = {}
        """What could not be looked at the last time."""

    def look(self, folder: Folder, names: Iterable[str]) -> Mapping[str, os.stat_result]:
        """Look at these things, at folders with what is in them; give what each is, but for those that have gone."""
        found: dict[str, os.stat_result] = {}
        seen: dict[str, _Sighting] = {}
        self.unreadable.clear()
        for name in names:
            try:
                entry = folder.look(name)
            except OSError as exc:
                self.unreadable[name] = exc
                continue
            if entry is None:
                continue
            state = (_state(entry), _inside(folder, name) if is_folder(entry) else ())
            found[name] = entry
            before, at = self._seen.get(name), self._clock()
            if before is None or before.state != state:
                before = _Sighting(state, before.first if before else at, at)
            seen[name] = before
        self._seen = seen
        return found

    def states(self, names: Iterable[str]) -> State:
        """What these things were like, with all that is in them."""
        return tuple((name, self._seen[name].state) for name in names)

    def age(self, name: str) -> float:
        """Seconds since a thing was first seen."""
        return self._clock() - self._seen[name].first

    def rest(self, names: Iterable[str]) -> float:
        """Seconds since all of these were first seen as they are."""
        return self._clock() - max(self._seen[name].since for name in names)


def _inside(folder: Folder, name: str) -> State:
    try:
        with folder.folder(name) as inner:
            entries = ((each, inner.look(each)) for each in sorted(inner.names()))
            return tuple((each, _state(entry)) for each, entry in entries if entry is not None)
    except OSError as exc:
        return (exc.errno,)  # said when somebody wants to read it


def _state(entry: os.stat_result) -> State:
    # The inode's own change time too: on some shares a client sets the other date before it writes.
    return (entry.st_ino, entry.st_size, entry.st_mtime_ns, entry.st_ctime_ns)
