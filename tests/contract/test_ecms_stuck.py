"""A client of e-CMS that cannot take an item: it is told, and an operator takes the item out of its way for a while."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from adapters.cli.metrics import MailboxMetrics
from adapters.connectors.ecms.door import EcmsDoor
from adapters.mailbox.conditions import ConditionCode
from bus.settings.adapter import EcmsConnector
from tests.assets.factory import OCS
from tests.contract.ecms_rig import offices, receive, served
from tests.unit.adapter.network import Office
from tests.unit.adapter.test_command_line import Say, ask, say

__all__ = ["say"]


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with offices(tmp_path) as make:
        yield make(OCS)


def looked(office: Office) -> list[tuple[ConditionCode, str]]:
    """What the door finds when it looks round."""
    EcmsDoor(office.mailbox, EcmsConnector(stuck_after=3)).look()
    return [(each.finding.code, each.finding.about) for each in office.mailbox.conditions.all()]


def gauges(office: Office) -> str:
    registry = CollectorRegistry()
    registry.register(MailboxMetrics(office.mailbox, lambda: True, {}))
    return generate_latest(registry).decode()


def listed(say: Say, *options: str) -> list[Any]:
    found = ask(say, OCS, "ecms", "list", *options)
    return [each["process_id"] for each in found]


def test_an_item_that_a_client_cannot_take_is_told_skipped_kept_and_served_again(
    office: Office, say: Say
) -> None:
    receive(office, content=b"%PDF one", number="นร 0105/1")
    receive(office, content=b"%PDF two", number="นร 0105/2")
    with served(office) as client:
        for _ in range(3):
            head = client.pull().process_id
        assert looked(office) == []
        assert client.pull().process_id == head
        assert looked(office) == [(ConditionCode.ECMS_STUCK, f"ProcessID {head}")]
        assert 'saraban_adapter_conditions{code="ecms.stuck"} 1.0' in gauges(office)
        assert "saraban_adapter_ecms_waiting 2.0" in gauges(office)
        status, _, complaint = say(OCS, "ecms", "skip", head, "--reason", " ")
        assert (status, "say why" in complaint) == (2, True)
        for _ in range(2):
            skipped = ask(say, OCS, "ecms", "skip", head, "--reason", "ใหญ่เกินไป")
            assert skipped["skipped"] == "operator: ใหญ่เกินไป"
        assert looked(office) == []
        second = client.pull()
        assert second.process_id != head
        assert listed(say) == [second.process_id]
        assert listed(say, "--skipped") == [head]
        assert ask(say, OCS, "status")["ecms"] == {"waiting": 1, "skipped": 1}
        assert len(ask(say, OCS, "inbox")) == 2
        name = "CorrespondenceLetterInboundSpecialRequest"
        key = f"<LetterID>นร 0105/1</LetterID><CorrespondenceDate>{_date(office)}</CorrespondenceDate>"
        asked = client.ask(f"<{name}><GovernmentDocument>{key}</GovernmentDocument></{name}>")
        assert asked.process_id == head
        for _ in range(2):
            assert ask(say, OCS, "ecms", "serve-again", head)["skipped"] is None
        assert client.pull().process_id == head
        for each in (head, second.process_id):
            client.delete(each)
        assert client.pull().kind is None
        for command in (("skip", head, "--reason", "x"), ("serve-again", head), ("serve-again", "1")):
            status, _, complaint = say(OCS, "ecms", *command)
            assert (status, "ProcessID" in complaint) == (1, True), complaint


def _date(office: Office) -> str:
    return office.mailbox.inbox.letters()[0].date
