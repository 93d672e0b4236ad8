"""Whether a signed document says what its entry in the ledger says: in court the document counts, not the entry."""

from __future__ import annotations

from bus.verifier.directory import Directory
from bus.verifier.documents import Body, time_of
from bus.verifier.findings import Broken
from bus.verifier.recipients import MOST_NAMED
from bus.verifier.signature_form import XML_BLANKS
from bus.verifier.transitions import OF_ITSELF
from bus.verifier.xmlsig import Signed

_TEST = "test"
"""The kind of letter that may go to its own sender."""


def letter_agrees(letter: Signed, accepted: Body, directory: Directory) -> None:
    """Raise Broken unless the letter, by this directory, is the one of the entry, with its sender and recipients."""
    if letter.digest != accepted["digest"]:
        raise Broken("its content is not the one that was accepted")
    _same("LetterID", letter.text("LetterID"), accepted["letterId"])
    _same("AcknowledgementCode", letter.text("AcknowledgementCode"), accepted["acknowledgement"])
    sender = letter.text("SenderParty/DepartmentOrganization/ID") or ""
    if not directory.speaks_for(accepted["agency"], sender):
        raise Broken(f"it was written by {sender}, not by {accepted['agency']}")
    named = {code: (one.get("addressed", code), one["role"]) for code, one in accepted["recipients"].items()}
    if named != _addressed(letter, accepted["agency"], directory):
        raise Broken("it is addressed to others than the recipients of its entry")


def _addressed(letter: Signed, sender: str, directory: Directory) -> dict[str, tuple[str, str]]:
    """Whom the letter goes to, once each: inbox to the code that was written, and the role."""
    found: dict[str, tuple[str, str]] = {}
    for receiver in letter.root.findall("{*}ReceiverParty"):
        code = (receiver.findtext("{*}DepartmentOrganization/{*}ID") or "").strip(XML_BLANKS)
        group = (receiver.findtext("{*}GroupID") or "").strip(XML_BLANKS)
        topic = (receiver.findtext("{*}TopicID") or "").strip(XML_BLANKS)
        role = (receiver.findtext("{*}RoleCode") or "to").strip(XML_BLANKS)
        for each in [code] if code else directory.members(group) if group else directory.subscribers(topic):
            inbox = directory.inbox_of(each)
            if inbox not in found or role == "to":
                found[inbox] = (each, role)
    if letter.text("KindCode") != _TEST:
        found.pop(sender, None)
    return found


def notice_agrees(notice: Signed, body: Body, accepted: Body, directory: Directory) -> None:
    """Raise Broken unless the notice of an agency says what its entry says, about the same recipients."""
    if notice.digest != body["digest"]:
        raise Broken("its content is not the one that was entered")
    _about_the_letter(notice, accepted)
    author = notice.text("Author") or ""
    if not directory.speaks_for(body["agency"], author):
        raise Broken(f"it was written by {author}, not by {body['agency']}")
    for name, entered in (
        ("EventCode", body["event"]),
        ("NoticeID", body["noticeId"]),
        ("Supersedes", body.get("supersedes")),
        ("ReasonCode", body.get("reason")),
        ("Registration/AcceptID", body.get("number")),
    ):
        _same(name, notice.text(name), entered)
    if body["event"] == "registered" and not body.get("number"):
        raise Broken("it says registered, and no number")
    _same_time("EventTime", notice.text("EventTime"), body["eventTime"])
    _same_time(
        "Registration/RegisteredAt", notice.text("Registration/RegisteredAt"), body.get("registeredAt")
    )
    written = notice.texts("AcceptDepartment")
    by_address = {one.get("addressed", code): code for code, one in accepted["recipients"].items()}
    meant = {by_address.get(code, code) for code in written}
    if body["event"] in OF_ITSELF:
        if not meant <= {body["agency"]}:
            raise Broken("it is about others than its entry")
    elif (meant or set(accepted["recipients"])) != set(body["about"]):
        raise Broken("it is about others than its entry")


def overdue_agrees(notice: Signed, body: Body, accepted: Body) -> None:
    """Raise Broken unless the bus's own notice of silence names the deadline and the silent ones of its entry."""
    _about_the_letter(notice, accepted)
    _same("Author", notice.text("Author"), "bus")
    _same("EventCode", notice.text("EventCode"), f"overdue-{body['deadline']}")
    if notice.texts("AcceptDepartment") != body["silent"]:
        raise Broken("it names others as silent than its entry")


def acceptance_agrees(stated: Signed, accepted: Body) -> None:
    """Raise Broken unless the bus's signed acceptance names the letter, the recipients and the terms of the entry."""
    _about_the_letter(stated, accepted)
    _same("Author", stated.text("Author"), "bus")
    _same("EventCode", stated.text("EventCode"), "accepted")
    codes, named = list(accepted["recipients"]), stated.texts("Terms/RecipientID")
    _same("Terms/RecipientsDigest", stated.text("Terms/RecipientsDigest"), accepted["recipientsDigest"])
    _same("Terms/RecipientCount", stated.text("Terms/RecipientCount"), str(len(codes)))
    if named != (codes if len(codes) <= MOST_NAMED else []):
        raise Broken("its recipients are not those of the entry")
    _same("Terms/DirectoryVersion", stated.text("Terms/DirectoryVersion"), str(accepted["directory"]))
    _same_time("Terms/ReceiptDueBy", stated.text("Terms/ReceiptDueBy"), accepted.get("receiptDue"))
    _same_time(
        "Terms/RegistrationDueBy", stated.text("Terms/RegistrationDueBy"), accepted.get("registrationDue")
    )


def _about_the_letter(notice: Signed, accepted: Body) -> None:
    _same("LetterID", notice.text("LetterID"), accepted["letterId"])
    _same("LetterDigest", notice.text("LetterDigest"), accepted["digest"])


def _same(name: str, written: str | None, entered: str | None) -> None:
    if written != entered:
        raise Broken(f"its {name} is not that of its entry")


def _same_time(name: str, written: str | None, entered: str | None) -> None:
    """A document bears whole seconds, in whatever time zone."""
    if (written is None) != (entered is None) or (
        written is not None and abs((time_of(written) - time_of(entered)).total_seconds()) >= 1
    ):
        raise Broken(f"its {name} is not that of its entry")
