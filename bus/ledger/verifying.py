"""Verifying the whole ledger from its rows: what a rewrite, however clever, would have to get past.

1. Every entry: its number follows on the one before, its leaf hash is that of its body, its columns follow from it, its
   documents are there, its time is not before the last one's, and what it says was answered is among the answers.
2. The tree: the tiles are those of the leaves, and at the size of each signed head the root is the one that was signed.
3. Every document: its bytes have the SHA-256 under which they are kept.
4. Consignment numbers: from 1, without a gap, for each recipient.
5. Every letter: the chain of its entries, its index, its frozen recipients, and each step of each delivery.

Entries are read in spans, so that memory does not grow with the ledger, and each once for all that is checked of it. A
row that cannot even be read is a finding like any other. What nobody can see from the database alone, a ledger made
anew with all its heads, is seen by whoever holds an older head: the signer's own file is given to `verify` as one, and
so may be a witness's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import count, pairwise
from typing import Any

from sqlalchemy import Connection, func, select

from bus.ledger.checkpoint import missing, require_signed_head
from bus.ledger.entry import Kind
from bus.ledger.findings import Progress, Report
from bus.ledger.merkle import Frontier
from bus.ledger.rows import Head
from bus.ledger.tables import entries
from bus.ledger.tiles import Tree
from bus.ledger.verified import Left
from bus.ledger.verifying_directories import check_directories
from bus.ledger.verifying_entries import BATCH, EARLIER, check_entries, spans
from bus.ledger.verifying_heads import CUT_OFF, SignedHeads
from bus.ledger.verifying_letters import check_letters, check_listed
from bus.ledger.verifying_rows import PARTS, check_documents, check_numbers
from bus.ledger.verifying_signatures import check_signatures
from bus.ledger.verifying_tiles import check_tiles
from bus.ledger.verifying_workers import Alone, Team
from bus.verifier.notes import VerifierKey

NO_HEAD = "checkpoint.none"
_BEFORE_ANY_ROUTER = (
    Kind.DIRECTORY,
    Kind.CALENDAR,
    Kind.INVITED,
    Kind.ENROLMENT_REQUESTED,
    Kind.ENROLMENT_REFUSED,
    Kind.ENROLMENT_ANSWERED,
    Kind.ORDERED,
    Kind.ORDER_DONE,
    Kind.RELEASED,
    Kind.GRANTED,
    Kind.READ,
    Kind.REPLAY_REQUESTED,
)
"""What operators and auditors enter by themselves, and what agencies ask for that join."""
_OLDER = 16
"""Parts of the letters from before `since`."""
Spans = Sequence[tuple[int, int]]


def verify(
    connection: Connection,
    key: VerifierKey,
    *,
    since: Head | None = None,
    known: Sequence[Head] = (),
    signatures: bool = False,
    progress: Progress = lambda *_: None,
    team: Team | None = None,
    resume: Left | None = None,
    leave: Callable[[Left], None] = lambda _: None,
) -> Report:
    """Verify the ledger of this snapshot; with `since`, a head that the caller trusts, what came after it.

    `known` are heads that the caller holds besides those in the database; with `signatures`, every letter and notice is
    opened and its signature checked again, which takes far longer than all the rest. Findings stand in the report;
    nothing is raised for them. `team` takes the parts, if not this process alone; what is found, and in which order, is
    the same. `resume` is how far a stopped verification came: the signatures that it checked are passed over once the
    root of their entries, computed again, is that of its head. `leave` is called with how far this one is. Raises
    Transient when the database is away, and Tampered when `since` is no head of this log.
    """
    team = team or Alone(connection)
    size = connection.scalar(select(func.max(entries.c.seq))) or 0
    report = Report(size, since.size if since else 0)
    frontier = _begun(connection, since, key, report)
    heads = SignedHeads(connection, key, report, [*known, *([resume.head] if resume else [])])
    some, began = list(spans(connection, report.since)), frontier.size
    begun, good = _check_entries(team, some, report, frontier, heads, progress)
    heads.check_rest(size)
    report.root = frontier.root().hex()
    report.signed = heads.newest
    report.counts |= {"entries": frontier.size - began, "checkpoints": heads.checked}
    if size and not heads.newest and _should_be_signed(connection):
        report.note(
            NO_HEAD,
            "checkpoints",
            "no head is signed yet, so that these entries can be held against none",
        )
    check_tiles(team, connection, report, frontier.size, good, progress)
    _check_documents(team, report, progress)
    _check_letters(team, some[-1][1] if some else report.since, begun, report, progress)
    if signatures:
        # That nothing was found says also that the root at the head that was left is the one that was signed.
        covered = resume is not None and report.passed and resume.since <= report.since
        report.resumed = resume.signatures if resume and covered else 0
        for until in _check_signatures(team, some, report, progress):
            if report.passed and heads.agreed and until <= heads.agreed.size:
                leave(Left(heads.agreed, report.since, until))
    report.agreed = heads.agreed
    return report


def _begun(connection: Connection, since: Head | None, key: VerifierKey, report: Report) -> Frontier:
    if since is None:
        return Frontier()
    require_signed_head(since, key)
    where = f"checkpoint {since.size}"
    try:
        frontier = Frontier(since.size, Tree(connection).complete)
    except LookupError:
        report.note(CUT_OFF, where, missing(report.size, since))
        return Frontier()
    if frontier.root() != since.root:
        report.note("tree.root", where, "the entries before it are not those that were signed")
    return frontier


def _should_be_signed(connection: Connection) -> bool:
    """Whether a router has written here, which signs a head every few seconds.

    Before the first one, there is what operators have put in force, and who asked to join; nobody signs.
    """
    by_routers = select(entries.c.seq).where(entries.c.kind.not_in(_BEFORE_ANY_ROUTER)).limit(1)
    return connection.execute(by_routers).first() is not None


# ---- 1: entries ----------------------------------------------------------------------------------------------------


def _check_entries(
    team: Team, some: Spans, report: Report, frontier: Frontier, heads: SignedHeads, progress: Progress
) -> tuple[Report, set[int]]:
    """Check all that is about the entries; return what was found of letters that begin there, and the good tiles."""
    places = count(frontier.size, BATCH)
    asked = (
        (report.part(), *span, place, heads.known_sizes) for span, place in zip(some, places, strict=False)
    )
    last_at, begun, good = "", report.part(), set[int]()
    for (_, until), span in zip(some, team.map(check_entries, asked), strict=True):
        for piece in span.pieces:
            report.add(piece.report)
            if piece.opened:
                seq, at = piece.opened
                if at < last_at:
                    report.note("entry.time", f"entry {seq}", EARLIER)
            for level, root in piece.roots:
                frontier.append(root, level)
            heads.check(frontier)
        last_at = last_at if span.last_at is None else span.last_at
        begun.add(span.letters)
        good.update(span.tiles)
        progress("entries", until - report.since, report.size - report.since)
    return begun, good


# ---- 3: documents --------------------------------------------------------------------------------------------------


def _check_documents(team: Team, report: Report, progress: Progress) -> None:
    report.counts["documents"] = 0
    asked = ((report.part(), first) for first in range(PARTS))
    for done, part in enumerate(team.map(check_documents, asked), 1):
        report.add(part)
        progress("documents", done, PARTS)


# ---- 4, 5, and the directory ---------------------------------------------------------------------------------------


def _check_letters(team: Team, newest: int, begun: Report, report: Report, progress: Progress) -> None:
    """Check numbers, letters and the directory; `begun` is what was found of the letters that begin after `since`."""
    # Those of before have entries after it too.
    bounds = [*dict.fromkeys(report.since * n // _OLDER for n in range(_OLDER)), report.since]
    older = list(pairwise(bounds)) if report.since else []
    parts: list[tuple[Any, ...]] = [(check_numbers,), *((check_letters, *each) for each in older)]
    # Where an entry names a letter that cannot be there.
    rest = [(check_letters, newest, None), (check_listed,), (check_directories,)]
    asked = ((check, report.part(), *more) for check, *more in [*parts, *rest])
    for done, part in enumerate(team.map(_check, asked), 1):
        if done == len(parts) + 1:
            report.add(begun)
        report.add(part)
        progress("letters", done, len(parts) + len(rest))


def _check(connection: Connection, check: Callable[..., Report], report: Report, *more: int | None) -> Report:
    """One of several parts that are not alike."""
    return check(connection, report, *more)


# ---- signatures ----------------------------------------------------------------------------------------------------


def _check_signatures(team: Team, some: Spans, report: Report, progress: Progress) -> Iterator[int]:
    """Check those after what a stopped verification has checked; yield up to which entry, again and again."""
    report.counts["signatures"] = 0
    ends = [(max(after, report.resumed), until) for after, until in some if report.resumed < until]
    asked = ((report.part(), *each) for each in ends)
    for (_, until), part in zip(ends, team.map(check_signatures, asked), strict=True):
        report.add(part)
        progress("signatures", until, report.size)
        yield until
