"""A circular to every agency of the country: one letter to a group of ten thousand passes as any other letter does."""

from __future__ import annotations

from collections.abc import Iterator
from time import monotonic

import pytest
from sqlalchemy import delete, func, select

from bus.documents.letter import Receiver
from bus.documents.notice import Event
from bus.ledger.database import working
from bus.ledger.store import Ledger
from bus.ledger.tables import consignments, pending
from compose.local import LocalBus
from compose.node import Node
from tests.assets import directories, factory
from tests.journey.conftest import running_bus, start
from tests.journey.office import Offices

MANY = 10_000
WITHIN = 15.0
"""Seconds from submission to acceptance; on an idle machine it takes about one."""
KEYLESS = [f"00{number:08}" for number in range(MANY - len(factory.NAMES) + 1)]
"""Ministry 00 is for tests. They have no key and are suspended until they have one."""
GROUP = "country"


def _directory() -> str:
    agencies = "".join(
        f'\n[[agency]]\ncode = "{code}"\nname_th = "ท"\nname_en = "t"\nstate = "suspended"\n'
        for code in KEYLESS
    )
    members = ", ".join(f'"{code}"' for code in [*factory.NAMES, *KEYLESS])
    group = f'\n[[group]]\nid = "{GROUP}"\nname_th = "ท"\nname_en = "t"\nmembers = [{members}]\n'
    return directories.text(2, more=agencies + group)


@pytest.fixture
def country(broker_node: Node, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalBus]:
    """A bus whose directory has ten thousand agencies, and whose broker has the inboxes of seven."""
    with running_bus(broker_node, tmp_path_factory.mktemp("country"), directory=directories.text()) as bus:
        bus.apply_directory(_directory())
        ledger = Ledger(bus.ledger_url)
        with working(ledger.engine) as connection:
            # The directory itself is on its way to every inbox: without queues it would be tried for ever.
            connection.execute(delete(pending))
        ledger.close()
        start(bus)
        yield bus


async def test_a_letter_to_a_group_of_ten_thousand_is_accepted_and_nobody_is_left_out(
    country: LocalBus,
) -> None:
    async with Offices(country) as offices:
        agency = offices[factory.OPM]
        signed = agency.seal(agency.letter(receivers=(Receiver(group=GROUP),)))
        started = monotonic()
        await agency.submit(signed.raw)
        answer = await agency.answer(signed.raw)
        took = monotonic() - started
        assert took < WITHIN, f"{took:.1f} s"

        others = set(factory.NAMES) - {agency.code}
        expected = sorted([*others, *KEYLESS])
        assert len(expected) == MANY
        notice = offices.word_of_the_bus(answer)
        assert notice.event == Event.ACCEPTED
        assert notice.terms is not None
        assert list(notice.terms.recipients) == expected
        assert answer.headers["flags"] == "on-hold"

        entry = int(str(answer.headers["entry"]))
        recipients = offices.state(entry).recipients
        assert sorted(recipients) == expected
        assert {code for code, one in recipients.items() if one.outcome == "on-hold"} == set(KEYLESS)
        for code in others:
            await offices[code].letter_arrives(signed.raw)
        with offices.ledger.engine.connect() as connection:
            given = select(func.count()).where(consignments.c.entry == entry, consignments.c.type == "letter")
            assert connection.scalar(given) == MANY
            assert connection.scalar(select(func.count()).where(pending.c.on_hold)) == len(KEYLESS)

        # A circular holds nobody up.
        small, _ = await agency.send(agency.letter(factory.SOC))
        await offices[factory.SOC].letter_arrives(small.raw)
        print(f"accepted for {MANY} recipients within {took:.2f} s")
