"""An office with nothing new is told nothing, and nothing is asked for that."""

from __future__ import annotations

from pathlib import Path

from adapters.mailbox import Mailbox
from adapters.mailbox.messages import Message
from tests.assets.factory import OCS
from tests.unit.adapter.network import Office
from tests.unit.adapter.test_folder import connector
from tests.unit.adapter.test_mailbox_plans import asked


def test_a_folder_is_told_nothing_without_a_question_until_something_was_committed(
    recipient: Office, tmp_path: Path
) -> None:
    door = connector(recipient, tmp_path / "office")
    for _ in range(3):
        assert door.export_news() == 0
    with asked(recipient) as statements:
        assert door.export_news() == 0
    assert statements == set()
    with Mailbox(recipient.mailbox._database.folder, OCS) as other:  # as another process would
        other.arrivals.store([Message(type="letter", body=b"no letter", headers={"consignment": 9})])
        other.arrivals.quarantine(other.arrivals.waiting(9e9, 1)[0].id, "message.unreadable", "")
    assert door.export_news() == 1
    recipient.mailbox.arrivals.store([Message(type="notice", body=b"none", headers={"consignment": 10})])
    recipient.mailbox.arrivals.quarantine(
        recipient.mailbox.arrivals.waiting(9e9, 1)[0].id, "message.unreadable", ""
    )
    assert door.export_news() == 1
