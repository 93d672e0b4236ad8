"""Offices of the network, each in a folder of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from adapters.mailbox import Mailbox
from bus.identifiers import AgencyCode
from tests.assets.factory import OCS, OPM
from tests.unit.adapter.network import Bus, Office


@pytest.fixture
def open_office(tmp_path: Path) -> Iterator[Callable[[AgencyCode], Office]]:
    opened: list[Mailbox] = []

    def make(agency: AgencyCode) -> Office:
        mailbox = Mailbox(tmp_path / agency, agency)
        opened.append(mailbox)
        return Office(mailbox, Bus(agency))

    yield make
    for mailbox in opened:
        mailbox.close()


@pytest.fixture
def sender(open_office: Callable[[AgencyCode], Office]) -> Office:
    return open_office(OPM)


@pytest.fixture
def recipient(open_office: Callable[[AgencyCode], Office]) -> Office:
    return open_office(OCS)
