"""What a sender says of a letter: that a receiving number is wrong, or that it is to be withdrawn; asked for first."""

from __future__ import annotations

from collections.abc import Callable

from adapters import views
from adapters.desk.acting import act
from adapters.desk.asked import Asked
from adapters.desk.pages.sent import may, sent_row
from adapters.desk.roles import CLERKS
from adapters.mailbox import OutboxState
from adapters.mailbox.acts import Verb
from adapters.mailbox.mistakes import Mistake, Mistaken
from bus.identifiers import AgencyCode
from bus.pages.answers import Answer, Elsewhere, NotAllowed, Page, Shown
from bus.pages.given import given


def before(verb: Verb) -> Callable[[Asked], Answer]:
    """Return the page that says what the act will do, and asks why."""

    def page(asked: Asked) -> Answer:
        return _asked_for(asked, verb, given(asked, {"recipient"}).get("recipient"))

    return page


def done(verb: Verb) -> Callable[[Asked], Answer]:
    """Return the act itself."""

    def page(asked: Asked) -> Answer:
        recipient, row = asked.field("recipient") or None, sent_row(asked)
        values = {
            "letter_id": row.document_id,
            "reason": asked.field("reason"),
            "recipients": _about(recipient),
        }
        try:
            if not asked.field("reason"):
                raise Mistaken(Mistake("reason", "ต้องบอกเหตุผล", "say why"))
            act(asked, verb, {name: value for name, value in values.items() if value})
        except Mistaken as exc:
            return _asked_for(asked, verb, recipient, exc.mistakes)
        return Elsewhere(f"/sent/{row.id}#recipients")

    return page


def _asked_for(asked: Asked, verb: Verb, recipient: str | None, mistakes: tuple[Mistake, ...] = ()) -> Answer:
    row = sent_row(asked)
    accepted = row.state is OutboxState.ACCEPTED
    codes = may(asked.mailbox.progress_of_sent(row), verb) if accepted else []
    about = [code for code in codes if recipient in (None, code)]
    if not about and not mistakes:
        raise NotAllowed("ทำไม่ได้กับผู้รับรายนี้ในขณะนี้", "This cannot be said to this recipient now.")
    numbers = {
        each.agency: each.receiving_number for each in asked.mailbox.states_of_sent(row, set(about[:20]))
    }
    value = {
        "id": row.id,
        "verb": str(verb),
        "number": row.number,
        "subject": row.subject,
        "recipient": recipient,
        "recipient_count": len(about),
        "recipients": [
            views.agency(asked.mailbox, code) | {"receiving_number": numbers.get(code)} for code in about[:20]
        ],
        "mistakes": [{"th": each.th, "en": each.en} for each in mistakes],
    }
    return Shown("sent_act.html", value, {"reason": asked.field("reason")}, status=400 if mistakes else 200)


def _about(recipient: str | None) -> list[AgencyCode]:
    return [AgencyCode(recipient)] if recipient else []


PAGES = tuple(
    page
    for verb in (Verb.DISPUTE, Verb.WITHDRAW)
    for page in (
        Page(f"/sent/{{letter:int}}/{verb}", CLERKS, before(verb)),
        Page(f"/sent/{{letter:int}}/{verb}", CLERKS, done(verb), act=True),
    )
)
