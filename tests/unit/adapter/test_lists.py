"""The list of many recipients and the acceptance that names it by its digest: whichever comes first waits."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from adapters.agent.reconciling import Reconciler
from adapters.agent.verifying import Verifier
from adapters.mailbox import Message, OutboxEntry, OutboxState
from adapters.mailbox.lists import AWAITED
from adapters.mailbox.properties import RECONCILE_ASKED_AT
from bus.documents.notice import BUS, Event, Terms
from bus.documents.recipients import MOST_NAMED
from bus.identifiers import AgencyCode
from tests.assets.factory import OCS, SOC, recipient_set, seal
from tests.unit.adapter.network import QUICK, Office, directory, settled, sha, until

MANY = tuple(AgencyCode(f"{n:010}") for n in range(MOST_NAMED + 50))
OTHERS = MANY[1:]


async def sent(office: Office, folder: Path) -> OutboxEntry:
    """A letter of this office that waits for its answer."""
    row = office.put(folder)
    async with office.running():
        await until(lambda: office.mailbox.outbox.get(row.id).state == OutboxState.SENT)
    return office.mailbox.outbox.get(row.id)


def state_of(office: Office, row: OutboxEntry) -> OutboxState:
    return office.mailbox.outbox.get(row.id).state


def accepted_for(office: Office, row: OutboxEntry, codes: tuple[AgencyCode, ...] = MANY) -> bool:
    found = office.mailbox.outbox.get(row.id)
    return found.state is OutboxState.ACCEPTED and found.recipients == codes


def awaited(office: Office) -> bool:
    """Whether everything that came is judged but an acceptance, which waits for its list."""
    return office.mailbox.awaiting_list() > 0 and office.mailbox.arrivals.counts()["stored"] == 1


async def hears(office: Office, *messages: Message) -> None:
    """Run the adapter until all of this is judged."""
    async with office.running():
        office.hear(*messages)
        await until(lambda: settled(office) or awaited(office))


@pytest.mark.parametrize("order", [1, -1], ids=["list first", "acceptance first"])
async def test_in_one_batch_the_order_does_not_matter(sender: Office, tmp_path: Path, order: int) -> None:
    row = await sent(sender, tmp_path)
    messages = [sender.bus.listing(MANY), sender.bus.acceptance(row, MANY)][::order]
    async with sender.running():
        sender.hear(*messages)
        await until(lambda: accepted_for(sender, row))
    assert [each.agency for each in sender.mailbox.states_of_sent(sender.mailbox.outbox.get(row.id))] == list(
        MANY
    )
    assert sender.mailbox.arrivals.counts() == {"done": 2}


@pytest.mark.parametrize("order", [1, -1], ids=["list first", "acceptance first"])
async def test_whichever_comes_first_waits_also_over_a_restart(
    sender: Office, tmp_path: Path, order: int
) -> None:
    row = await sent(sender, tmp_path)
    first, second = [sender.bus.listing(MANY), sender.bus.acceptance(row, MANY)][::order]
    await hears(sender, first)
    assert state_of(sender, row) is OutboxState.SENT
    async with sender.running():
        sender.hear(second)
        await until(lambda: accepted_for(sender, row))


async def test_a_list_wakes_the_acceptance_that_waits_for_it(sender: Office, tmp_path: Path) -> None:
    """Not when its next attempt would fall due, which here is in an hour."""
    row = await sent(sender, tmp_path)
    async with sender.running(replace(QUICK, retry_after=3600.0, longest_pause=3600.0)):
        sender.hear(sender.bus.acceptance(row, MANY))
        await until(lambda: awaited(sender))
        assert await until(sender.mailbox.arrivals.next_due) > time.time() + 600
        sender.hear(sender.bus.listing(MANY))
        await until(lambda: accepted_for(sender, row))


async def test_nothing_else_waits_for_a_list(sender: Office, tmp_path: Path) -> None:
    row = await sent(sender, tmp_path)
    other = sender.put(tmp_path, number="นร 0105/2")
    async with sender.running():
        await until(lambda: state_of(sender, other) == OutboxState.SENT)
        answer = sender.bus.acceptance(sender.mailbox.outbox.get(other.id), (OCS, SOC))
        sender.hear(sender.bus.acceptance(row, MANY), answer)
        await until(lambda: accepted_for(sender, other, (SOC, OCS)))
        await until(lambda: awaited(sender))
    assert state_of(sender, row) is OutboxState.SENT


async def test_a_list_of_others_is_never_taken_for_the_one_that_was_signed(
    sender: Office, tmp_path: Path
) -> None:
    row = await sent(sender, tmp_path)
    await hears(sender, sender.bus.listing(OTHERS), sender.bus.acceptance(row, MANY))
    assert awaited(sender)
    assert state_of(sender, row) is OutboxState.SENT
    async with sender.running():
        sender.hear(sender.bus.listing(MANY))
        await until(lambda: accepted_for(sender, row))


async def test_a_list_that_cannot_be_read_is_kept_aside_and_holds_up_nothing(
    sender: Office, tmp_path: Path
) -> None:
    row = await sent(sender, tmp_path)
    octets = recipient_set(MANY).octets.replace(b":", b": ")
    terms = Terms(
        recipients_digest=sha(octets), recipient_count=len(MANY), directory_version=1, calendar_version=1
    )
    await hears(sender, sender.bus.message("recipients", octets), sender.bus.acceptance(row, terms=terms))
    (aside,) = sender.mailbox.arrivals.quarantined()
    assert (aside.type, aside.reason) == ("recipients", "message.unreadable")
    assert awaited(sender), "signed or not, what is no set names nobody"
    async with sender.running():
        sender.hear(sender.bus.listing(MANY), sender.bus.acceptance(row, MANY))
        await until(lambda: accepted_for(sender, row))


async def test_a_list_that_nobody_asked_for_changes_nothing(sender: Office, tmp_path: Path) -> None:
    row = await sent(sender, tmp_path)
    await hears(sender, sender.bus.listing(MANY), sender.bus.acceptance(row, (OCS,)))
    assert accepted_for(sender, row, (OCS,))
    assert not sender.mailbox.awaiting_list()
    assert sender.mailbox.arrivals.quarantined() == []


async def test_a_list_and_an_acceptance_that_come_again_are_the_same(sender: Office, tmp_path: Path) -> None:
    row = await sent(sender, tmp_path)
    first, acceptance = sender.bus.listing(MANY), sender.bus.acceptance(row, MANY)
    anew = sender.bus.listing(MANY)
    async with sender.running():
        sender.hear(first, first, acceptance)
        await until(lambda: accepted_for(sender, row))
        sender.hear(anew, acceptance, first)
        await until(lambda: sender.mailbox.arrivals.counts() == {"done": 2, "duplicate": 1})
    assert accepted_for(sender, row)
    assert len([each for each in sender.mailbox.news.after(0, 100) if each.kind == "answer"]) == 1


def test_what_an_acceptance_lacks_is_asked_for_at_once_if_something_is_missing(
    sender: Office, tmp_path: Path
) -> None:
    """Whatever was asked about before: the next question of that kind would be due in a minute."""
    mailbox, row = sender.mailbox, sender.put(tmp_path)
    row = mailbox.outbox.seal(row, b"<Letter/>", sha(b"<Letter/>"))
    reconciler = Reconciler(mailbox, lambda: 0.0, replace(QUICK, quiet=0.0))
    verifier = Verifier(mailbox, seal(BUS).certificate, QUICK)
    mailbox.arrivals.store([sender.bus.directory()])
    verifier.work()
    mailbox.properties.set(RECONCILE_ASKED_AT, "now")
    reconciler.work()
    mailbox.arrivals.store([report_answered(sender)])
    verifier.work()
    assert (reports(sender), mailbox.outbox.reporting()) == (1, False)
    mailbox.arrivals.store([sender.bus.acceptance(row, MANY)])
    verifier.work()
    reconciler.work()
    assert (reports(sender), awaited(sender)) == (1, True), "nothing is missing that could be asked for"
    sender.bus.listing(MANY)  # lost on its way
    mailbox.arrivals.store([sender.bus.directory(directory(version=2))])
    verifier.work()
    reconciler.work()
    assert reports(sender) == 2
    reconciler.work()
    assert reports(sender) == 2


def test_what_is_missing_is_asked_for_after_some_minutes_and_more_and_more_seldom(sender: Office) -> None:
    mailbox, at = sender.mailbox, [1000.0]
    reconciler = Reconciler(mailbox, lambda: 0.0, replace(QUICK, gap_after=300.0), lambda: at[0])
    verifier = Verifier(mailbox, seal(BUS).certificate, QUICK)

    def after(seconds: float) -> int:
        at[0] += seconds
        reconciler.work()
        return reports(sender)

    def answered() -> None:
        (report,) = mailbox.outbox.due(time.time() + 1, 10)
        mailbox.arrivals.store([sender.bus.entry(mailbox.outbox.seal(report, b"{}", sha(b"{}")))])
        verifier.work()

    mailbox.arrivals.store([sender.bus.directory()])
    verifier.work()
    assert after(0) == after(3600) == 0, "nothing is missing"
    lost = sender.bus.directory(directory(version=2))
    mailbox.arrivals.store([sender.bus.directory(directory(version=3))])
    verifier.work()
    assert after(61) == after(239) == 0, "it may be on its way"
    assert after(121) == 1
    answered()
    assert after(479) == 1
    assert after(241) == 2
    answered()
    sender.bus.directory(directory(version=4))  # another one is lost
    mailbox.arrivals.store([sender.bus.directory(directory(version=5))])
    verifier.work()
    assert after(61) == 2
    assert after(360) == 3
    answered()
    mailbox.arrivals.store([lost])
    verifier.work()
    for _ in range(12):
        at[0] += 12 * 3600
        reconciler.work()
        if mailbox.outbox.reporting():
            answered()
    assert 3 + 4 <= reports(sender) <= 3 + 12, "what never comes is asked for about once in a day"


def reports(office: Office) -> int:
    return sum(office.mailbox.outbox.counts()["report"].values())


def report_answered(office: Office) -> Message:
    """The bus's answer to the report that is on its way."""
    (report,) = office.mailbox.outbox.due(time.time() + 1, 10, but=[office.mailbox.outbox.letters()[0].id])
    return office.bus.entry(office.mailbox.outbox.seal(report, b"{}", sha(b"{}")))


CONTRADICTIONS = {
    "it names fewer than it counts": {"recipient_count": 3},
    "it names none of a few": {"recipients": ()},
    "it names all of many, and counts more": {"recipient_count": len(MANY)},
}


@pytest.mark.parametrize("name", CONTRADICTIONS)
async def test_an_acceptance_that_contradicts_itself_is_not_believed(
    sender: Office, tmp_path: Path, name: str
) -> None:
    row = await sent(sender, tmp_path)
    frozen = recipient_set((OCS, SOC))
    terms = Terms(
        recipients_digest=frozen.digest,
        recipient_count=2,
        recipients=frozen.named,
        directory_version=1,
        calendar_version=1,
    )
    wrong = replace(terms, **CONTRADICTIONS[name])  # type: ignore[arg-type]
    async with sender.running():
        sender.hear(sender.bus.acceptance(row, terms=wrong))
        (aside,) = await until(sender.mailbox.arrivals.quarantined)
    assert aside.reason == "notice.incomplete"
    assert state_of(sender, row) is OutboxState.SENT


async def test_a_list_of_another_number_than_the_bus_signed_is_not_believed(
    sender: Office, tmp_path: Path
) -> None:
    row = await sent(sender, tmp_path)
    frozen = recipient_set(MANY)
    terms = Terms(
        recipients_digest=frozen.digest,
        recipient_count=len(MANY) + 1,
        directory_version=1,
        calendar_version=1,
    )
    async with sender.running():
        sender.hear(sender.bus.listing(MANY), sender.bus.acceptance(row, terms=terms))
        (aside,) = await until(sender.mailbox.arrivals.quarantined)
    assert (aside.type, aside.reason) == ("verdict", "notice.incomplete")


async def test_a_refusal_waits_for_no_list(sender: Office, tmp_path: Path) -> None:
    row = await sent(sender, tmp_path)
    await hears(
        sender,
        sender.bus.verdict(row.raw or b"", Event.REFUSED_BY_BUS, submission_digest=sha(row.raw or b"")),
    )
    assert state_of(sender, row) is OutboxState.REFUSED


async def test_an_acceptance_that_waits_is_looked_at_again_from_time_to_time(
    sender: Office, tmp_path: Path
) -> None:
    row = await sent(sender, tmp_path)
    async with sender.running():
        sender.hear(sender.bus.acceptance(row, MANY))
        await until(lambda: awaited(sender))
        waiting = await until(lambda: sender.mailbox.arrivals.waiting(2e9 * 2, 10, longest=4e9))
    assert [(each.type, each.reason) for each in waiting] == [("verdict", AWAITED)]
