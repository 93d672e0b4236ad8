"""The dry run and the gates judge alike: what it passes they accept, and what they refuse it has named."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.connectors.checking import check, check_content
from adapters.connectors.drafts import composed
from adapters.connectors.looking_up import AddresseeIndex
from adapters.mailbox import Mailbox
from adapters.mailbox.files import Fingerprint
from adapters.mailbox.mistakes import Mistaken
from adapters.mailbox.versions import version_for
from bus.directory import Agency, Directory, Topic, directory_of, records_of
from bus.directory.model import EVERYONE
from bus.documents.letter import Content, Receiver
from bus.documents.signing import sign
from bus.errors import RefusalCode, Refused
from bus.identifiers import AgencyCode, RawDigest
from bus.ledger.store import Ledger
from bus.router.delivery import LetterAccepted, SubmissionRefused
from bus.thai import now
from tests.assets import factory
from tests.assets.factory import DGA, OCS, OPM, SOC
from tests.contract import ledger_rig as rig
from tests.contract.doors.door import World
from tests.unit.adapter.network import Bus, Office

UNKNOWN = "9999900000"
BOTH = ("letter/1.0", "letter/1.1", "notice/1.0", "notice/1.1")
FILES = {
    "หนังสือ.pdf": Fingerprint(RawDigest("a" * 64), 2000),
    "แผน.xlsx": Fingerprint(RawDigest("b" * 64), 9),
}


@dataclass
class Two:
    """The mailbox of OPM and the router of its bus, which have the same directory."""

    mailbox: Mailbox
    router: rig.Router


def _directory() -> Directory:
    """Agencies that read less and more, one suspended, a sub-unit, groups of somebody and of nobody, a topic."""
    made = rig.directory(
        version=1,
        OPM=rig.agency(OPM, reads=BOTH, prefixes=("นร 01",)),
        OCS=rig.agency(OCS, reads=BOTH),
        SOC=rig.agency(SOC, state="suspended"),
    )
    everyone = made.groups["all-agencies"]
    groups = {
        **made.groups,
        "nobody": replace(everyone, id="nobody", members=()),
        "own": replace(everyone, id="own", members=(OPM,)),
    }
    topic = Topic(id="holidays", name_th="วันหยุด", name_en="Holidays", subscribers=(SOC, rig.UNIT))
    return directory_of(1, records_of(replace(made, groups=groups, topics={"holidays": topic})))


@pytest.fixture(scope="module")
def two(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Two]:
    folder = tmp_path_factory.mktemp("dry-run")
    ledger_file = folder / "ledger.db"
    ledger_file.write_bytes(sqlite_template.read_bytes())
    ledger, directory = Ledger(f"sqlite:///{ledger_file}"), _directory()
    with Mailbox(folder / "mailbox", OPM) as mailbox:
        World(Office(mailbox, Bus(OPM)), folder).hear(Bus(OPM).directory(directory))
        router = rig.Router(ledger)
        router.activate(directory)
        yield Two(mailbox, router)
    ledger.close()


def _day(days: int) -> str:
    return (now().date() + dt.timedelta(days=days)).isoformat()


NAMES = "group:all-agencies group:nobody group:own group:none topic:holidays topic:none"
RECEIVERS = st.sampled_from([OCS, SOC, DGA, OPM, rig.UNIT, UNKNOWN, *NAMES.split()])
RARE = {
    "kind": st.sampled_from(["external", "stamped", "test", "evidence"]),
    "speed": st.sampled_from(["001", "ด่วนที่สุด"]),
    "secrecy": st.sampled_from(["001", "001", "001", "002", "ลับมาก", "004"]),
    "acknowledgement": st.sampled_from(["registration", "receipt"]),
    "document_type": st.sampled_from(["minutes"]),
    "due_by": st.sampled_from(["2027-01-04T16:30", "1930-01-04T16:30"]),
    "body": st.sampled_from(["ขอเชิญประชุม", "ก\nข", "<b>&</b>"]),
    "number": st.sampled_from(["นร 0105/1", "ดศ ๒/๓", "x" * 101]),
    "telephone": st.sampled_from(["02 123 4567"]),
    "email": st.sampled_from(["office@agency.example", "no address"]),
    "references": st.lists(
        st.fixed_dictionaries(
            {"relation": st.sampled_from(["reply", "refer"]), "number": st.just("นร 1/2")},
            optional={"date": st.sampled_from(["2569-13-01", "1/1/2483", _day(40), _day(-40)])},
        ),
        max_size=2,
    ),
    "enclosures": st.lists(
        st.fixed_dictionaries(
            {"description": st.sampled_from(["แผน", "รายงาน"])},
            optional={"form": st.sampled_from(["link", "physical"]), "link": st.just("https://a.example/x")},
        ),
        max_size=2,
    ),
}
CONTENTS = st.fixed_dictionaries(
    {
        "date": st.sampled_from([_day(0), _day(-3), _day(30), _day(32), _day(400), "1/1/2484"]),
        "subject": st.sampled_from(["เรื่อง", "ก" * 1000, "ก" * 1001, "𝔖 <&> ๆ"]),
        "to": st.lists(RECEIVERS, min_size=1, max_size=3),
        "files": st.sampled_from([["หนังสือ.pdf"], ["หนังสือ.pdf", "แผน.xlsx"]]),
    },
    optional={"copy": st.lists(RECEIVERS, max_size=2), **RARE},
)


def _sealed(mailbox: Mailbox, content: dict[str, Any], key: str) -> bytes | Mistaken | Refused:
    """The bytes that the adapter would send, or why there are none."""
    try:
        letter = composed(mailbox, content, key, FILES).letter
        return sign(letter, factory.seal(OPM), version_for(mailbox, letter)).raw
    except (Mistaken, Refused) as exc:
        return exc


def test_what_the_dry_run_passes_the_gates_accept_and_what_they_refuse_it_has_named(two: Two) -> None:
    seen: Counter[str] = Counter()

    @settings(
        max_examples=400,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(CONTENTS)
    def compared(content: dict[str, Any]) -> None:
        dry = check_content(two.mailbox, content, FILES)
        named = {each.code for each in dry.reasons}
        sealed = _sealed(two.mailbox, content, f"key {seen.total()}")
        if isinstance(sealed, Mistaken):
            # What cannot even be written: the dry run says so in the same words.
            assert dry.reasons == sealed.mistakes
            seen["mistaken"] += 1
            return
        if isinstance(sealed, Refused):
            assert sealed.code in named
            seen[sealed.code] += 1
            return
        ((outcome,), _) = two.router.judge(rig.delivery(sealed))
        if isinstance(outcome, SubmissionRefused):
            assert outcome.reason.code in named, content
            seen[outcome.reason.code] += 1
        else:
            assert isinstance(outcome, LetterAccepted)
            assert dry.reasons == (), content
            assert dry.recipients == outcome.recipients.codes
            seen["accepted"] += 1

    compared()
    assert seen["accepted"] > 20
    assert {
        "mistaken",
        RefusalCode.SECRECY_EXCLUDED,
        RefusalCode.SECRECY_UNSEALED,
        RefusalCode.DATE_OUT_OF_RANGE,
        RefusalCode.RECIPIENT_UNKNOWN,
        RefusalCode.RECIPIENT_GROUP_EMPTY,
        RefusalCode.RECIPIENT_ONLY_SELF,
    } <= set(seen), seen


def test_it_names_all_that_the_gates_would_refuse_one_after_the_other(two: Two) -> None:
    content = {
        "date": _day(50),
        "subject": "เรื่อง",
        "secrecy": "004",
        "to": [UNKNOWN, "group:none"],
        "references": [{"number": "1", "date": _day(50)}],
        "files": ["หนังสือ.pdf"],
    }
    found = [(each.where, each.code) for each in check_content(two.mailbox, content, FILES).reasons]
    assert found == [
        ("secrecy", "secrecy.excluded"),
        ("date", "date.out-of-range"),
        ("references", "date.out-of-range"),
        ("to", "recipient.unknown"),
    ]


def test_what_is_no_reason_to_refuse_is_a_warning(two: Two) -> None:
    content = {"date": _day(0), "subject": "เรื่อง", "number": "ดศ 1/2", "to": [SOC], "files": ["หนังสือ.pdf"]}
    found = check_content(two.mailbox, content, FILES)
    assert found.reasons == ()
    assert [each.where for each in found.warnings] == ["number", "to"]
    assert SOC in found.warnings[1].en


def test_more_addressees_than_a_letter_may_name_and_than_it_may_reach_are_refused(two: Two) -> None:
    letter = factory.letter(receivers=tuple(Receiver(agency=OCS, unit=str(n)) for n in range(501)))
    directory = two.mailbox.directory()
    assert directory is not None
    codes = [each.code for each in check(two.mailbox, letter, directory, now()).reasons]
    assert RefusalCode.RECIPIENT_TOO_MANY in codes
    many = [AgencyCode(f"{n:010}") for n in range(2_000_000_000, 2_000_020_001)]
    crowd = {code: Agency(code=code, name_th="ก", name_en="a") for code in many}
    all_of_them = replace(directory.groups["own"], id="all", members=(EVERYONE,))
    vast = Directory(version=2, agencies={**directory.agencies, **crowd}, groups={"all": all_of_them})
    letter = factory.letter(receivers=(Receiver(group="all"),), main_file=factory.file("y.pdf"), files=())
    assert [each.code for each in check(two.mailbox, letter, vast, now()).reasons] == [
        RefusalCode.RECIPIENT_TOO_MANY
    ]


def test_a_letter_that_is_too_large_with_its_seal_is_named(two: Two) -> None:
    directory = two.mailbox.directory()
    assert directory is not None
    many = tuple(Receiver(agency=OCS, unit="ก" * 250, job_title="ข" * 250) for _ in range(500))
    full = Content(subject="เรื่อง", body="ค" * 99_000)
    letter = factory.letter(receivers=many, content=full, main_file=factory.file("y.pdf"), files=())
    assert [each.code for each in check(two.mailbox, letter, directory, now()).reasons] == ["xml.too-large"]
    with pytest.raises(Refused, match=r"xml\.too-large"):
        sign(letter, factory.seal(OPM))


def test_an_agency_that_is_suspended_is_told_so(two: Two) -> None:
    directory = two.mailbox.directory()
    assert directory is not None
    own = replace(directory.agencies[OPM], state="suspended")
    suspended = replace(directory, agencies={**directory.agencies, OPM: own})
    letter = factory.letter(main_file=factory.file("y.pdf"), files=())
    found = check(two.mailbox, letter, suspended, now()).reasons
    assert [each.code for each in found] == [RefusalCode.IDENTITY_AGENCY_SUSPENDED]


def test_whom_a_letter_can_name_is_found_by_words_of_names_and_by_codes(two: Two) -> None:
    directory = two.mailbox.directory()
    assert directory is not None
    index = AddresseeIndex.of(directory)
    assert index is AddresseeIndex.of(directory)

    def values(text: str, limit: int = 20) -> list[str]:
        return [each.value for each in index.find(text, limit)]

    assert values("วัน หยุด") == ["topic:holidays"]
    assert values("all-agencies") == ["group:all-agencies"]
    assert values(OCS) == [OCS]
    assert values("") == values("ไม่มีชื่อนี้") == []
    assert set(values("agency 01")) >= {OCS, OPM, SOC}
    assert len(values("agency", 2)) == 2
    everyone, suspended = index.get("group:all-agencies"), index.get(SOC)
    assert everyone is not None
    assert everyone.members == 4
    assert suspended is not None
    assert suspended.suspended
    assert index.get(UNKNOWN) is None


def test_a_version_that_a_recipient_does_not_read_is_named_with_its_code(two: Two) -> None:
    content = {"date": _day(0), "subject": "เรื่อง", "to": [DGA], "files": ["หนังสือ.pdf"]}
    (found,) = check_content(two.mailbox, content | {"document_type": "minutes"}, FILES).reasons
    assert (found.where, found.code) == ("document_type", RefusalCode.TYPE_UNREAD_VERSION)
    assert DGA in found.en
