"""Whether a thing in the outbox is complete. A letter of which half is there is not to be signed.

That a thing came by a rename cannot be seen: a folder that was not there at the last look may have been renamed, or
may be just being filled. So, unless it bears a mark, it must have rested for a while, which an office that always
renames can set to nothing; then its files must be there, each with its end. What lacks something is waited for, from
when it last changed and by the adapter's own clock, and then taken as it is, to fail with a reason.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from adapters.connectors.folder.attachments import endless, no_end
from adapters.connectors.folder.contents import (
    LETTER,
    MARK,
    is_final,
    kind_of,
    manifest_among,
    no_manifest,
    stranger,
)
from adapters.connectors.folder.exchange import Folders
from adapters.connectors.folder.failing import tell_stranger
from adapters.connectors.folder.folders import Folder, is_folder, is_plain
from adapters.connectors.folder.names import Names, readable
from adapters.connectors.folder.parsing import Manifest, read_manifest
from adapters.connectors.folder.sightings import Sightings
from adapters.mailbox.conditions import ConditionCode, Finding
from adapters.mailbox.files import FileChanged
from adapters.mailbox.mistakes import Mistake, Mistaken

_CHANGING = Mistake("", "ยังเปลี่ยนแปลงอยู่ จึงยังไม่ส่ง", "is still changing, and not taken while it does")


def has_mark(outbox: Folder, name: str) -> bool:
    """Whether a mark beside a thing says that it is complete."""
    return is_plain(outbox.look(f"{name}{MARK}"))


@dataclass(slots=True)
class _Judgement:
    """What was found of a thing, and the states of it that each was found in."""

    read_in: object = None
    manifest: Manifest | None = None
    lacks_in: object = None
    lacks: Mistake | None = None


class Completeness:
    """Looks at an outbox once a round, and answers from that look."""

    def __init__(self, *, patience: float, quiet: float, most: int, clock: Callable[[], float]) -> None:
        """`quiet`: seconds without a change; `patience`: seconds of waiting; `most`: bytes of the largest file."""
        self._patience = patience
        self._quiet = quiet
        self._most = most
        self._sightings = Sightings(clock)
        self._found: Mapping[str, os.stat_result] = {}
        self._judged: dict[str, _Judgement] = {}
        self._wanted: set[str] = set()
        self._waiting: dict[str, Mistake] = {}
        self._strangers: dict[str, Mistake] = {}
        self.beside = Names(())
        self.unreadable: Mapping[str, OSError] = self._sightings.unreadable
        """What could not be looked at."""

    def look(self, outbox: Folder) -> list[str]:
        """Look at everything; give the names of what may be a letter or an act, in order."""
        self._found = self._sightings.look(outbox, sorted(filter(is_final, outbox.names())))
        self.beside = Names(self._found)
        self._judged = {name: self._judged.get(name) or _Judgement() for name in self._found}
        self._wanted.clear()
        self._waiting.clear()
        return [name for name, entry in self._found.items() if is_folder(entry) or kind_of(name)]

    def findings(self) -> list[Finding]:
        """What waits, and what is unknown."""
        told = {ConditionCode.OUTBOX_WAITING: self._waiting, ConditionCode.OUTBOX_UNKNOWN: self._strangers}
        return [
            Finding(code, readable(name), mistake.th, mistake.en)
            for code, mistakes in told.items()
            for name, mistake in mistakes.items()
        ]

    def is_whole(self, at: Folders, name: str) -> bool:
        """Whether it is to be taken now: complete, or waited for long enough."""
        if is_folder(self._found[name]):
            with at.outbox.folder(name) as folder:
                inside = Names(filter(is_final, folder.names()))
                marked = folder.holds(MARK) or has_mark(at.outbox, name)
                has_rested = marked or self._has_rested([name])
                return has_rested and self._has_all([name], folder, manifest_among(inside), inside)
        things = [name, *filter(None, map(self.beside.find, self._files(name, at.outbox, name)))]
        self._wanted.update(things[1:])
        has_rested = has_mark(at.outbox, name) or self._has_rested(things)
        return has_rested and self._has_all(things, at.outbox, name, self.beside)

    def _has_rested(self, things: list[str]) -> bool:
        rested = self._sightings.rest(things) >= self._quiet
        if not rested and self._sightings.age(things[0]) >= max(self._patience, self._quiet):
            self._waiting[things[0]] = _CHANGING
        return rested

    def _has_all(self, things: list[str], folder: Folder, manifest: str | None, inside: Names) -> bool:
        """Whether it lacks nothing, or has for long enough; looked at anew only when something has changed."""
        name, states = things[0], self._sightings.states(things)
        judged = self._judged[name]
        if judged.lacks_in != states:
            judged.lacks = self._lacks(name, folder, manifest, inside)
            judged.lacks_in = states
        if judged.lacks is None or self._sightings.rest(things) >= self._patience:
            return True
        self._waiting[name] = judged.lacks
        return False

    def _lacks(self, thing: str, folder: Folder, manifest: str | None, inside: Names) -> Mistake | None:
        """The first thing that a letter lacks; None for an act, and for what fails for another reason."""
        if manifest is None:
            return no_manifest(inside, thing)
        for name in self._files(thing, folder, manifest):
            place, shown = inside.find(name), readable(name)
            if place is None:
                return Mistake(shown, f"ยังไม่มีไฟล์ {shown}", f"there is no file {shown} yet")
            try:
                with folder.opened(place, self._most) as file:
                    kind = endless(file)
            except FileChanged:
                return Mistake(shown, f"ไฟล์ {shown} ยังเปลี่ยนแปลงอยู่", f"{shown} is still being written")
            except Mistaken:
                continue
            if kind is not None:
                th, en = no_end(kind)
                return Mistake(shown, f"{shown} {th}", f"{shown} {en}")
        return None

    def _files(self, thing: str, folder: Folder, manifest: str) -> tuple[str, ...]:
        """The files that a manifest names; none if it cannot be read, which is said when it is taken."""
        judged, states = self._judged[thing], self._sightings.states([thing])
        if judged.read_in != states:
            try:
                judged.manifest = read_manifest(folder, manifest, judged.manifest)
            except (Mistaken, FileChanged, OSError) as exc:
                if isinstance(exc, OSError) and kind_of(manifest) == LETTER:
                    raise  # a letter waits in the outbox until it can be read
                judged.manifest = None
            judged.read_in = states
        return judged.manifest.files() if judged.manifest else ()

    def judged(self, name: str) -> Manifest | None:
        """The manifest by which a thing was found complete, if it could be read."""
        return self._judged[name].manifest

    def forget(self, name: str) -> None:
        """Judge a thing anew when it is back."""
        self._judged.pop(name, None)

    def bring_files(self, outbox: Folder, place: Folder, files: tuple[str, ...]) -> None:
        """Fetch a claimed manifest's files from beside its old place; those that came before a crash are here."""
        here = Names(place.names())
        for name in files:
            there = self.beside.find(name)
            if there is None or here.find(name) is not None:
                continue
            # Neither another letter's folder nor another manifest: each of them is taken by itself.
            if kind_of(there) is None and outbox.holds(there) and not is_folder(outbox.look(there)):
                outbox.move(there, place, there)

    def tell_strangers(self, at: Folders) -> None:
        """Find what has lain here for long and is no letter, no act, and named by none; it stays where it is."""
        self._strangers = {
            name: stranger(name, entry)
            for name, entry in self._found.items()
            if not is_folder(entry)
            and kind_of(name) is None
            and name not in self._wanted
            and self._sightings.rest([name]) >= self._patience
            and not (name.endswith(MARK) and at.outbox.holds(name.removesuffix(MARK)))
            and at.outbox.holds(name)
        }
        for name, mistake in self._strangers.items():
            tell_stranger(at, name, mistake)
