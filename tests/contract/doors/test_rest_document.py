"""The REST door's own document, turned against it: no request of any form finds a fault, or an undocumented answer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from adapters.connectors.rest.keys import SCOPES, make_key
from adapters.mailbox import Mailbox
from tests.assets.factory import OCS
from tests.contract.doors.door import World
from tests.contract.doors.rest import Served
from tests.contract.doors.test_doors import FILES
from tests.unit.adapter.network import Bus, Office

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, str]]:
    """The door of a mailbox that holds a letter, as a process, and a key with all rights."""
    folder: Path = tmp_path_factory.mktemp("rest")
    with Mailbox(folder / "mailbox", OCS) as mailbox:
        world = World(Office(mailbox, Bus(OCS)), folder)
        world.hear(world.office.bus.directory())
        world.receive(FILES)
        _, key = make_key(mailbox, "schemathesis", SCOPES)
    served = Served(folder / "mailbox", OCS, per_minute=1_000_000, largest_file=100_000)
    served.start()
    yield served, key
    served.stop()


def test_every_answer_is_one_that_the_document_states(asked: tuple[Served, str]) -> None:
    served, key = asked
    headers = {"Authorization": f"Bearer {key}"}
    document = schemathesis.openapi.from_url(f"{served.url}/openapi.json")
    operations = [each.ok() for each in document.get_all_operations()]
    assert len(operations) > 14
    for operation in operations:
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):

            @given(case=operation.as_strategy(generation_mode=mode))
            @settings(max_examples=10, deadline=None, database=None, suppress_health_check=list(HealthCheck))
            def ask(case: Any) -> None:
                case.call_and_validate(headers=headers, checks=CHECKS)

            ask()
