"""Letters to many: the recipient set is kept once, named by its digest, and goes to the sender before its answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bus.directory import Directory, Group, Names
from bus.documents.letter import Receiver
from bus.documents.recipients import MOST_NAMED, RecipientSet
from bus.documents.signing import sign
from bus.errors import RefusalCode
from bus.evidence import views
from bus.evidence.pack import write_pack
from bus.identifiers import AgencyCode, RawDigest
from bus.ledger.entry import Entry, Kind, canonical
from bus.ledger.evidence import gather
from bus.ledger.rebuilding import rebuild
from bus.ledger.recipient_sets import Lost
from bus.ledger.store import Ledger
from bus.ledger.tables import due, pending
from bus.thai import now
from bus.verifier.checking import judge
from bus.verifier.findings import Result
from tests.assets import factory
from tests.assets.factory import OCS, OPM, SOC
from tests.contract import ledger_rig as rig
from tests.contract.ledger_rig import Router, delivery

MANY = tuple(AgencyCode(f"20{n:03}00000") for n in range(MOST_NAMED + 20))


def country(**changes: str) -> Directory:
    """The rig's directory, and as many agencies more as no acceptance names; `changes` suspends some by their codes."""
    pin = factory.pin(factory.seal(OPM))
    agencies: dict[str, Any] = {
        code: rig.agency(code, pin, **({"state": changes[code]} if code in changes else {})) for code in MANY
    }
    made = rig.directory(**agencies)
    members = (OPM, *MANY)
    groups = {
        name: Group(id=name, name_th="ส่วนราชการ", name_en=name, members=some)
        for name, some in (("many", members), ("hundred", MANY[:MOST_NAMED]))
    }
    return Directory(
        version=made.version,
        agencies=made.agencies,
        groups={**made.groups, **groups},
        bus_certificates=made.bus_certificates,
    )


@pytest.fixture
def router(ledger: Ledger) -> Router:
    made = Router(ledger)
    made.activate(country())
    return made


def sent(router: Router, *receivers: Receiver, number: str = "นร 0105/ว 1", **changes: Any) -> Entry:
    """Have a letter accepted and return its entry."""
    letter = factory.letter(sender=factory.sender(OPM), receivers=receivers, number=number, **changes)
    assert router.take(delivery(sign(letter, factory.seal(OPM)).raw)).outcome == "accepted"
    with router.ledger.read() as reader:
        entry = reader.latest(Kind.ACCEPTED)
    assert entry is not None
    return entry


def of_the_sender(ledger: Ledger, entry: Entry) -> list[tuple[int, str]]:
    """What was consigned to the sender with an entry: numbers and types."""
    with ledger.read() as reader:
        found = reader.consignments([(OPM, number) for number in range(1, 50)])
    return [(one.number, one.type) for one in found if one.entry == entry.seq]


def test_the_set_of_many_goes_to_the_sender_just_before_the_acceptance_that_names_it(
    router: Router, ledger: Ledger, tmp_path: Path
) -> None:
    entry = sent(router, Receiver(group="many"))
    body = entry.body
    assert of_the_sender(ledger, entry) == [(body["listed"], "recipients"), (body["answer"], "verdict")]
    assert body["answer"] == body["listed"] + 1
    with ledger.read() as reader:
        listed, kept = reader.consignment(OPM, body["listed"]), reader.document(body["recipients"])
        terms = rig.said(reader, OPM, body["answer"]).terms
        state = reader.state_of(entry.seq)
    assert listed is not None
    assert listed.body == kept
    frozen = RecipientSet.read(listed.body)
    assert frozen.codes == MANY == tuple(state.recipients)
    assert body["consignments"] == [state.recipients[code].consignment for code in MANY]
    assert terms is not None
    assert (terms.recipients_digest, terms.recipient_count) == (body["recipients"], len(MANY))
    assert terms.recipients == ()
    assert rig.verified(ledger, tmp_path) == []


def test_the_list_and_the_answer_go_out_first_whatever_else_waits(router: Router) -> None:
    letter = factory.letter(sender=factory.sender(OPM), receivers=(Receiver(group="many"),))
    recorded = router.take(delivery(sign(letter, factory.seal(OPM)).raw))
    assert recorded.left, "a sweep has to lease the rest"
    assert [one.type for one in recorded.consignments if one.agency == OPM] == ["recipients", "verdict"]


def test_a_hundred_are_named_in_the_acceptance_and_need_no_list(router: Router, ledger: Ledger) -> None:
    entry = sent(router, Receiver(group="hundred"))
    assert of_the_sender(ledger, entry) == [(entry.body["answer"], "verdict")]
    assert "listed" not in entry.body
    with ledger.read() as reader:
        terms = rig.said(reader, OPM, entry.body["answer"]).terms
    assert terms is not None
    assert terms.recipients == MANY[:MOST_NAMED]


def test_letters_to_the_same_share_one_set_whatever_their_numbers(router: Router, ledger: Ledger) -> None:
    first = sent(router, Receiver(agency=OCS), Receiver(agency=SOC))
    before = rig.counts(ledger)["documents"]
    second = sent(router, Receiver(agency=SOC), Receiver(agency=OCS), number="นร 0105/2")
    assert first.body["recipients"] == second.body["recipients"]
    assert first.body["consignments"] != second.body["consignments"]
    assert rig.counts(ledger)["documents"] == before + 2, "the letter and the acceptance"


def test_a_letter_to_many_and_oneself_brings_letter_list_and_acceptance_in_this_order(
    router: Router, ledger: Ledger
) -> None:
    entry = sent(router, Receiver(group="many"), kind="test")
    assert [type_ for _, type_ in of_the_sender(ledger, entry)] == ["letter", "recipients", "verdict"]


def test_who_is_suspended_and_who_is_addressed_through_another_is_in_what_is_signed(
    ledger: Ledger,
) -> None:
    router = Router(ledger)
    router.activate(country(**{MANY[3]: "suspended"}))
    entry = sent(router, Receiver(group="many"), Receiver(agency=rig.UNIT, role="copy"))
    with ledger.read() as reader:
        frozen = {one.agency: one for one in reader.recipient_sets.named(entry.body["recipients"]).recipients}
        assert reader.state_of(entry.seq).recipients[MANY[3]].outcome == "on-hold"
    assert [code for code, one in frozen.items() if one.on_hold] == [MANY[3]]
    assert (frozen[OCS].addressed, frozen[OCS].role) == (rig.UNIT, "copy")


def test_the_entry_of_a_letter_to_many_is_small(router: Router) -> None:
    many, few = (sent(router, Receiver(group=one)) for one in ("many", "hundred"))
    each = (len(canonical(many.body)) - len(canonical(few.body))) / (len(MANY) - MOST_NAMED)
    assert each < 8, "bytes for each recipient: its consignment number"


def test_the_work_lists_are_made_anew_with_the_deadlines_of_the_set(router: Router, ledger: Ledger) -> None:
    router.calendar = rig.calendar_with_closure(MANY[5])
    sent(router, Receiver(group="many"))
    with ledger.append() as writer:
        before = [
            sorted(tuple(row)[:3] for row in writer.connection.execute(table.select()))
            for table in (due, pending)
        ]
        rebuild(writer)
        after = [
            sorted(tuple(row)[:3] for row in writer.connection.execute(table.select()))
            for table in (due, pending)
        ]
    assert len(before[0]) == 3, "the receipt, the registration, and that of who is closed"
    assert after[0] == before[0]
    assert [row[:2] for row in after[1]] == [row[:2] for row in before[1]]


def test_a_pack_about_a_letter_to_many_has_its_set_and_passes(
    router: Router, ledger: Ledger, tmp_path: Path
) -> None:
    entry = sent(router, Receiver(group="many"))
    signer = rig.signer(ledger, tmp_path)
    signer.sign()
    with ledger.read() as reader:
        evidence = gather(reader, entry.seq)
    write_pack(tmp_path / "many.asice", evidence, factory.seal("bus"), at=now())
    findings = judge(tmp_path / "many.asice", signer._key.verifier)
    assert findings.verdict is Result.PASS, findings.checks
    assert [one["agency"] for one in findings.outcomes] == list(MANY)
    names = Names(directory.agencies.values() for directory in evidence.directories)
    (act,) = views.acts(evidence, {}, names)
    assert act["about"] == [names.full(code) for code in MANY], "the page says whom it was accepted for"


def test_a_letter_to_more_than_the_set_may_have_is_refused_and_told_so(
    router: Router, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bus.documents.recipients.MOST", len(MANY) - 1)
    letter = factory.letter(sender=factory.sender(OPM), receivers=(Receiver(group="many"),))
    recorded = router.take(delivery(sign(letter, factory.seal(OPM)).raw))
    assert recorded.outcome == "refused"
    (answer,) = [one.number for one in recorded.consignments if one.agency == OPM]
    with ledger.read() as reader:
        assert rig.said(reader, OPM, answer).reason_code == RefusalCode.RECIPIENT_TOO_MANY


def test_a_set_is_read_once_and_only_some_stay_in_memory(
    router: Router, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = sent(router, Receiver(group="hundred")).body["recipients"]
    second = sent(router, Receiver(group="many"), number="นร 0105/ว 2").body["recipients"]
    with ledger.read() as reader:
        read = reader.recipient_sets.named(first)
    with ledger.read() as reader:
        sets = reader.recipient_sets
        assert sets.named(first) is read
        monkeypatch.setattr("bus.ledger.recipient_sets._MOST_IN_MEMORY", len(MANY))
        sets.named(second)
        assert list(sets._kept._read) == [second], "the older one gave way"
        with pytest.raises(Lost):
            sets.named(RawDigest("00" * 32))
