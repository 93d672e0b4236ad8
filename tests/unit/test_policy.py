"""Gate 7: codes, dates, secrecy and addressees, each with its refusal."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from bus.codes import load_codes
from bus.directory import Agency, Directory, Topic
from bus.documents.letter import Content, Extension, Letter, Receiver, Reference, SealedContent
from bus.documents.notice import Event
from bus.documents.recipients import Recipient
from bus.errors import RefusalCode, Refused
from bus.identifiers import AgencyCode
from bus.ledger.entry import timestamp
from bus.router.policy import letter_rules, notice_rules, resolve
from tests.assets import factory
from tests.assets.factory import DAY, DGA, NOW, OCS, OPM, SOC
from tests.contract import ledger_rig as rig

CODES = load_codes()
FOREIGN = Extension(must_understand=True, content='<x:note xmlns:x="urn:example:note"/>')
SEALED = SealedContent(algorithm="A256GCM", ciphertext="c2VjcmV0Lg==")


def refused(rule: Callable[[], object]) -> Refused:
    with pytest.raises(Refused) as refusal:
        rule()
    return refusal.value


def judged(letter: Letter) -> Refused:
    return refused(lambda: letter_rules(letter, CODES, NOW))


def referring(**changes: Any) -> Content:
    return Content(
        subject="เรื่อง", references=(Reference(**{"relation": "reply", "number": "นร 1", **changes}),)
    )


@pytest.mark.parametrize("name", sorted(factory.letters()))
def test_every_sort_of_letter_passes(name: str) -> None:
    # The full sample names one file under two sizes, which is refused for itself below.
    letter_rules(replace(factory.letters()[name], files=()), CODES, NOW)


@pytest.mark.parametrize(
    ("changes", "code", "detail"),
    [
        ({"kind": "poem"}, RefusalCode.CODE_UNKNOWN, "KindCode poem"),
        ({"speed": "009"}, RefusalCode.CODE_UNKNOWN, "SpeedCode 009"),
        ({"secrecy": "009"}, RefusalCode.CODE_UNKNOWN, "SecretCode 009"),
        ({"acknowledgement": "none"}, RefusalCode.CODE_UNKNOWN, "AcknowledgementCode none"),
        (
            {"receivers": (Receiver(agency=OCS, role="bcc"),)},
            RefusalCode.CODE_UNKNOWN,
            "RoleCode bcc",
        ),
        ({"content": referring(relation="hates")}, RefusalCode.CODE_UNKNOWN, "RelationCode hates"),
        ({"kind": "poem", "speed": "009"}, RefusalCode.CODE_UNKNOWN, "KindCode poem, SpeedCode 009"),
        ({"secrecy": "004"}, RefusalCode.SECRECY_EXCLUDED, "004"),
        ({"secrecy": "002"}, RefusalCode.SECRECY_UNSEALED, "002"),
        ({"secrecy": "003"}, RefusalCode.SECRECY_UNSEALED, "003"),
        (
            {"secrecy": "004", "content": None, "sealed": SEALED},
            RefusalCode.SECRECY_EXCLUDED,
            "004",
        ),
        ({"extensions": (FOREIGN,)}, RefusalCode.TYPE_EXTENSION, ""),
        ({"date": dt.date(2569, 11, 22)}, RefusalCode.DATE_BUDDHIST_YEAR, "CorrespondenceDate"),
        (
            {"sent_at": NOW.replace(year=2569, month=1, day=1)},
            RefusalCode.DATE_BUDDHIST_YEAR,
            "SendDate",
        ),
        ({"due_by": NOW.replace(year=2569, month=1, day=1)}, RefusalCode.DATE_BUDDHIST_YEAR, "DueBy"),
        ({"date": (NOW + 40 * DAY).date()}, RefusalCode.DATE_OUT_OF_RANGE, "CorrespondenceDate"),
        ({"sent_at": NOW + 3 * DAY}, RefusalCode.DATE_OUT_OF_RANGE, "SendDate"),
        ({"date": dt.date(1940, 12, 31)}, RefusalCode.DATE_OUT_OF_RANGE, "CorrespondenceDate"),
        (
            {"content": referring(date=dt.date(2500, 5, 5))},
            RefusalCode.DATE_BUDDHIST_YEAR,
            "ReferenceCorrespondence",
        ),
        (
            {"main_file": replace(factory.file("x.exe"), media_type="application/x-msdownload")},
            RefusalCode.FILE_MEDIA_TYPE,
            "x.exe",
        ),
        ({"files": (factory.file("y.pdf", size=1),)}, RefusalCode.FILE_TWICE, "y.pdf"),
    ],
)
def test_what_is_wrong_with_a_letter_has_its_code(
    changes: dict[str, Any], code: RefusalCode, detail: str
) -> None:
    refusal = judged(factory.letter(**changes))
    assert refusal.code == code
    assert detail in refusal.detail


@pytest.mark.parametrize(
    "changes",
    [
        {"date": (NOW + 30 * DAY).date()},
        {"sent_at": NOW + DAY},
        {"date": dt.date(1941, 1, 1)},
        {"due_by": NOW + 400 * DAY},
        {"files": (factory.file("again.pdf"),)},
        {"extensions": (replace(FOREIGN, must_understand=False),)},
        {"content": referring(dated="ปีระกา", number=None)},
        {"secrecy": "002", "content": None, "sealed": SEALED},
    ],
)
def test_what_lies_just_within_bounds_passes(changes: dict[str, Any]) -> None:
    letter_rules(factory.letter(**changes), CODES, NOW)


def test_all_files_of_a_wrong_kind_are_named_at_once() -> None:
    wrong = tuple(replace(factory.file(f"{n}.exe"), media_type="application/x-x") for n in range(3))
    refusal = judged(factory.letter(main_file=wrong[0], files=wrong[1:]))
    assert all(f"{n}.exe" in refusal.detail for n in range(3))


@pytest.mark.parametrize(
    ("event", "changes", "code"),
    [
        ("shredded", {}, RefusalCode.CODE_UNKNOWN),
        (Event.DELIVERED, {"extensions": (FOREIGN,)}, RefusalCode.TYPE_EXTENSION),
        (Event.DELIVERED, {"letter_id": None, "letter_digest": None}, RefusalCode.NOTICE_INCOMPLETE),
        (Event.DELIVERED, {"event_time": NOW + 3 * DAY}, RefusalCode.DATE_OUT_OF_RANGE),
        (
            Event.REGISTERED,
            {
                "registration": replace(
                    factory.registration(), registered_at=NOW.replace(year=2569, month=1, day=1)
                )
            },
            RefusalCode.DATE_BUDDHIST_YEAR,
        ),
    ],
)
def test_what_is_wrong_with_a_notice_has_its_code(
    event: Any, changes: dict[str, Any], code: RefusalCode
) -> None:
    notice = factory.notice(event, **changes)
    assert refused(lambda: notice_rules(notice, CODES, NOW)).code == code


def test_a_sound_notice_passes() -> None:
    notice_rules(factory.notice(Event.REGISTERED, registration=factory.registration()), CODES, NOW)


# ---- addressees ----------------------------------------------------------------------------------------------------


def resolved(*receivers: Receiver, within: Directory | None = None, **changes: Any) -> tuple[Recipient, ...]:
    letter = factory.letter(receivers=receivers, **changes)
    return resolve(letter, OPM, within or directory(), rig.calendar(), NOW)


def directory(**changes: Agency) -> Directory:
    """The rig's, with a topic, an empty group and the sub-unit among a group's members."""
    topic = Topic(id="holidays", name_th="วันหยุด", name_en="Holidays", subscribers=(SOC, DGA))
    known = rig.directory(version=1, **changes)
    everyone = known.groups["all-agencies"]
    groups = {
        **known.groups,
        "nobody": replace(everyone, id="nobody", members=()),
        "units": replace(everyone, id="units", members=(rig.UNIT, SOC)),
    }
    return replace(known, groups=groups, topics={"holidays": topic})


def codes_of(recipients: tuple[Recipient, ...]) -> list[tuple[str, str, str]]:
    return [(one.agency, one.addressed, one.role) for one in recipients]


def test_addressees_stand_once_in_the_order_of_their_codes() -> None:
    found = resolved(Receiver(agency=DGA), Receiver(agency=OCS), Receiver(agency=SOC), Receiver(agency=OCS))
    assert codes_of(found) == [(code, code, "to") for code in sorted((DGA, OCS, SOC))]


def test_a_sub_unit_without_an_inbox_is_reached_through_its_parent() -> None:
    assert codes_of(resolved(Receiver(agency=rig.UNIT))) == [(OCS, rig.UNIT, "to")]


@pytest.mark.parametrize("to_first", [True, False])
def test_to_goes_before_copy_in_whichever_order_they_stand(to_first: bool) -> None:
    pair = (Receiver(agency=OCS), Receiver(agency=rig.UNIT, role="copy"))
    assert codes_of(resolved(*(pair if to_first else reversed(pair)))) == [(OCS, OCS, "to")]


def test_groups_and_topics_are_resolved_without_the_sender() -> None:
    assert [one.agency for one in resolved(Receiver(group="all-agencies"))] == sorted((OCS, SOC, DGA))
    assert codes_of(resolved(Receiver(group="units"))) == [(SOC, SOC, "to"), (OCS, rig.UNIT, "to")]
    assert codes_of(resolved(Receiver(topic="holidays", role="copy"))) == [
        (SOC, SOC, "copy"),
        (DGA, DGA, "copy"),
    ]


def test_all_unknown_addressees_are_named_at_once() -> None:
    receivers = (
        Receiver(agency=OCS),
        Receiver(agency=AgencyCode("1")),
        Receiver(group="g"),
        Receiver(topic="t"),
        Receiver(agency=AgencyCode("2")),
    )
    refusal = refused(lambda: resolved(*receivers))
    assert (refusal.code, refusal.detail) == (RefusalCode.RECIPIENT_UNKNOWN, "1, g, t, 2")


@pytest.mark.parametrize("kind", ["external", "test"])
def test_a_group_of_nobody_is_no_addressee(kind: str) -> None:
    refusal = refused(lambda: resolved(Receiver(group="nobody"), kind=kind))
    assert refusal.code == RefusalCode.RECIPIENT_GROUP_EMPTY


def test_a_letter_to_oneself_is_refused_unless_it_is_a_test() -> None:
    assert refused(lambda: resolved(Receiver(agency=OPM))).code == RefusalCode.RECIPIENT_ONLY_SELF
    assert codes_of(resolved(Receiver(agency=OPM), kind="test")) == [(OPM, OPM, "to")]


def test_what_a_suspended_agency_is_to_get_is_held() -> None:
    within = directory(SOC=rig.agency(SOC, state="suspended"))
    found = resolved(Receiver(agency=OCS), Receiver(agency=SOC), within=within)
    assert {one.agency: one.on_hold for one in found} == {OCS: False, SOC: True}


def test_a_sealed_letter_needs_both_sides_enrolled() -> None:
    sealed: dict[str, Any] = {"secrecy": "002", "content": None, "sealed": SEALED}
    refusal = refused(lambda: resolved(Receiver(agency=OCS), Receiver(agency=SOC), **sealed))
    assert refusal.code == RefusalCode.SECRECY_NOT_ENROLLED
    assert refusal.detail == ", ".join([OPM, OCS, SOC])
    enrolled = {
        name: rig.agency(code, sealed=True) for name, code in {"OPM": OPM, "OCS": OCS, "SOC": SOC}.items()
    }
    within = directory(**enrolled)
    assert len(resolved(Receiver(agency=OCS), Receiver(agency=SOC), within=within, **sealed)) == 2
    del enrolled["SOC"]
    within = directory(**enrolled)
    partly = refused(lambda: resolved(Receiver(agency=OCS), Receiver(agency=SOC), within=within, **sealed))
    assert partly.detail == SOC


def test_only_a_closed_agency_has_a_registration_time_of_its_own() -> None:
    calendar = rig.calendar_with_closure(SOC)
    letter = factory.letter(receivers=(Receiver(agency=OCS), Receiver(agency=SOC)))
    found = {one.agency: one for one in resolve(letter, OPM, directory(), calendar, NOW)}
    assert found[OCS].registration_due is None
    assert found[SOC].registration_due == timestamp(calendar.registration_due(letter.speed, NOW, SOC))
