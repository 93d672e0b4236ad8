"""The folder connector: an office system that can write and read files needs nothing else.

    outbox/     the office puts letters and acts here
    sent/       what was taken from there into the mailbox
    failed/     what could not be, as it was, each with a `.reason.txt` that says what is wrong and what to do
    inbox/      one folder per letter received: letter.xml (the signed bytes), letter.json (to read), its files
    receipts/   one JSON file for each answer, receipt, registration and whatever else is said about letters
    working/    the connector's own

**A letter** is a folder with a manifest in it (`letter.toml`, or `<name>.letter.toml`) and the files, or such a
manifest with its files beside it; **an act** is a manifest `<name>.<verb>.toml`. TOML and JSON will do; what stands in
them is told in `letters.py` and `orders.py`.

**Complete** is what has its final name: write under a name that begins with a dot or ends in `.part` or `.tmp`, then
rename; of a manifest with files beside it, rename the manifest last. A manifest whose files are not there is waited
for a while, then it fails.

Nothing is deleted, and nothing is done twice: what was taken in and is put there again is the same letter. To try
again what has failed, mend it and move its folder back to `outbox/`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

from adapters.connectors import letters
from adapters.connectors.manifest import read_manifest
from adapters.connectors.names import safe_name
from adapters.connectors.orders import read_act
from adapters.connectors.reasons import explain
from adapters.connectors.telling import Teller
from adapters.mailbox import AlreadyPut, Mailbox
from adapters.mailbox.acts import Verb, perform
from adapters.mailbox.files import FileChanged, sync_folder
from adapters.mailbox.mistakes import Mistake, Mistaken
from bus.errors import Rejected, Transient
from bus.failpoints import reached
from bus.logs import get

_LOG = get(__name__)
FOLDERS = ("outbox", "working", "sent", "failed", "inbox", "receipts")
_UNFINISHED = (".part", ".tmp", ".partial", ".crdownload", "~")
_FORMATS = (".toml", ".json")
_LETTER = "letter"
_BATCH = 25
_KINDS = (_LETTER, *Verb)


@dataclass(frozen=True, slots=True)
class Claimed:
    """Something of the office in `working/`: a folder of the connector's, or one that the office made."""

    folder: Path
    manifest: Path
    kind: str


class FolderConnector:
    """Takes from `outbox/`, tells in `inbox/` and `receipts/`."""

    def __init__(
        self, mailbox: Mailbox, folder: Path, *, patience: float = 60.0, name: str = "folder"
    ) -> None:
        """`patience`: seconds that a manifest waits for its files."""
        self.name = name
        self.folder = folder
        self._mailbox = mailbox
        self._patience = patience
        for each in FOLDERS:
            (folder / each).mkdir(parents=True, exist_ok=True)
        self._teller = Teller(mailbox, folder, name)

    def collect(self) -> int:
        """Take what is complete, in order, several in one transaction; what is wrong with one stops no other."""
        taken = 0
        for places in (
            self._started(),
            filter(None, map(self._claimed_now, _visible(self.folder / "outbox"))),
        ):
            waiting = iter(places)
            while batch := list(islice(waiting, _BATCH)):
                taken += self._take(batch)
        return taken

    def tell(self) -> int:
        """Write down all news, each item once."""
        return self._teller.tell()

    def _started(self) -> list[Path]:
        """What a round before has claimed and not finished."""
        found = [each for each in _visible(self.folder / "working") if each.is_dir()]
        empty = [each for each in found if not any(each.iterdir())]
        for each in empty:
            each.rmdir()  # a claim that a crash cut short: its manifest is still in the outbox
        return [each for each in found if each not in empty]

    def _claimed_now(self, entry: Path) -> Path | None:
        """Claim it with the files that it takes along, so that no other letter of this round counts on them."""
        try:
            place = self._claim(entry)
            if place is not None and place.name == entry.name and kind_of(place.name) == _LETTER:
                self._bring_files(place)
        except OSError as exc:
            _LOG.warning("something of the office cannot be read or moved now", why=exc)
            return None
        return place

    def _claim(self, entry: Path) -> Path | None:
        """Move it to `working/` by one rename, if it is complete and that place is free."""
        place = self.folder / "working" / entry.name
        if os.path.lexists(place):
            return None
        if entry.is_dir() and not entry.is_symlink():
            manifest = manifest_in(entry)
            if manifest is None and not self._waited(entry):
                return None
            if manifest is not None and not self._files_are_there(manifest):
                return None
            entry.rename(place)
        elif kind_of(entry.name) is not None:
            if not self._files_are_there(entry):
                return None
            place.mkdir()
            entry.rename(place / entry.name)
        else:
            return None
        return place

    def _files_are_there(self, manifest: Path) -> bool:
        """Whether the files of a manifest are beside it, or will not be waited for any longer."""
        try:
            names = letters.named_files(read_manifest(manifest))
        except Mistaken:
            return True
        missing = [name for name in names if letters.beside(manifest.parent, name) is None]
        return not missing or self._waited(manifest)

    def _waited(self, entry: Path) -> bool:
        return time.time() - entry.stat().st_mtime >= self._patience

    def _take(self, places: Sequence[Path]) -> int:
        """Take in what was claimed, or put it to `failed/` with the reason; give how many do not have to wait.

        All is read first, and then put in the mailbox in one transaction.
        """
        errors: dict[Path, Exception] = {}
        acts: dict[Path, Callable[[], object]] = {}
        for place in places:
            with _noted(errors, place):
                acts[place] = self._read(place)
        with self._mailbox.at_once():
            for place, act in acts.items():
                with _noted(errors, place, but=Transient):
                    act()
        put = [place for place in acts if place not in errors]
        for place in put:
            reached("connector.after-put")
            with _noted(errors, place):
                _move(place, self.folder / "sent")
        if put:
            sync_folder(self.folder / "sent")
        if len(places) > 1 and errors:
            # Each once more by itself: it may be about one that has only now been put.
            return len(places) - len(errors) + sum(self._take([place]) for place in errors)
        return sum(place not in errors or self._ended(place, errors[place]) for place in places)

    def _ended(self, place: Path, error: Exception) -> bool:
        """Put to `failed/` what cannot be taken; False if it can only not be taken now."""
        match error:
            case Transient():
                _LOG.info("something of the office waits", why=error)
                return False
            case OSError():
                _LOG.warning("something of the office cannot be read or moved now", why=error)
                return False
            case Mistaken() | Rejected() | AlreadyPut() | FileChanged():
                self._fail(place, error)
            case _:
                _LOG.error("something of the office cannot be taken", exc_info=error)
                self._fail(place, error)
        return True

    def _read(self, place: Path) -> Callable[[], object]:
        """Read what was claimed, its files into the mailbox's store, and give what is then to be put in."""
        reached("connector.after-claim")
        claimed = self._claimed(place)
        fields = read_manifest(claimed.manifest)
        if claimed.kind != _LETTER:
            return partial(perform, self._mailbox, read_act(fields, Verb(claimed.kind)))
        if place.name == claimed.manifest.name:
            self._bring_files(place)  # a crash may have come between the claim and its files
        composed = letters.compose(self._mailbox, fields, claimed.folder, stem_of(place.name))
        self._mailbox.outbox.take_files(composed.letter, composed.files)
        return partial(letters.put, self._mailbox, composed)

    def _claimed(self, place: Path) -> Claimed:
        manifest = manifest_in(place)
        if manifest is None:
            raise Mistaken(
                Mistake(
                    place.name,
                    "ในแฟ้มนี้ต้องมีไฟล์ letter.toml หรือ letter.json หนึ่งไฟล์",
                    "this folder must hold exactly one manifest, such as letter.toml or letter.json",
                )
            )
        if manifest.is_symlink() or not manifest.is_file():
            raise Mistaken(Mistake(manifest.name, "ไม่ใช่ไฟล์ธรรมดา", "is no plain file"))
        return Claimed(place, manifest, kind_of(manifest.name) or _LETTER)

    def _bring_files(self, place: Path) -> None:
        """Fetch a claimed manifest's files from beside its old place; those that came before a crash are here."""
        try:
            names = letters.named_files(read_manifest(place / place.name))
        except Mistaken:
            return  # said when it is read
        for name in names:
            there = letters.beside(self.folder / "outbox", name)
            if letters.beside(place, name) is None and there is not None:
                there.rename(place / there.name)

    def _fail(self, place: Path, error: Exception) -> None:
        _LOG.warning("something of the office has failed", why=type(error).__name__)
        failed = self.folder / "failed"
        name = safe_name(place.name, [each.name for each in failed.iterdir() if each.is_dir()], most=200)
        reason = failed / f"{name}.reason.txt"
        unfinished = failed / f".{name}.reason.part"
        unfinished.write_text(explain(place.name, error), encoding="utf-8")
        unfinished.rename(reason)
        place.rename(failed / name)
        sync_folder(failed)


def kind_of(name: str) -> str | None:
    """What a manifest of this name is: `letter`, or the verb of an act; None if it is no manifest."""
    stem, extension = os.path.splitext(name)
    if extension.lower() not in _FORMATS:
        return None
    kind = stem.rpartition(".")[2].lower()
    return kind if kind in _KINDS else None


def manifest_in(folder: Path) -> Path | None:
    """The one manifest of a folder; None if there is none, or more than one."""
    found = [each for each in _visible(folder) if kind_of(each.name) is not None]
    return found[0] if len(found) == 1 else None


def _visible(folder: Path) -> list[Path]:
    """What has its final name, in order."""
    return sorted(
        each
        for each in folder.iterdir()
        if not (each.name.startswith(".") or each.name.endswith(_UNFINISHED))
    )


def stem_of(name: str) -> str:
    """The name of something without what says that it is a manifest, the same as a folder or as a file."""
    kind = kind_of(name)
    return name if kind is None else os.path.splitext(name)[0].removesuffix(f".{kind}")


@contextmanager
def _noted(
    errors: dict[Path, Exception], place: Path, *, but: type[Exception] | tuple[()] = ()
) -> Iterator[None]:
    """Note what went wrong with one thing, so that the next has its turn; what concerns all of them is raised."""
    try:
        yield
    except but:
        raise
    except Exception as exc:
        errors[place] = exc


def _move(place: Path, folder: Path) -> None:
    """Move under a name that is free there: nothing is ever written over. The folder is still to be synced."""
    name = safe_name(place.name)
    if os.path.lexists(folder / name):
        # Only now are all the names read: the folder keeps whatever was sent.
        name = safe_name(place.name, os.listdir(folder))
    place.rename(folder / name)
