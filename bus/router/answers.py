"""The notices of the bus itself, under its own seal: accepted, refused, parked, overdue."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID, uuid4, uuid5

from bus.codes import Codes
from bus.documents.lifecycle import PASSED, Deadline
from bus.documents.notice import BUS, Event, Notice, ReasonText, Terms
from bus.documents.seal import Seal
from bus.documents.signing import Signed, sign, sign_own
from bus.errors import Refused
from bus.identifiers import AgencyCode, ContentDigest, RawDigest
from bus.text import printable

_MACHINE_NOTICES = UUID("5f1c9c0e-6f0b-5d5c-9a5f-6a1f5d0c7b11")
"""Namespace of the ids of the bus's notices: the same fact has the same id, however often it is stated."""
_LONGEST_REASON = 1000


class Answers:
    """Builds and signs the bus's own notices."""

    def __init__(self, seal: Seal, codes: Codes) -> None:
        self._seal = seal
        self.codes = codes

    def accepted(
        self, *, letter_id: UUID, digest: ContentDigest, received_at: datetime, now: datetime, terms: Terms
    ) -> Signed:
        """State that a letter is accepted, for whom, and until when its recipients are to answer."""
        notice = self._notice(
            Event.ACCEPTED,
            f"{letter_id}/{digest}",
            letter_id=letter_id,
            letter_digest=digest,
            event_time=now,
            received_time=received_at,
            terms=terms,
        )
        return sign_own(notice, self._seal)

    def refused(
        self,
        reason: Refused,
        *,
        raw_sha256: RawDigest,
        received_at: datetime,
        now: datetime,
        letter_id: UUID | None = None,
        digest: ContentDigest | None = None,
    ) -> Signed:
        """State that a submission is refused, with code, place and advice in Thai and English.

        A letter that could be verified is named by its id and digest; anything else by the SHA-256 of its raw bytes.
        """
        return self._say(
            Event.REFUSED_BY_BUS,
            None,
            letter_id=letter_id,
            letter_digest=digest,
            submission_digest=None if letter_id else raw_sha256,
            event_time=now,
            received_time=received_at,
            reason_code=reason.code.value,
            reason_texts=self._reasons(reason),
        )

    def parked(self, *, raw_sha256: RawDigest, now: datetime) -> Signed:
        """State that a submission met a fault of the bus, is kept, and will be looked at by the operators."""
        texts = (
            ReasonText(
                language="th",
                value="ระบบกลางขัดข้องขณะตรวจหนังสือฉบับนี้ หนังสือถูกเก็บไว้ครบถ้วนและแจ้งผู้ดูแลระบบแล้ว ไม่ต้องส่งซ้ำ",
            ),
            ReasonText(
                language="en",
                value="A fault of the bus stopped this submission. It is kept whole and the operators are alarmed;"
                " there is no need to send it again.",
            ),
        )
        return self._say(
            Event.PARKED, raw_sha256, submission_digest=raw_sha256, event_time=now, reason_texts=texts
        )

    def overdue(
        self,
        deadline: Deadline,
        due: str,
        *,
        letter_id: UUID,
        digest: ContentDigest,
        silent: Sequence[AgencyCode],
        examined_through: datetime,
        now: datetime,
    ) -> Signed:
        """State that the bus holds no acknowledgement of these recipients as of a time after the deadline."""
        (event,) = (event for event, passed in PASSED.items() if passed is deadline)
        return self._say(
            event,
            f"{digest}/{due}",
            letter_id=letter_id,
            letter_digest=digest,
            about=tuple(silent),
            event_time=now,
            examined_through=examined_through,
        )

    def _say(self, event: Event, fact: str | None, **fields: object) -> Signed:
        return sign(self._notice(event, fact, **fields), self._seal)

    def _notice(self, event: Event, fact: str | None, **fields: object) -> Notice:
        notice_id = uuid5(_MACHINE_NOTICES, f"{event}/{fact}") if fact else uuid4()
        uri = self.codes.events[event].uri
        return Notice(notice_id=notice_id, event=event, event_uri=uri, author=BUS, **fields)  # type: ignore[arg-type]

    def _reasons(self, reason: Refused) -> tuple[ReasonText, ...]:
        text = self.codes.refusals[reason.code]
        place = f" ({reason.where})" if reason.where else ""
        detail = f": {_line(reason.detail)}" if reason.detail else ""
        return (
            ReasonText(language="th", value=_cut(f"{text.th}{place}{detail} — {text.advice_th}")),
            ReasonText(language="en", value=_cut(f"{text.en}{place}{detail} — {text.advice_en}")),
        )


def _line(text: str) -> str:
    # A refusal's detail may quote a broken document.
    return " ".join(printable(text).split())


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_REASON else text[: _LONGEST_REASON - 1] + "…"
