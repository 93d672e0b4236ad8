"""From a manifest to a clerk's act: `<anything>.<verb>.toml`, or `.json`.

Which letter: `letter_id`; or `letter_number` with `letter_date`, and `letter_sender` if needed; or `letter_reference`,
the office's own key of a letter that it sent. What is said of it:

    register     number registered_at year unit officer         เลขรับ; the Buddhist year is that of registered_at
    refuse       reason reason_en reason_code
    misdirected  reason reason_en reason_code suggested_receiver
    correct      the fields of the answer that takes the place of the one given
    dispute      recipients reason reason_en reason_code
    withdraw     recipients reason reason_en reason_code        everybody, if no recipients are named
    grant        reason
    decline      reason reason_en reason_code
    settle       recipients means means_reference               sent otherwise, such as on paper
    opened       nothing                                        the clerk has opened it
    under-action reason reason_en                               สั่งการแล้ว

`officer` with `officer_title` says of any act who did it; only where all who hear of it read notice/1.1.
`reference` is the office's own key of the act; it comes back with the bus's answer.
"""

from __future__ import annotations

from adapters.connectors.folder.manifest import Fields, is_agency_code
from adapters.mailbox.acts import Act, Verb
from adapters.mailbox.lookup import LetterKey
from adapters.mailbox.mistakes import Mistaken
from bus.identifiers import AgencyCode, as_letter_id


def read_act(fields: Fields, verb: Verb) -> Act:
    """The act that a manifest asks for; Mistaken with all that is wrong with it."""
    letter_id = fields.uuid("letter_id")
    key = LetterKey(
        letter_id=as_letter_id(letter_id) if letter_id else None,
        reference=fields.text("letter_reference"),
        number=fields.text("letter_number"),
        date=fields.date("letter_date"),
        sender=fields.text("letter_sender"),
    )
    suggested = fields.text("suggested_receiver")
    act = Act(
        verb=verb,
        letter=key,
        number=fields.text("number"),
        registered_at=fields.moment("registered_at"),
        year=fields.number("year"),
        unit=fields.text("unit"),
        officer=fields.text("officer"),
        officer_title=fields.text("officer_title"),
        reason_code=fields.text("reason_code"),
        reason_th=fields.text("reason", longest=1000),
        reason_en=fields.text("reason_en", longest=1000),
        suggested_receiver=AgencyCode(suggested) if suggested else None,
        recipients=fields.agencies("recipients"),
        means=fields.text("means"),
        means_reference=fields.text("means_reference"),
        reference=fields.text("reference", longest=100),
    )
    if act.suggested_receiver and not is_agency_code(act.suggested_receiver):
        fields.wrong("suggested_receiver", "ไม่ใช่รหัสหน่วยงาน 10 หลัก", "is no agency's code of ten digits")
    fields.close()
    if fields.mistakes:
        raise Mistaken(*fields.mistakes)
    return act
