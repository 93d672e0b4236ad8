"""The operations: from the elements of a request to those of its answer, whoever carries them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from adapters.connectors.ecms import lists
from adapters.connectors.ecms.echoing import echo
from adapters.connectors.ecms.errors import Code, RefusedAs, Wrong
from adapters.connectors.ecms.events import FORMS, name_in, notify, withdraw
from adapters.connectors.ecms.forms import Form, Writer
from adapters.connectors.ecms.letters import read_letter
from adapters.connectors.ecms.posting import put
from adapters.connectors.ecms.queue import Queue, Served
from adapters.connectors.ecms.reading import Node
from adapters.connectors.ecms.values import clock
from adapters.connectors.ecms.wording import Wording
from adapters.connectors.ecms.writing import Part, response
from adapters.mailbox import Mailbox, OutboxEntry, OutboxState
from adapters.mailbox.ecms import process_id
from adapters.mailbox.files import Fingerprint
from bus.thai import now

_LOOK_EVERY = 0.1
UNKNOWN = "ErrorResponse"
"""The element that answers what is no operation."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that was read: its first element, its message's id, and its bytes as they came."""

    operation: Node
    message_id: str
    raw: Path
    stated: Fingerprint
    url: str


@dataclass(frozen=True, slots=True)
class Tuning:
    """What the settings say of the answers: see `[connectors.ecms]`."""

    digits: int = 10
    inline: int = 31_457_280
    verdict_wait: float = 20.0
    default_kind: str = "external"
    status_days: int = 30
    withdrawal: str = "unserved"
    handover_failed: str = "invalid"
    subject_max: int = 0
    omit_signature: bool = True


class Service:
    """Answers requests out of one mailbox; whatever a Response says is committed before it is given."""

    def __init__(self, mailbox: Mailbox, tuning: Tuning, wording: Wording | None = None) -> None:
        self._mailbox = mailbox
        self._tuning = tuning
        self._wording = words = wording or Wording()
        self._writer = Writer(
            mailbox,
            tuning.digits,
            tuning.inline,
            subject_max=tuning.subject_max,
            signature=not tuning.omit_signature,
        )
        self.queue = Queue(
            mailbox,
            grant_unserved=tuning.withdrawal == "unserved",
            handover_failed=tuning.handover_failed == "invalid",
        )
        digits = tuning.digits
        self._operations: dict[str, tuple[str, Callable[[Asked], Sequence[Part]]]] = {
            "correspondenceletteroutboundrequest": (
                "CorrespondenceLetterOutboundResponse",
                self._outbound,
            ),
            "correspondenceletterinboundrequest": (
                "CorrespondenceLetterInboundResponse",
                lambda _asked: self._inbound(self.queue.pull()),
            ),
            "correspondenceletterinboundspecialrequest": (
                "CorrespondenceLetterInboundSpecialResponse",
                self._special,
            ),
            "correspondenceletterdeleterequest": ("CorrespondenceLetterDeleteResponse", self._delete),
            "correspondencedeletegovernmentdocumentrequest": (
                "CorrespondenceDeleteGovernmentDocumentResponse",
                self._withdraw,
            ),
            "outboundstatusrequest": (
                "OutboundStatusResponse",
                lambda _asked: lists.statuses(mailbox, tuning.status_days, words.statuses),
            ),
            "timecheckrequest": ("TimeCheckResponse", lambda _asked: lists.time_check()),
            "getorganizationlist": (
                "GetOrganizationListResponse",
                lambda asked: [
                    Part("OrganizationList", parts=lists.organizations(mailbox, asked.url, digits))
                ],
            ),
            "getministryorganizationlist": (
                "GetMinistryOrganizationListResponse",
                lambda _asked: lists.ministries(mailbox, digits, words.ministries),
            ),
            "getsecretcodes": ("GetSecretCodesResponse", lambda _asked: lists.secrecy()),
            "getspeedcodes": ("GetSpeedCodesResponse", lambda _asked: lists.speed()),
            "getmimecodes": ("GetMimeCodesResponse", lambda _asked: lists.media_types()),
        }

    def answer(self, asked: Asked) -> Iterator[bytes]:
        """The pieces of the answer; what is wrong with a request is an answer too. Raises NotNow and Transient."""
        # Some clients send GetXRequest where others send GetX.
        name = asked.operation.name
        known = self._operations.get(name) or self._operations.get(name.removesuffix("request"))
        if known is None:
            wrong = Wrong(Code.UNKNOWN_OPERATION, asked.operation.shown)
            return self.error(UNKNOWN, wrong, asked.message_id)
        operation, act = known
        try:
            parts = act(asked)
        except Wrong as exc:
            return self.error(operation, exc, asked.message_id)
        return response(operation, parts, asked.message_id)

    def error(self, operation: str, wrong: Wrong, relates_to: str) -> Iterator[bytes]:
        """The pieces of an answer that says what is wrong with a request."""
        parts = [
            Part(
                "ErrorDetail",
                parts=[
                    Part("ErrorCode", self._wording.error(each.code)),
                    Part("ErrorDescription", each.description),
                ],
            )
            for each in (wrong, *wrong.others)
        ]
        return response(operation, parts, relates_to)

    def _outbound(self, asked: Asked) -> Sequence[Part]:
        for node in asked.operation.children:
            if node.name == "governmentdocument":
                return self._letter(asked, node)
            if node.name in FORMS:
                process, form = notify(self._mailbox, node)
                return [*_stamped(process), self._writer.notifier(form)]
        raise Wrong(Code.FIELD_MISSING, "GovernmentDocument")

    def _letter(self, asked: Asked, node: Node) -> Sequence[Part]:
        posted = read_letter(self._mailbox, node, asked.message_id, self._tuning.default_kind)
        row = put(self._mailbox, posted, asked.raw, asked.stated)
        row = self._judged(row)
        if row.state is OutboxState.REFUSED:
            self._mailbox.ecms.answer_refusal(row.id)
            raise RefusedAs(row.refusal or "", row.refusal_detail or "")
        return [*_stamped(process_id(row.created_at, row.id)), echo(node, clock(posted.letter.sent_at))]

    def _judged(self, row: OutboxEntry) -> OutboxEntry:
        """The row once the bus has answered, or when the client has waited long enough: it is durable either way."""
        until = time.monotonic() + self._tuning.verdict_wait
        while True:
            row = self._mailbox.outbox.get(row.id)
            if row.state in (OutboxState.ACCEPTED, OutboxState.REFUSED) or time.monotonic() >= until:
                return row
            time.sleep(_LOOK_EVERY)

    def _inbound(self, served: Served | None) -> Sequence[Part]:
        if served is None:
            return []
        return [*_stamped(served.queued.process_id), *self._writer.parts(served.form)]

    def _special(self, asked: Asked) -> Sequence[Part]:
        for node in asked.operation.children:
            form = Form.DOCUMENT if node.name == "governmentdocument" else FORMS.get(node.name)
            if form is not None:
                return self._inbound(self.queue.special(form, name_in(self._mailbox, node)))
        raise Wrong(Code.FIELD_MISSING, "GovernmentDocument | …Notifier")

    def _delete(self, asked: Asked) -> Sequence[Part]:
        process = asked.operation.value("ProcessID")
        if not process:
            raise Wrong(Code.FIELD_MISSING, "ProcessID")
        return _stamped(self.queue.delete(process).process_id)

    def _withdraw(self, asked: Asked) -> Sequence[Part]:
        number = withdraw(self._mailbox, asked.operation)
        return [Part("LetterID", number), Part("ProcessTime", clock(now()))]


def _stamped(process: str) -> list[Part]:
    return [Part("ProcessID", process), Part("ProcessTime", clock(now()))]
