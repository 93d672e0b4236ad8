"""From `outbox/` into the mailbox: what is complete is claimed by a rename, read, put in, and moved to `sent/`.

Whatever is wrong with one thing is that thing's alone: it goes to `failed/` with a reason, or waits, and the next has
its turn. A round looks at each thing in the outbox once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import islice

from adapters.connectors.folder import letters
from adapters.connectors.folder.acts import read_act
from adapters.connectors.folder.completeness import Completeness, has_mark
from adapters.connectors.folder.contents import LETTER, MARK, kind_of, manifest_among, no_manifest, stem_of
from adapters.connectors.folder.exchange import Folders
from adapters.connectors.folder.failing import set_aside
from adapters.connectors.folder.folders import Folder, is_folder, is_plain
from adapters.connectors.folder.names import Names, free_name, is_utf8, readable
from adapters.connectors.folder.parsing import MOST_BYTES, Manifest, read_manifest
from adapters.connectors.folder.reasons import mistakes_of
from adapters.mailbox import AlreadyPut, Mailbox
from adapters.mailbox.acts import Verb, perform
from adapters.mailbox.conditions import ConditionCode, Finding
from adapters.mailbox.files import FileChanged
from adapters.mailbox.mistakes import Mistake, Mistaken
from bus.errors import Refused, Transient
from bus.failpoints import reached
from bus.logs import get

_LOG = get(__name__)
_BATCH = 25


class _Rewritten(FileChanged):
    """A manifest is not of the bytes by which it was found complete."""


class Importer:
    """Takes from one outbox; what it remembers from round to round only spares waiting and work."""

    def __init__(
        self, mailbox: Mailbox, *, patience: float, quiet: float, most: int, clock: Callable[[], float]
    ) -> None:
        """`patience` and `quiet` in seconds of `clock`; `most` bytes for the largest file of a letter."""
        self._mailbox = mailbox
        self._patience = patience
        self._most = most
        self._clock = clock
        self._complete = Completeness(patience=patience, quiet=quiet, most=most, clock=clock)
        self._claims: dict[str, Manifest | None] = {}
        """The manifests of what is in `working/`, as they were judged or first read."""
        self._tried: dict[str, float] = {}
        """Since when what was claimed cannot be read."""
        self._stuck: dict[str, Exception] = {}

    def import_new(self, at: Folders) -> int:
        """Take what is complete, in order, several in one transaction; give how many things that were."""
        self._stuck.clear()
        names = self._complete.look(at.outbox)
        self._stuck.update(self._complete.unreadable)
        claimed = sorted(at.working.names())
        self._claims = {name: self._claims.get(name) for name in claimed}
        taken = 0
        for places in (
            self._those(claimed, lambda name: self._is_started(at, name)),
            self._those(names, lambda name: self._complete.is_whole(at, name) and self._claim(at, name)),
        ):
            while batch := list(islice(places, _BATCH)):
                taken += self._take(at, batch)
        self._complete.tell_strangers(at)
        return taken

    def findings(self) -> list[Finding]:
        """What the last round could not take, and why."""
        found = self._complete.findings()
        for name, error in self._stuck.items():
            th, en = zip(*((m.th, m.en) for m in mistakes_of(error)), strict=True)
            found.append(Finding(ConditionCode.OUTBOX_STUCK, readable(name), "; ".join(th), "; ".join(en)))
        return found

    def _those(self, names: Sequence[str], holds: Callable[[str], bool]) -> Iterator[str]:
        """Those of which that holds; asked one by one."""
        for name in names:
            found = False
            with self._troubles_kept(name):
                found = holds(name)
            if found:
                yield name

    def _is_started(self, at: Folders, name: str) -> bool:
        """Whether that is a claim to go on with; one that a crash cut short before its manifest came is made again."""
        if name.startswith(".") or not is_folder(at.working.look(name)):
            return False
        with at.working.folder(name) as place:
            inside = place.names()
        if kind_of(name) is not None and manifest_among(inside) is None and is_plain(at.outbox.look(name)):
            return False
        if not inside:
            at.working.remove_empty(name)
        return bool(inside)

    def _claim(self, at: Folders, name: str) -> bool:
        """Move it to `working/` by one rename, with the files that it takes along; False if that place is taken."""
        if is_folder(at.outbox.look(name)):
            if at.working.holds(name):
                return False
            with at.outbox.folder(name) as place:
                _bring_mark(at.outbox, name, place)
            self._claims[name] = self._complete.judged(name)
            at.outbox.move(name, at.working, name)
            return True
        at.working.make(name)
        with at.working.folder(name) as place:
            if manifest_among(place.names()) is not None:
                return False
            _bring_mark(at.outbox, name, place)
            judged = self._claims[name] = self._complete.judged(name)
            at.outbox.move(name, place, name)
            # At once, so that no other letter of this round counts on them.
            self._complete.bring_files(at.outbox, place, judged.files() if judged else ())
        return True

    def _take(self, at: Folders, places: Sequence[str]) -> int:
        """Take in what was claimed, or put it to `failed/` with the reason; give how many do not have to wait.

        All is read first, and then put in the mailbox in one transaction.
        """
        errors: dict[str, Exception] = {}
        acts: dict[str, Callable[[], object]] = {}
        for place in places:
            with _noted(errors, place):
                acts[place] = self._read(at, place)
        with self._mailbox.transaction():
            for place, act in acts.items():
                with _noted(errors, place, but=Transient):
                    act()
        put = [place for place in acts if place not in errors]
        for place in put:
            reached("connector.after-put")
            with _noted(errors, place):
                at.working.move(place, at.sent, free_name(readable(place), at.sent.holds))
                self._tried.pop(place, None)
        if put:
            at.sent.sync()
        if len(places) > 1 and errors:
            # Each once more by itself: it may be about one that has only now been put.
            return len(places) - len(errors) + sum(self._take(at, [place]) for place in errors)
        return sum(place not in errors or self._ended(at, place, errors[place]) for place in places)

    def _read(self, at: Folders, name: str) -> Callable[[], object]:
        """Read what was claimed, its files into the mailbox's store, and give what is then to be put in."""
        reached("connector.after-claim")
        if not is_utf8(name):
            th = "ชื่อแฟ้มไม่ได้เข้ารหัสแบบ UTF-8 (อาจเป็น TIS-620) โปรดตั้งชื่อใหม่"
            en = "its name is not UTF-8 (perhaps TIS-620); give it a new one"
            raise Mistaken(Mistake(readable(name), th, en))
        with at.working.folder(name) as place:
            inside = place.names()
            manifest = manifest_among(inside)
            if manifest is None:
                raise Mistaken(no_manifest(inside, name))
            claimed = self._manifest(name, place, manifest)
            fields = claimed.fields()
            kind = kind_of(manifest)
            if kind is not None and kind != LETTER:
                return partial(perform, self._mailbox, read_act(fields, Verb(kind)))
            near: Names | None = None
            if name == manifest:
                # A crash may have come after the claim.
                self._complete.bring_files(at.outbox, place, claimed.files())
                near = self._complete.beside
            stem = stem_of(name)
            composed = letters.compose(self._mailbox, fields, place, stem, near=near, most=self._most)
            return partial(letters.put, self._mailbox, composed)

    def _manifest(self, thing: str, place: Folder, name: str) -> Manifest:
        """What a claimed manifest says, which is of the bytes that are there now."""
        claimed = self._claims.get(thing)
        if claimed is None:
            claimed = self._claims[thing] = read_manifest(place, name)
        elif not claimed.is_of(name, place.read(name, MOST_BYTES)):
            raise _Rewritten(f"{readable(name)} was written to after it was found complete")
        return claimed

    def _ended(self, at: Folders, name: str, error: Exception) -> bool:
        """Put to `failed/` what cannot be taken; False if it can only not be taken now."""
        match error:
            case Transient():
                self._stuck[name] = error
                return False
            case _Rewritten():
                self._stuck[name] = error
                self._claims.pop(name)
                self._complete.forget(name)
                with self._troubles_kept(name):
                    at.working.move(name, at.outbox, name)
                return False
            case OSError() | FileChanged():
                self._stuck[name] = error
                if self._clock() - self._tried.setdefault(name, self._clock()) < self._patience:
                    return False
            case Mistaken() | Refused() | AlreadyPut():
                pass
            case _:
                _LOG.error("import-failed", exc_info=error)
        ended = False
        with self._troubles_kept(name):
            set_aside(at, name, error)
            self._tried.pop(name, None)
            self._stuck.pop(name, None)
            ended = True
        return ended

    @contextmanager
    def _troubles_kept(self, name: str) -> Iterator[None]:
        """Whatever goes wrong with one thing is told of that thing, and is tried again in the next round."""
        try:
            yield
        except Transient:
            raise  # the mailbox itself does not answer
        except OSError as exc:
            self._stuck[name] = exc
        except Exception as exc:
            _LOG.exception("import-postponed")
            self._stuck[name] = exc


def _bring_mark(outbox: Folder, name: str, place: Folder) -> None:
    """Take the mark along, before the thing itself: one left behind would speak for the next of that name."""
    if has_mark(outbox, name):
        mark = f"{name}{MARK}"
        outbox.move(mark, place, free_name(mark, place.holds) if place.holds(MARK) else MARK)


@contextmanager
def _noted(
    errors: dict[str, Exception], place: str, *, but: type[Exception] | tuple[()] = ()
) -> Iterator[None]:
    """Note what went wrong with one thing, so that the next has its turn; what concerns all of them is raised."""
    try:
        yield
    except but:
        raise
    except Exception as exc:
        errors[place] = exc
