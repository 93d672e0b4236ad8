"""Verifying the whole ledger from its rows: what a rewrite, however clever, would have to get past.

1. Every entry: its number follows on the one before, its leaf hash is that of its body, its columns follow from it, its
   documents are there, its time is not before the last one's, and what it says was answered is among the answers.
2. The tree: the tiles are those of the leaves, and at the size of each signed head the root is the one that was signed.
3. Every document: its bytes have the SHA-256 under which they are kept.
4. Consignment numbers: from 1, without a gap, for each recipient.
5. Every letter: the chain of its entries, its index, its frozen recipients, and each step of each delivery.

Rows are read in batches, so that memory does not grow with the ledger. A row that cannot even be read is a finding like
any other. What nobody can see from the database alone, a ledger made anew with all its heads, is seen by whoever holds
an older head: the signer's own file is given to `verify` as one, and so may be a witness's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import count

from sqlalchemy import Connection, func, select

from bus.ledger.checkpoint import Tampered, missing, require_signed_head
from bus.ledger.entry import Kind
from bus.ledger.findings import Progress, Report, guarded
from bus.ledger.heads import Heads
from bus.ledger.merkle import Frontier
from bus.ledger.rows import Head
from bus.ledger.tables import documents, entries
from bus.ledger.tiles import Tree
from bus.ledger.verified import Left
from bus.ledger.verifying_directories import check_directories
from bus.ledger.verifying_entries import BATCH, EARLIER, check_entries, spans
from bus.ledger.verifying_letters import check_letters, check_listed, count_letters
from bus.ledger.verifying_rows import check_documents, check_numbers
from bus.ledger.verifying_signatures import check_signatures
from bus.ledger.verifying_tiles import check_tiles
from bus.ledger.verifying_workers import Alone, Team
from bus.ledger.work import batched
from bus.verifier.notes import VerifierKey

NO_HEAD, CUT_OFF = "checkpoint.none", "entry.cut-off"
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
_LETTERS, _SIGNATURES = 16, 4
"""Spans of entries, whose letters or whose signatures are a part."""
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
    heads = _Heads(connection, key, report, [*known, *([resume.head] if resume else [])])
    some, began = list(spans(connection, report.since)), frontier.size
    _check_entries(team, some, report, frontier, heads, progress)
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
    check_tiles(team, connection, report, frontier.size, progress)
    _check_documents(team, connection, report, progress)
    report.add(_only(team, check_numbers, report))
    _check_letters(team, connection, some, report, progress)
    report.add(_only(team, check_directories, report))
    progress("directories", 1, 1)
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


def _only(team: Team, check: Callable[[Connection, Report], Report], report: Report) -> Report:
    """What is one part, and cannot be many."""
    return next(iter(team.map(check, [(report.part(),)])))


# ---- 1: entries ----------------------------------------------------------------------------------------------------


def _check_entries(
    team: Team, some: Spans, report: Report, frontier: Frontier, heads: _Heads, progress: Progress
) -> None:
    places = count(frontier.size, BATCH)
    asked = (
        (report.part(), *span, place, heads.known_sizes) for span, place in zip(some, places, strict=False)
    )
    last_at = ""
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
        progress("entries", until - report.since, report.size - report.since)


# ---- 2: the tree ---------------------------------------------------------------------------------------------------


class _Heads:
    """The signed heads, in order, each to be compared when so many entries have been seen."""

    def __init__(
        self, connection: Connection, key: VerifierKey, report: Report, known: Sequence[Head]
    ) -> None:
        self._heads = Heads(connection)
        self._key = key
        self._report = report
        self._known = sorted((one for one in known if one.size > report.since), key=lambda one: -one.size)
        self.known_sizes = tuple(one.size for one in self._known)
        self._waiting: list[Head] = []
        self.checked = 0
        self.newest = report.since
        """The size of the largest head that agreed."""
        self.agreed: Head | None = None
        """That head itself, if it is signed and is not `since`."""
        self._load(report.since)

    def check(self, frontier: Frontier) -> None:
        """Compare the heads of this size."""
        for waiting in (self._waiting, self._known):
            while waiting and waiting[-1].size <= frontier.size:
                self._compare(waiting.pop(), frontier)
                if not self._waiting:
                    self._load(frontier.size)
                    break

    def check_rest(self, size: int) -> None:
        """Note the heads of more entries than there are."""
        while self._waiting or self._known:
            head = (self._waiting or self._known).pop()
            self._report.note(CUT_OFF, f"checkpoint {head.size}", missing(size, head))
            if not self._waiting:
                self._load(max(head.size, size))

    def _compare(self, head: Head, frontier: Frontier) -> None:
        self.checked += 1
        where = f"checkpoint {head.size}"
        with guarded(self._report, where):
            try:
                require_signed_head(head, self._key)
            except Tampered as error:
                self._report.note("checkpoint.signature", where, str(error))
            if (head.size, head.root) == (frontier.size, frontier.root()):
                self.newest = max(self.newest, head.size)
                self.agreed = head
            else:
                said = f"the first {head.size} entries are not those that were signed"
                self._report.note("tree.root", where, said)

    def _load(self, after: int) -> None:
        self._waiting[:] = self._heads.above(after)[::-1]


# ---- 3: documents --------------------------------------------------------------------------------------------------


def _check_documents(team: Team, connection: Connection, report: Report, progress: Progress) -> None:
    total = connection.scalar(select(func.count()).select_from(documents)) or 0
    report.counts["documents"] = 0
    for part in team.map(check_documents, ((report.part(), first) for first in range(256))):
        report.add(part)
        progress("documents", report.counts["documents"], total)


# ---- 5: letters, and signatures ------------------------------------------------------------------------------------


def _check_letters(
    team: Team, connection: Connection, some: Spans, report: Report, progress: Progress
) -> None:
    total = count_letters(connection, report)
    report.counts["letters"] = 0
    # Those of before `since` have entries after it too.
    older = [report.since * n // _OLDER for n in range(_OLDER)] if report.since else [0]
    bounds = [*dict.fromkeys(older), *(until for _, until in some[_LETTERS - 1 : -1 : _LETTERS])]
    asked = zip(bounds, [*bounds[1:], None], strict=True)
    for part in team.map(check_letters, ((report.part(), *each) for each in asked)):
        report.add(part)
        progress("letters", report.counts["letters"], total)
    check_listed(connection, report)


def _check_signatures(team: Team, some: Spans, report: Report, progress: Progress) -> Iterator[int]:
    """Check those after what a stopped verification has checked; yield up to which entry, again and again."""
    report.counts["signatures"] = 0
    ends = [(max(one[0][0], report.resumed), one[-1][1]) for one in batched(some, _SIGNATURES)]
    ends = [(after, until) for after, until in ends if after < until]
    asked = ((report.part(), *each) for each in ends)
    for (_, until), part in zip(ends, team.map(check_signatures, asked), strict=True):
        report.add(part)
        progress("signatures", until, report.size)
        yield until
