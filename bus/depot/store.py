"""The depot and its rules: a file is there for those who have shown it, and for the parties of a letter.

Knowing a SHA-256 gives nothing. An agency shows that it has a file by streaming all of it, whether or not another
agency did so before, and neither the answers nor the room it takes on the way tell it which of the two it was.

What the rules leave behind: a file stays as long as a letter names it; else until the last hold on it has lapsed
and seven days have gone since it was last shown.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import sqlalchemy as sa

from bus.depot.contents import ContentStore, Incoming, LocalStore, Part
from bus.depot.index import Index
from bus.depot.presence import Check, Presence
from bus.depot.refusals import Refusal, RequestRefused
from bus.identifiers import AgencyCode, RawDigest

KEPT = 7 * 24 * 3600
"""Seconds that a hold lasts, and that a file stays after it was last shown or, unfinished, last worked on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much an agency may bring."""

    max_file_bytes: int = 512 * 1024 * 1024
    quota_bytes: int = 50 * 1024**3
    """Per agency: of files that no letter names yet, unfinished ones included."""


@dataclass(frozen=True, slots=True)
class Collected:
    """What a collection removed."""

    files: int
    bytes: int
    uploads: int


class Depot:
    """Files, uploads and holds of every agency; blocking, to be called from threads.

    Raises RequestRefused for what is against the rules, Transient when its disk or its database is away.
    """

    def __init__(
        self,
        contents: ContentStore,
        incoming: Incoming,
        index: Index,
        *,
        parties: Callable[[AgencyCode, RawDigest], bool],
        named: Callable[[RawDigest], bool],
        limits: Limits | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`parties(agency, sha256)`: is it a party to an accepted letter that names the file; `named`: is there one."""
        self._contents = contents
        self._incoming = incoming
        self._index = index
        self._parties = parties
        self._named = named
        self._limits = limits or Limits()
        self._clock = clock

    def check(self) -> None:
        """Raise unless the database answers; a full disk still gives out files, and is no reason to be unready."""
        self._index.check()

    def close(self) -> None:
        """Close the database."""
        self._index.close()

    # ── fetching ───────────────────────────────────────────────────────────────────────────────────

    def size(self, agency: AgencyCode, sha256: RawDigest) -> int:
        """Bytes of a file that this agency may have; any other agency learns RequestRefused(FILE_UNKNOWN)."""
        size = self._visible(agency, sha256)
        if size is None:
            raise RequestRefused(Refusal.FILE_UNKNOWN)
        return size

    def open(self, agency: AgencyCode, sha256: RawDigest) -> tuple[BinaryIO, int]:
        """Open a file that this agency may have, and give its size."""
        size = self.size(agency, sha256)
        try:
            return self._contents.open(sha256), size
        except FileNotFoundError as exc:
            raise RequestRefused(Refusal.FILE_UNKNOWN) from exc

    def _visible(self, agency: AgencyCode, sha256: RawDigest) -> int | None:
        if self._index.shown(agency, sha256) or self._parties(agency, sha256):
            return self._contents.size(sha256)
        return None

    # ── uploading ──────────────────────────────────────────────────────────────────────────────────

    def received(self, agency: AgencyCode, sha256: RawDigest) -> int:
        """Where this agency's upload goes on; the whole size when it has the file already."""
        visible = self._visible(agency, sha256)
        return self._incoming.size(agency, sha256) if visible is None else visible

    def require_permitted(self, length: int | None) -> None:
        """Raise RequestRefused(FILE_TOO_LARGE) for a file that would not be taken."""
        if length is not None and length > self._limits.max_file_bytes:
            raise RequestRefused(Refusal.FILE_TOO_LARGE)

    def renew(self, agency: AgencyCode, sha256: RawDigest, length: int) -> bool:
        """Count a file that the agency has already as shown now; False when it has to be streamed."""
        if self._visible(agency, sha256) != length:
            return False
        try:
            with self._index.arriving(agency, sha256, length, self._now()):
                if self._contents.size(sha256) != length:
                    raise RequestRefused(Refusal.FILE_UNKNOWN)
        except RequestRefused:
            return False
        return True

    def begin(
        self, agency: AgencyCode, sha256: RawDigest, length: int | None, *, offset: int | None = None
    ) -> Upload:
        """Begin an upload (offset None), or go on with one; the caller closes what it gets.

        Raises RequestRefused: FILE_TOO_LARGE, QUOTA, FULL, BUSY, OFFSET or LENGTH.
        """
        self.require_permitted(length)
        part = self._incoming.open(agency, sha256)
        try:
            return self._begun(agency, sha256, length, offset, part)
        except BaseException:
            if not part.received:
                part.remove()
            part.close()
            raise

    def _begun(
        self, agency: AgencyCode, sha256: RawDigest, length: int | None, offset: int | None, part: Part
    ) -> Upload:
        if offset is not None and offset != part.received:
            raise RequestRefused(Refusal.OFFSET, offset=part.received)
        if offset is not None and length is not None and offset > length:
            raise RequestRefused(Refusal.LENGTH)
        self._incoming.require_space(0 if length is None else length - (offset or 0))
        limits = self._limits
        space = self._index.reserve(
            agency, sha256, length, limits.max_file_bytes, limits.quota_bytes, self._now()
        )
        if offset is None:
            part.start_over()
        over = Refusal.LENGTH if length is not None else Refusal.QUOTA
        if length is None and space == limits.max_file_bytes:
            over = Refusal.FILE_TOO_LARGE
        return Upload(self, agency, sha256, length, part, space, over)

    def _arrived(self, upload: Upload) -> bool:
        agency, sha256, part = upload.agency, upload.sha256, upload.part
        if part.seal() != sha256:
            self._drop(upload)
            raise RequestRefused(Refusal.FILE_DIGEST)
        new = not self._index.shown(agency, sha256)
        with self._index.arriving(agency, sha256, part.received, self._now()):
            if self._contents.size(sha256) == part.received:
                part.remove()
            else:
                self._contents.put(part.path, sha256)
        return new

    def _drop(self, upload: Upload) -> None:
        upload.part.remove()
        self._index.forget_upload(upload.agency, upload.sha256)

    # ── holding and letting go ─────────────────────────────────────────────────────────────────────

    def hold(self, checks: Sequence[Check]) -> list[Presence]:
        """Say of each check whether the agency has the file, and hold for seven days what it has."""
        pairs = [(check.agency, check.sha256) for check in checks]
        unshown = set(pairs) - self._index.shown_by(pairs)
        known = {pair for pair in unshown if self._parties(*pair)}
        known_pairs = self._index.hold(known, pairs, self._now() + KEPT)
        return [
            self._held(check) if pair in known_pairs else Presence.MISSING
            for check, pair in zip(checks, pairs, strict=True)
        ]

    def _held(self, check: Check) -> Presence:
        size = self._contents.size(check.sha256)
        if size is None:
            return Presence.MISSING
        return Presence.OK if size == check.size else Presence.SIZE

    def collect(self, now: int) -> Collected:
        """Remove unfinished uploads and files that nobody worked on, showed, held or named for seven days."""
        cutoff = now - KEPT
        uploads = 0
        candidates = set(self._index.lapsed(now, cutoff))
        for agency, sha256 in self._index.stale_uploads(cutoff):
            if self._incoming.remove(agency, sha256):
                self._index.forget_upload(agency, sha256)
                # A crash between putting a file in place and saying so leaves bytes that only this row points to.
                candidates.add(sha256)
                uploads += 1
        sizes = [
            size for sha256 in sorted(candidates) if (size := self._let_go(sha256, now, cutoff)) is not None
        ]
        return Collected(len(sizes), sum(sizes), uploads)

    def _let_go(self, sha256: RawDigest, now: int, cutoff: int) -> int | None:
        if self._named(sha256):
            self._index.mark_named(sha256, cutoff)
            return None
        with self._index.leaving(sha256, now, cutoff) as unwanted:
            if not unwanted:
                return None
            size = self._contents.size(sha256)
            self._contents.remove(sha256)
            return size

    def _now(self) -> int:
        return int(self._clock())


class Upload:
    """One connection's work on one agency's upload; closing it keeps what was received."""

    def __init__(
        self,
        depot: Depot,
        agency: AgencyCode,
        sha256: RawDigest,
        length: int | None,
        part: Part,
        space: int,
        over: Refusal,
    ) -> None:
        self.agency = agency
        self.sha256 = sha256
        self.part = part
        self._depot = depot
        self._length = length
        self._space = space
        self._over = over

    @property
    def received(self) -> int:
        """Bytes so far, of all connections together."""
        return self.part.received

    def write(self, data: bytes) -> None:
        """Append; past the stated length, the size limit or the quota, or on a full disk, all of it is dropped."""
        if self.part.received + len(data) > self._space:
            self._depot._drop(self)
            raise RequestRefused(self._over)
        try:
            self.part.write(data)
        except RequestRefused:
            # What fills the disk is let go, so that others can go on and a full disk empties itself.
            self._depot._drop(self)
            raise

    def finish(self) -> bool | None:
        """After the last byte of a connection: None when more is to come, else whether the file was new here.

        Raises RequestRefused(FILE_DIGEST) when it is whole and wrong; then nothing of it is kept.
        """
        if self._length is not None and self.part.received < self._length:
            return None
        return self._depot._arrived(self)

    def close(self) -> None:
        """Let another connection go on."""
        self.part.close()

    def __enter__(self) -> Upload:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def local_contents(folder: Path) -> LocalStore:
    """The contents of a local depot alone, for whoever may read all of them."""
    return LocalStore(folder / "files")


def open_local_depot(
    folder: Path,
    *,
    parties: Callable[[AgencyCode, RawDigest], bool],
    named: Callable[[RawDigest], bool],
    database_url: str | None = None,
    limits: Limits | None = None,
    reserve: int = 256 * 1024 * 1024,
    clock: Callable[[], float] = time.time,
) -> Depot:
    """A depot in a folder; its books are a SQLite file there, unless a database is named.

    `reserve`: bytes of the disk that uploads leave free.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    index = Index(database_url or sa.URL.create("sqlite", database=str(folder / "index.sqlite")))
    return Depot(
        local_contents(folder),
        Incoming(folder / "incoming", reserve=reserve),
        index,
        parties=parties,
        named=named,
        limits=limits,
        clock=clock,
    )
