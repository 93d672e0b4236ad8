"""What the settings say of the façade's answers: the client's own words, and how much of a subject it can take."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.connectors.ecms.wording import STATUSES, Wording
from adapters.doctor.configuration import mistakes
from bus.errors import Misconfigured
from bus.settings.adapter import AdapterSettings, EcmsConnector
from tests.assets.factory import NOBODY, OCS, OPM
from tests.contract.ecms_rig import document, offices, receive, served
from tests.unit.adapter.network import Office

LETTER = "GovernmentDocument/CorrespondenceLetter/"


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with offices(tmp_path) as make:
        yield make(OPM)


def test_a_client_is_told_in_its_own_words(office: Office) -> None:
    own = {
        "error_codes": {"recipient.unknown": "E014", "request.unknown-operation": "E001"},
        "status_words": {"waiting": "รอส่ง"},
    }
    with served(office, **own) as client:
        assert client.out(document(recipient=NOBODY)).error == "E014"
        assert client.ask("<Sing/>").error == "E001"
        assert client.out(document(subject=" ")).error == "request.field-missing"
        client.out(document())
        assert client.ask("<OutboundStatusRequest/>").value("Outbound/ProcessStatus") == "รอส่ง"
    assert Wording.from_settings(EcmsConnector()).statuses == STATUSES


def test_ministries_have_their_names_and_those_without_one_their_number(office: Office) -> None:
    def listed(**settings: object) -> set[str | None]:
        with served(office, **settings) as client:
            return {
                each.text for each in client.ask("<GetMinistryOrganizationList/>").response.iter("Th-Name")
            }

    assert "สำนักนายกรัฐมนตรี" in listed()
    assert "ชื่ออื่น" in listed(ministries={"01": "ชื่ออื่น"})


def test_a_word_for_what_there_is_not_is_a_mistake_of_the_settings(tmp_path: Path) -> None:
    section = {"error_codes": {"recipient.unknwon": "E"}, "status_words": {"lost": "L"}}
    with pytest.raises(Misconfigured, match=r"error_codes\.recipient\.unknwon"):
        Wording.from_settings(EcmsConnector(**section))
    settings = AdapterSettings(agency=OPM, mailbox={"folder": tmp_path}, connectors={"ecms": section})
    found = [each.key for each in mistakes(settings)]
    assert "connectors.ecms.status_words.lost" in found


def test_a_subject_that_a_client_cannot_take_stands_whole_in_the_description(tmp_path: Path) -> None:
    with offices(tmp_path) as make:
        office = make(OCS)
        letter = receive(office)
        subject = letter.subject or ""
        with served(office, subject_max=10, omit_signature=False) as client:
            item = client.pull()
            assert item.value(LETTER + "Subject") == subject[:9] + "…"
            assert f"เรื่อง (เต็ม): {subject}" in (item.value(LETTER + "Description") or "")
            assert item.value("GovernmentDocument/GovernmentSignature/TypeCode") == "DSIG"
        with served(office) as client:
            item = client.pull()
            assert item.value(LETTER + "Subject") == subject
            assert item.value("GovernmentDocument/GovernmentSignature") is None
