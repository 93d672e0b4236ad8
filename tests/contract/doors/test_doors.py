"""The contract of every door: what an office may rely on, however it is connected."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import combinations
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from adapters.mailbox import OutboxState
from adapters.mailbox.tables import outbox
from bus.documents.letter import Letter, Receiver
from bus.documents.notice import Event, Notice
from bus.documents.xml import open_envelope, read
from tests.assets.factory import DGA, OCS, OPM, SOC, notice, registration
from tests.contract.doors.conftest import DOORS, OF_ONE_KIND, STEPS_IN, STEPS_OUT, doors_of
from tests.contract.doors.door import Door, Told, World, digest_of
from tests.contract.doors.not_applying import NOT_APPLYING, NOT_TOLD
from tests.project import ROOT

VALUES: dict[str, Any] = {
    "number": "นร 0105/ว 165",
    "date": "22 พฤศจิกายน 2569",
    "to": [SOC],
    "subject": "ซักซ้อมความเข้าใจ",
    "reference": "2569-0042",
}
FILES = {"หนังสือ.pdf": b"%PDF-1.7 one %%EOF", "annex.pdf": b"%PDF-1.7 two %%EOF"}
THAI = re.compile("[ก-๙]{5}")
ENGLISH = re.compile("[a-z]{3} [a-z]{2}")


def bilingual(told: Told, about: str) -> bool:
    """Whether it was not taken, and what is wrong is told where, in both languages."""
    return bool(about in told.wrong and THAI.search(told.wrong) and ENGLISH.search(told.wrong))


def letter_in(world: World) -> Letter:
    (row,) = world.sent()
    document = read(open_envelope(row.document).root)
    assert isinstance(document, Letter)
    return document


def notices_of(world: World) -> list[Notice]:
    """What the office has said through its doors, in order, receipts left out."""
    query = select(outbox.c.document).where(outbox.c.type == "notice").order_by(outbox.c.id)
    documents = world.mailbox._database.rows(query, lambda row: row["document"])
    found = [read(open_envelope(each).root) for each in documents]
    return [each for each in found if isinstance(each, Notice) and each.event != Event.DELIVERED]


# ---- out -------------------------------------------------------------------------------------------


def test_put_twice_is_one_letter(world: World, door: Door) -> None:
    for _ in range(2):
        assert door.put(VALUES, FILES).taken
    world.accept((SOC,))
    assert door.put(VALUES, FILES).taken
    assert len(world.sent()) == 1
    assert world.sent()[0].state is OutboxState.ACCEPTED


def test_another_content_under_the_same_key_is_told_and_never_taken_for_it(world: World, door: Door) -> None:
    door.put(VALUES, FILES)
    told = door.put(VALUES | {"subject": "เรื่องอื่น"}, FILES)
    assert bilingual(told, "reference")
    assert letter_in(world).content.subject == VALUES["subject"]  # type: ignore[union-attr]


def test_a_letter_is_sent_with_all_its_files_or_not_at_all(world: World, door: Door) -> None:
    door.put_half(VALUES, FILES)
    assert world.sent() == []
    assert door.put(VALUES, FILES).taken
    letter = letter_in(world)
    stated = {each.name: (each.digest, each.size) for each in letter.all_files}
    assert stated == {name: (digest_of(content), len(content)) for name, content in FILES.items()}
    for each, content in zip(letter.all_files, FILES.values(), strict=True):
        assert world.mailbox.store.path(each.digest).read_bytes() == content


@pytest.mark.parametrize(("name", "step"), STEPS_OUT)
def test_a_letter_is_there_once_when_the_adapter_is_killed_at(
    world: World, open_door: Callable[[str], Door], name: str, step: str
) -> None:
    door = open_door(name)
    with door.dying_at(step):
        door.put(VALUES, FILES)
    door.go_on()
    assert len(world.sent()) == 1
    assert door.put(VALUES, FILES).taken
    assert [each.name for each in letter_in(world).all_files] == list(FILES)


def test_what_is_too_long_is_told_and_nothing_is_cut(world: World, door: Door) -> None:
    longest = {"subject": "ก" * 1000, "number": "น" * 100, "reference": "ร" * 100}
    for field in ("subject", "number"):
        assert bilingual(door.put(VALUES | {field: f"{longest[field]}x"}, FILES), field)
    assert world.sent() == []
    name = f"{'ก' * 83}.pdf"
    assert len(name.encode()) == 253
    assert door.put(VALUES | longest, {name: b"%PDF-1.7 %%EOF"}).taken
    letter = letter_in(world)
    assert letter.content is not None
    assert (letter.content.subject, letter.number) == (longest["subject"], longest["number"])
    assert (letter.sender_reference, letter.main_file.name) == (longest["reference"], name)


def test_a_reference_that_is_too_long_is_told(world: World, door: Door) -> None:
    assert bilingual(door.put(VALUES | {"reference": "ร" * 101}, FILES), "reference")
    assert world.sent() == []


@pytest.mark.parametrize(
    "text",
    ["'; DROP TABLE outbox; --", "<script>alert(1)</script>&amp;]]>", "{{7*7}} %s %(a)s", "😀 ก\u0e4c\u200b"],
)
def test_a_subject_is_text_whatever_it_says(world: World, door: Door, text: str) -> None:
    assert door.put(VALUES | {"subject": text}, FILES).taken
    assert letter_in(world).content.subject == text  # type: ignore[union-attr]
    world.say(Event.DELIVERED, world.accept((SOC,)), author=SOC)
    assert door.events()[-1]["letter"]["subject"] == text


def test_every_mistake_is_told_at_once_in_both_languages(world: World, door: Door) -> None:
    told = door.put({"to": ["OCS"], "speed": "เร็ว", "date": "31/2/2569"}, FILES)
    for field in ("to", "speed", "subject", "date"):
        assert bilingual(told, field), field
    assert world.sent() == []


def test_a_field_that_no_letter_has_is_told(world: World, door: Door) -> None:
    assert bilingual(door.put(VALUES | {"subjekt": "x"}, FILES), "subjekt")
    assert world.sent() == []


def test_a_file_of_a_forbidden_kind_is_told(world: World, door: Door) -> None:
    assert bilingual(door.put(VALUES, {"run.exe": b"MZ"}), "run.exe")
    assert bilingual(door.put(VALUES, {"empty.pdf": b""}), "empty.pdf")
    assert world.sent() == []


# ---- the bus's answer, and the recipients' -----------------------------------------------------------


def test_a_refused_letter_is_told(world: World, door: Door) -> None:
    door.put(VALUES, FILES)
    world.refuse("recipient.unknown")
    (event,) = door.events()
    assert (event["event"], event["reference"]) == ("refused-by-bus", VALUES["reference"])


def test_a_refused_letter_is_told_with_its_code_in_both_languages(world: World, door: Door) -> None:
    door.put(VALUES, FILES)
    world.refuse("recipient.unknown")
    (event,) = door.events()
    refusal = event["answers"]["refusal"]
    assert refusal["code"] == "recipient.unknown"
    assert THAI.search(refusal["th"])
    assert THAI.search(refusal["advice_th"])
    assert ENGLISH.search(refusal["en"])
    assert ENGLISH.search(refusal["advice_en"])


def test_the_offices_own_key_comes_back_with_every_event(world: World, door: Door) -> None:
    door.put(VALUES, FILES)
    row = world.accept((SOC,))
    world.say(Event.DELIVERED, row, author=SOC)
    wrong = world.say(Event.REGISTERED, row, author=SOC, registration=registration("21"))
    world.say(Event.REGISTERED, row, author=SOC, registration=registration("12"), supersedes=wrong)
    events = door.events()
    news = ["accepted", "delivered", "registered", "registered"]
    told = [each for each in news if each not in NOT_TOLD.get(door.name, {})]
    assert [each["event"] for each in events] == told
    assert {each["reference"] for each in events} == {VALUES["reference"]}
    assert events[-1]["letter"]["recipients"][0]["receiving_number"] == "12"
    assert door.events() == events, "nothing is told twice"


def test_the_sender_disputes_and_withdraws(world: World, door: Door) -> None:
    door.put(VALUES | {"to": [SOC, DGA]}, FILES)
    row = world.accept((SOC, DGA))
    world.say(Event.REGISTERED, row, author=SOC, registration=registration("21"))
    about = {"letter_reference": VALUES["reference"]}
    assert door.act("dispute", **about, recipients=[SOC], reason="เลขซ้ำ").taken
    assert door.act("withdraw", **about, recipients=[DGA], reason="ส่งผิด").taken
    assert bilingual(door.act("withdraw", **about, recipients=[OPM]), OPM)
    said = [(each.event, each.about) for each in notices_of(world)]
    assert said == [(Event.NUMBER_DISPUTED, (SOC,)), (Event.WITHDRAWAL_REQUESTED, (DGA,))]


def test_the_sender_settles(world: World, door: Door) -> None:
    door.put(VALUES, FILES)
    world.accept((SOC,))
    about = {"letter_reference": VALUES["reference"]}
    assert door.act("settle", **about, recipients=[SOC], means="paper").taken
    assert [(each.event, each.about) for each in notices_of(world)] == [(Event.SETTLED, (SOC,))]


# ---- in --------------------------------------------------------------------------------------------


def test_a_letter_is_shown_with_all_its_files_as_they_were_signed(world: World, door: Door) -> None:
    signed = world.receive(FILES)
    (shown,) = door.letters()
    assert shown.shows(signed, FILES)
    assert len(door.letters()) == 1


def test_the_signed_document_is_shown_as_it_came(world: World, door: Door) -> None:
    signed = world.receive(FILES)
    (shown,) = door.letters()
    assert shown.raw == signed.raw


def test_a_letter_whose_files_are_still_coming_is_not_shown(world: World, door: Door) -> None:
    world.receive(FILES, whole=False)
    assert door.letters() == []


@pytest.mark.parametrize(("name", "step"), STEPS_IN)
def test_a_letter_is_shown_once_when_the_adapter_is_killed_at(
    world: World, open_door: Callable[[str], Door], name: str, step: str
) -> None:
    door = open_door(name)
    signed = world.receive(FILES)
    with door.dying_at(step):
        door.letters()
    (shown,) = door.letters()
    assert shown.shows(signed, FILES)


def test_names_that_would_lead_elsewhere_are_names_and_nothing_more(world: World, door: Door) -> None:
    names = ["a:b?.pdf", "~$x.pdf", "letter.xml", "LETTER.JSON", "CON.pdf", "ก" * 80 + ".pdf"]
    files = {name: b"%PDF-1.7 " + name.encode() + b" %%EOF" for name in names}
    world.receive(files)
    (shown,) = door.letters()
    assert shown.files == files
    assert not list(world.folder.parent.glob("escape*"))


def test_a_clerk_registers_and_corrects(world: World, door: Door) -> None:
    world.receive(FILES)
    (shown,) = door.letters()
    about = {"letter_id": shown.letter_id}
    for _ in range(2):
        assert door.act("register", **about, number="๑๒๓").taken
    assert door.act("correct", **about, number="124").taken
    first, second = notices_of(world)
    assert (first.registration and first.registration.number) == "๑๒๓"
    assert second.supersedes == first.notice_id
    assert world.mailbox.state_of_received(world.mailbox.inbox.letters()[0]).receiving_number == "124"


def test_a_second_registration_is_told_to_be_a_correction(world: World, door: Door) -> None:
    world.receive(FILES)
    (shown,) = door.letters()
    assert door.act("register", letter_id=shown.letter_id, number="๑๒๓").taken
    assert bilingual(door.act("register", letter_id=shown.letter_id, number="124"), "correct")
    assert len(notices_of(world)) == 1


def test_the_own_key_of_an_act_is_kept(world: World, door: Door) -> None:
    world.receive(FILES)
    (shown,) = door.letters()
    assert door.act("register", letter_id=shown.letter_id, number="124", reference="case-7").taken
    assert world.mailbox.outbox.find("case-7") is not None


@pytest.mark.parametrize(
    ("verb", "fields", "event"),
    [
        ("refuse", {"reason": "ไม่ใช่ของเรา"}, Event.REFUSED),
        ("misdirected", {"suggested_receiver": DGA, "reason": "เป็นของ สพร."}, Event.MISDIRECTED),
    ],
)
def test_a_clerk_refuses_and_sends_elsewhere(
    world: World, door: Door, verb: str, fields: dict[str, Any], event: Event
) -> None:
    world.receive(FILES)
    (shown,) = door.letters()
    assert door.act(verb, letter_id=shown.letter_id, **fields).taken
    assert [each.event for each in notices_of(world)] == [event]


def test_an_act_without_its_reason_is_told(world: World, door: Door) -> None:
    world.receive(FILES)
    (shown,) = door.letters()
    for verb in ("refuse", "misdirected"):
        assert bilingual(door.act(verb, letter_id=shown.letter_id), "reason")
    assert notices_of(world) == []


def test_a_withdrawal_is_granted_by_the_office(world: World, door: Door) -> None:
    signed = world.receive(FILES, receivers=(Receiver(agency=OCS),))
    (shown,) = door.letters()
    assert bilingual(door.act("grant", letter_id=shown.letter_id), "letter")
    row = world.mailbox.inbox.letters()[0]
    about: dict[str, Any] = {"letter_id": UUID(row.letter_id), "letter_digest": signed.digest}
    asked = notice(Event.WITHDRAWAL_REQUESTED, author=OPM, **about)
    world.hear(world.office.bus.notice(asked))
    assert door.events()[-1]["event"] == "withdrawal-requested"
    assert door.act("grant", letter_id=shown.letter_id).taken
    assert [each.event for each in notices_of(world)] == [Event.WITHDRAWAL_GRANTED]


# ---- several ---------------------------------------------------------------------------------------


_SENDS_ONE = "test_several_doors_on_one_mailbox_send_one_letter_and_each_hears_everything"


_DIFFERENT = [name for name in doors_of(_SENDS_ONE) if name not in OF_ONE_KIND]


@pytest.mark.parametrize(("one", "other"), list(combinations(_DIFFERENT, 2)))
def test_several_doors_on_one_mailbox_send_one_letter_and_each_hears_everything(
    world: World, open_door: Callable[[str], Door], one: str, other: str
) -> None:
    doors = [open_door(one), open_door(other)]
    for door in doors:
        assert door.put(VALUES, FILES).taken
    assert len(world.sent()) == 1
    world.accept((SOC,))
    signed = world.receive(FILES)
    for door in doors:
        assert [each["event"] for each in door.events()] == ["accepted"]
        assert [each.raw for each in door.letters()] == [signed.raw]


def test_every_door_of_a_mailbox_shows_every_letter(world: World, open_door: Callable[[str], Door]) -> None:
    doors = [open_door(name) for name in sorted(DOORS) if name not in OF_ONE_KIND]
    signed = world.receive(FILES)
    for door in doors:
        (shown,) = door.letters()
        assert shown.shows(signed, FILES)


def test_what_a_door_has_no_words_for_names_cases_that_there_are_and_is_documented() -> None:
    document = (ROOT / "docs/doors.md").read_text(encoding="utf-8")
    for table in (NOT_APPLYING, NOT_TOLD):
        for name, reasons in table.items():
            assert name in DOORS
            for reason in reasons.values():
                assert reason in document
    assert {case for cases in NOT_APPLYING.values() for case in cases} <= set(globals())
