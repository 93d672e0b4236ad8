"""What a client says about letters: notifiers and the request to delete, each a clerk's act; said twice, it is one."""

from __future__ import annotations

from collections.abc import Callable

from adapters.connectors.ecms.errors import Code, Wrong, of_mistakes
from adapters.connectors.ecms.forms import Form, Formed, name_of_received
from adapters.connectors.ecms.letters import directory_of
from adapters.connectors.ecms.reading import Node
from adapters.connectors.ecms.values import agency_code, day, one_line
from adapters.mailbox import InboxLetter, Mailbox, OutboxEntry, OutboxState
from adapters.mailbox.acts import Act, Verb, perform
from adapters.mailbox.ecms import LetterName, process_id
from adapters.mailbox.lookup import LetterKey
from adapters.mailbox.mistakes import Mistaken
from bus.failpoints import reached
from bus.identifiers import AgencyCode
from bus.thai import normalise_number, now

_REJECTED = "ปฏิเสธทางระบบ e-CMS (ไม่ได้ระบุเหตุผล)"
_RECEIVED_SERIES = 9_000_000_000
"""Added to an inbox row's number where nothing was put into the outbox: ProcessIDs of the two never meet."""

FORMS = {
    "receiveletternotifier": Form.RECEIVED,
    "acceptletternotifier": Form.ACCEPTED,
    "rejectletternotifier": Form.REJECTED,
    "invalidletternotifier": Form.INVALID,
    "invalidacceptidnotifier": Form.INVALID_NUMBER,
}


def name_in(mailbox: Mailbox, node: Node) -> LetterName:
    """The letter that a notifier, or a request, names."""
    directory = directory_of(mailbox)

    def code(path: str) -> str:
        stated = node.value(path)
        return agency_code(stated, directory, path) if stated else ""

    number = one_line(node.value("LetterID"), 100, "LetterID")
    if not number:
        raise Wrong(Code.FIELD_MISSING, "LetterID")
    dated = day(node.value("CorrespondenceDate"), "CorrespondenceDate")
    return LetterName(
        number=number,
        date=dated.isoformat(),
        sender=code("SenderDepartment/Code"),
        recipient=code("AcceptDepartment/Code"),
    )


def notify(mailbox: Mailbox, node: Node) -> tuple[str, Formed]:
    """Do what a notifier says; give the ProcessID and the notifier as it was understood."""
    form, name = FORMS[node.name], name_in(mailbox, node)
    accept_id = one_line(node.value("AcceptID"), 100, "AcceptID") or None
    if form in (Form.ACCEPTED, Form.INVALID_NUMBER) and accept_id is None:
        raise Wrong(Code.FIELD_MISSING, "AcceptID")
    reached("ecms.before-act")
    if form is Form.INVALID_NUMBER:
        process, formed = _dispute(mailbox, name, accept_id or "")
    else:
        process, formed = _answer(mailbox, form, name, accept_id)
    reached("ecms.after-act")
    return process, formed


def withdraw(mailbox: Mailbox, node: Node) -> str:
    """Ask for a letter back that the client has sent; give the LetterID as it was named."""
    name = name_in(mailbox, node)
    too_late = False
    for row in _sent(mailbox, name):
        states = {each.agency: each for each in mailbox.states_of_sent(row)}
        wanted = [code for code in states if name.recipient in ("", code)]
        if not wanted:
            continue
        if any(states[code].state == "registered" for code in wanted):
            too_late = True
            continue
        about = tuple(wanted) if name.recipient else ()
        act = Act(
            verb=Verb.WITHDRAW,
            letter=LetterKey(letter_id=row.own_letter_id),
            recipients=about,
            reason_code="sent-by-mistake",
        )
        reached("ecms.before-act")
        _perform(mailbox, act)
        reached("ecms.after-act")
        return name.number
    raise Wrong(Code.TOO_LATE) if too_late else _unknown(name)


def _answer(mailbox: Mailbox, form: Form, name: LetterName, accept_id: str | None) -> tuple[str, Formed]:
    rows = _received(mailbox, name)
    if not rows:
        raise _unknown(name)
    first: Wrong | None = None
    for letter in rows:
        formed = Formed(form, name_of_received(letter), letter.subject or "", now().isoformat(), accept_id)
        try:
            return _answer_one(mailbox, form, letter, accept_id), formed
        except Wrong as exc:
            first = first or exc
    raise first or _unknown(name)


def _answer_one(mailbox: Mailbox, form: Form, letter: InboxLetter, accept_id: str | None) -> str:
    """Answer one letter. Raises Wrong where its life does not permit that."""
    state = mailbox.state_of_received(letter)
    same_number = state.state == "registered" and state.receiving_number == accept_id and not state.disputed
    if form is Form.RECEIVED or (form is Form.ACCEPTED and same_number):
        return process_id(letter.delivered_at or letter.verified_at, _RECEIVED_SERIES + letter.id)
    key = LetterKey(letter_id=letter.letter_id, sender=letter.sender)
    answered = state.state in ("registered", "refused", "misdirected")
    if form is Form.ACCEPTED:
        verb = Verb.CORRECT if answered else Verb.REGISTER
        act = Act(verb=verb, letter=key, number=accept_id)
    elif form is Form.REJECTED:
        act = Act(verb=Verb.REFUSE, letter=key, reason_code="other", reason_th=_REJECTED)
    else:
        act = Act(verb=Verb.MISDIRECTED, letter=key, reason_code="wrong-agency")
    return _perform(mailbox, act)


def _dispute(mailbox: Mailbox, name: LetterName, accept_id: str) -> tuple[str, Formed]:
    other: str | None = None
    for row in _sent(mailbox, name):
        for state in mailbox.states_of_sent(row):
            if name.recipient not in ("", state.agency) or state.state != "registered":
                continue
            if normalise_number(state.receiving_number or "") != normalise_number(accept_id):
                other = state.receiving_number
                continue
            act = Act(
                verb=Verb.DISPUTE,
                letter=LetterKey(letter_id=row.own_letter_id),
                recipients=(AgencyCode(state.agency),),
            )
            named = LetterName(
                number=row.number or "", date=name.date, sender=mailbox.agency, recipient=state.agency
            )
            formed = Formed(
                Form.INVALID_NUMBER, named, row.subject or "", now().isoformat(), state.receiving_number
            )
            return _perform(mailbox, act), formed
    raise Wrong(Code.NUMBER_OTHER, other) if other else _unknown(name)


def _perform(mailbox: Mailbox, act: Act) -> str:
    try:
        row = perform(mailbox, act)
    except Mistaken as exc:
        raise of_mistakes(Code.NOT_POSSIBLE, exc) from exc
    return process_id(row.created_at, row.id)


def _received(mailbox: Mailbox, name: LetterName) -> list[InboxLetter]:
    """The letters of that name that were received, newest first."""
    if name.number.startswith("[") and name.number.endswith("]"):  # one without a number, as it is served
        found = [row for row in mailbox.inbox.letters() if row.letter_id.startswith(name.number[1:-1])]
    else:
        found = mailbox.inbox.letters(number=name.number)
    return _fitting(found, name, lambda row: name.sender in ("", row.sender))


def _sent(mailbox: Mailbox, name: LetterName) -> list[OutboxEntry]:
    """The letters of that name that were sent and accepted, newest first."""
    rows = mailbox.outbox.letters(name.number)
    found = [row for row in rows if row.state is OutboxState.ACCEPTED and row.date == name.date]
    return sorted(found, key=lambda row: row.id, reverse=True)


def _fitting(
    rows: list[InboxLetter], name: LetterName, wanted: Callable[[InboxLetter], bool]
) -> list[InboxLetter]:
    return [row for row in rows if row.date == name.date and row.state.delivered and wanted(row)]


def _unknown(name: LetterName) -> Wrong:
    of = f" {name.sender} → {name.recipient}" if name.sender or name.recipient else ""
    return Wrong(Code.LETTER_UNKNOWN, f"{name.number} ({name.date}){of}")
