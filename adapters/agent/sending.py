"""From the outbox to the bus: seal, bring the files to the depot, publish, and again until there is an answer.

What waits is taken up together and written down together: a commit costs more than all else that a small letter needs.
A publish that raised may have happened all the same: nothing is concluded from an error but that it is not known
(P10). The same bytes go again, later each time, until the bus has answered (P1).
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import time
from asyncio import to_thread
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, cast

from adapters.agent.attempts import Attempts
from adapters.agent.tuning import Tuning
from adapters.mailbox import Attempt, Mailbox, OutboxEntry, OutboxFile, OutboxState, Receipted
from adapters.mailbox.drafts import Sealed
from adapters.mailbox.entries import REPORT
from adapters.mailbox.keys import KeyState, key_state
from adapters.mailbox.versions import Unread, version_for
from adapters.refusals import FileUnavailable, NotTaken
from bus.broker.messages import Outgoing as Submission
from bus.broker.messages import Rejected
from bus.broker.topology import submit_exchange, user_of
from bus.documents.notice import Notice
from bus.documents.seal import Seal
from bus.documents.signing import Signed, sign, sign_envelope, sign_own
from bus.documents.tokens import signed_json
from bus.documents.xml import open_envelope, read
from bus.errors import RefusalCode, Transient
from bus.failpoints import reached
from bus.identifiers import RawDigest
from bus.logs import get, in_words
from bus.thai import now

_LOG = get(__name__)
_HELD_EVERY = 5.0
"""Seconds between looks at a certificate that is not in force."""
_SURELY_HELD = 3 * 24 * 3600.0
"""Seconds: the depot holds for seven days what no letter names; what was last shown longer ago is shown anew."""


_FOR_WHAT_IT_IS = frozenset({RefusalCode.FILE_TOO_LARGE, RefusalCode.FILE_REFUSED})
"""Why a file is not taken that will never be: the letter is refused. What is wrong here and now is tried again."""


class _FileNotTaken(Exception):
    def __init__(self, code: str, file: str) -> None:
        super().__init__(code)
        self.code = code
        self.file = file


class Publisher(Protocol):
    """Where documents are published; the broker's link."""

    async def publish(self, outgoing: Submission, *, deadline: float = 30.0) -> None:
        """Return when the broker has confirmed; Transient when that is not known, Rejected when it never will."""


class Uploads(Protocol):
    """Where files go; the depot's client."""

    async def upload(self, path: Path, sha256: RawDigest, size: int) -> None:
        """Return when the depot has all of the file."""


@dataclass(frozen=True, slots=True)
class _Taken:
    """What was taken up: ready to be sent, with the files that the depot may not have, or in trouble."""

    ready: list[tuple[OutboxEntry, list[OutboxFile]]]
    attempts: list[Attempt]
    next_due: float | None


class Sender:
    """Sends what is due, several documents at a time; one that cannot be sent holds up nobody else."""

    def __init__(self, mailbox: Mailbox, seal: Seal, link: Publisher, depot: Uploads, tuning: Tuning) -> None:
        self._mailbox = mailbox
        self._seal = seal
        self._link = link
        self._depot = depot
        self._tuning = tuning
        self._uploading = asyncio.Semaphore(tuning.uploads)
        self._known: KeyState | None = None
        """What was known of the certificate when what was refused for it was looked for last."""
        self._holding = False
        """Whether nothing is sealed or sent now, as the certificate is not in force."""
        self._not_taken = ""
        """Why the depot did not take the last file that it answered about."""
        self.wake = asyncio.Event()
        self.attempts = Attempts(mailbox.outbox, tuning, self.wake)

    async def work(self) -> float | None:
        """Start what is due; give the seconds until more falls due."""
        if self._holds():
            return _HELD_EVERY
        attempts, free = self.attempts, self.attempts.free
        attempts.full = free == 0
        if attempts.full:
            return None
        taken = await to_thread(self._take_up, free, attempts.rows)
        for row, files in taken.ready:
            attempts.begin(
                row.id, asyncio.create_task(self._send(row, files), name=f"send {row.document_id}")
            )
        attempts.full = len(taken.ready) == free
        if taken.attempts:
            await to_thread(self._mailbox.outbox.attempted, taken.attempts)
            return 0.0
        if attempts.full or taken.next_due is None:
            return None
        return taken.next_due - time.time()

    def _holds(self) -> bool:
        """Whether the certificate is not in force: what it sealed would be refused, so that everything waits."""
        certificate = self._seal.certificate
        since, until = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        holding = not since <= now() <= until
        if holding and not self._holding:
            _LOG.error("certificate-not-in-force", since=since.isoformat(), until=until.isoformat())
        self._holding = holding
        return holding

    async def finish(self, grace: float) -> None:
        """Let what is under way come to an end, for so many seconds; what does not stays due."""
        try:
            await self.attempts.finish(grace)
        except Transient as exc:
            _LOG.warning("attempts-not-recorded", reason=exc)

    def _take_up(self, limit: int, but: Sequence[int]) -> _Taken:
        """What is due, with signed bytes that are stored and with the files that are to be shown."""
        outbox = self._mailbox.outbox
        self._seal_anew()
        with self._mailbox.snapshot():
            rows = outbox.due(time.time(), limit, but=but, longest=self._tuning.longest_pause)
            files = outbox.files_of([row.id for row in rows])
            contents = {file.sha256 for each in files.values() for file in each}
            held = outbox.shown(contents, time.time() - _SURELY_HELD) if contents else set()
            next_due = outbox.next_due(but=[*but, *files])
        unsealed = [row for row in rows if row.raw is None]
        signed: list[tuple[OutboxEntry, Signed]] = []
        attempts: list[Attempt] = []
        for row in unsealed:
            try:
                signed.append((row, self._sealed(row)))
            except Unread as exc:
                _LOG.error("version-not-read", document=row.document_id)
                refused = Receipted(state=OutboxState.REFUSED, refusal=exc.code, refusal_detail=exc.detail)
                attempts.append(replace(self._failed(row, exc.code), refused=refused))
            except Exception as exc:
                _LOG.exception("sealing-failed", document=row.document_id, attempt=row.attempts)
                attempts.append(self._failed(row, in_words(exc)))
        ready = [row for row in rows if row.raw is not None]
        if signed:
            with self._mailbox.transaction():
                own = self._seal.fingerprint
                ready += [
                    outbox.seal(row, one.raw, RawDigest(hashlib.sha256(one.raw).hexdigest()), own, one.digest)
                    for row, one in signed
                ]
        lacking = {row: [file for file in each if file.sha256 not in held] for row, each in files.items()}
        return _Taken([(row, lacking[row.id]) for row in ready], attempts, next_due)

    def _seal_anew(self) -> None:
        """Send again what was refused for its key, once something has changed about the key and it is good."""
        known = key_state(self._seal.certificate, self._mailbox.agency, self._mailbox.directory(), now())
        if known.good and known != self._known and (again := self._mailbox.outbox.seal_anew(known)):
            _LOG.info("sealed-anew", count=again)
        self._known = known

    def _sealed(self, row: OutboxEntry) -> Signed:
        if row.type == REPORT:
            return Signed(signed_json(row.document, self._seal).encode(), row.digest)
        envelope = open_envelope(row.document)
        document = read(envelope.root)
        version = version_for(self._mailbox, document)
        if version is not envelope.version:
            return sign(document, self._seal, version)
        # The row's own digest is of the version that was sealed last, which may be another.
        put_in = envelope.digest
        signed = sign_envelope(envelope, self._seal)
        if signed.digest != put_in:
            raise AssertionError("what was sealed is not what was put in")
        return signed

    def seal(self, notice: Notice) -> Sealed | None:
        """Seal a notice that the machine makes; None if it has to wait, or to be refused, which `work` sees to."""
        if self._holds():
            return None
        try:
            version = version_for(self._mailbox, notice)
        except Unread:
            return None
        return Sealed(sign_own(notice, self._seal, version), self._seal.fingerprint)

    async def _send(self, row: OutboxEntry, files: Sequence[OutboxFile]) -> None:
        uploaded: dict[int, float] = {}
        error: str | None = None
        refused: Receipted | None = None
        try:
            await self._bring(files, uploaded)
            reached("adapter.before-publish")
            await self._link.publish(self._submission(row))
            reached("adapter.after-publish")
        except Transient as exc:
            error = str(exc) or type(exc).__name__
        except Rejected as exc:
            _LOG.error(
                "document-rejected", document=row.document_id, bytes=len(cast(bytes, row.raw)), reason=exc
            )
            error = RefusalCode.MESSAGE_REJECTED
            refused = Receipted(state=OutboxState.REFUSED, refusal=error, refusal_detail=str(exc))
        except _FileNotTaken as exc:
            _LOG.error("file-not-taken", document=row.document_id, code=exc.code)
            error = exc.code
            refused = Receipted(state=OutboxState.REFUSED, refusal=error, refusal_detail=exc.file)
        except Exception as exc:
            _LOG.exception("sending-failed", document=row.document_id, attempt=row.attempts)
            error = in_words(exc)
        if error is None:
            attempt = Attempt(row=row, next_attempt_at=self._tuning.resend_at(row.attempts))
        else:
            attempt = self._failed(row, error)
        self.attempts.came_of(replace(attempt, uploaded=uploaded, refused=refused))

    def _failed(self, row: OutboxEntry, error: str) -> Attempt:
        return Attempt(row=row, next_attempt_at=self._tuning.retry_at(row.attempts), error=error)

    async def _bring(self, files: Sequence[OutboxFile], uploaded: dict[int, float]) -> None:
        """Show the depot these files, and note in `uploaded` what it has got."""
        for file in files:
            async with self._uploading:
                await self._upload(file)
            uploaded[file.position] = time.time()

    async def _upload(self, file: OutboxFile) -> None:
        try:
            await self._depot.upload(self._mailbox.store.path(file.sha256), file.sha256, file.size)
        except NotTaken as exc:
            if str(exc) != self._not_taken:
                _LOG.error("depot-refuses-files", reason=exc)
            self._not_taken = str(exc)
            raise
        except FileUnavailable as exc:
            if exc.code in _FOR_WHAT_IT_IS:
                raise _FileNotTaken(exc.code, f"{file.name} ({file.size} bytes)") from exc
            raise
        if self._not_taken:
            self._not_taken = ""
            _LOG.info("depot-takes-files")

    def _submission(self, row: OutboxEntry) -> Submission:
        return Submission(
            exchange=submit_exchange(self._mailbox.agency),
            body=cast(bytes, row.raw),
            message_id=row.document_id,
            type=row.type,
            headers={"traceparent": f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"},
            user_id=user_of(self._mailbox.agency),
        )
