"""An agency is merged only once its queues at a real broker are empty; its user is removed then."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from bus.broker.admin import apply
from bus.broker.management import Management
from bus.broker.passwords import Passwords
from bus.broker.topology import inbox_queue, intake_queue, topology_for, user_of
from bus.enrolment.brokers import management_of
from bus.enrolment.merging import lock_out, require_drained
from bus.errors import Misconfigured
from bus.settings.bus import Broker, BusSettings
from compose.node import Node
from tests.assets.factory import OCS, SOC
from tests.contract import ledger_rig as rig
from tests.unit.adapter.network import until

_BUILD = Path(__file__).parents[2] / "build" / "test"


@pytest.fixture
def settings() -> Iterator[BusSettings]:
    """The settings of a broker with two agencies."""
    _BUILD.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="merging-", dir=_BUILD))
    try:
        with Node(folder, name="merging") as node:
            with Management(node.management_url) as management:
                apply(topology_for([OCS, SOC], vhost="v"), management, Passwords(folder / "passwords"))
            at = urlsplit(node.management_url)
            url = f"{at.scheme}://{at.hostname}:{at.port}"
            user, password = at.username or "guest", at.password or "guest"
            yield BusSettings(
                broker=Broker(
                    vhost="v", management_url=url, management_user=user, management_password=password
                )
            )
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def is_drained(settings: BusSettings) -> bool:
    try:
        require_drained(settings, rig.agency(OCS))
    except Misconfigured:
        return False
    return True


async def test_an_agency_with_a_message_in_either_queue_is_not_merged(settings: BusSettings) -> None:
    await until(lambda: is_drained(settings), 30)
    with management_of(settings.broker) as management:
        for queue in (inbox_queue(OCS), intake_queue(OCS)):
            body = {"properties": {}, "routing_key": queue, "payload": "x", "payload_encoding": "string"}
            management.post("exchanges", "v", "amq.default", "publish", body=body)
            await until(lambda: not is_drained(settings), 30)
            with pytest.raises(Misconfigured, match=f"{queue} has 1 messages"):
                require_drained(settings, rig.agency(OCS))
            take = {"count": 1, "ackmode": "ack_requeue_false", "encoding": "auto"}
            management.post("queues", "v", queue, "get", body=take)
            await until(lambda: is_drained(settings), 30)
        lock_out(settings, rig.agency(OCS))
        lock_out(settings, rig.agency(OCS))
        assert management.find("users", user_of(OCS)) is None
        assert management.find("users", user_of(SOC)) is not None
        assert management.find("queues", "v", inbox_queue(OCS)) is not None
