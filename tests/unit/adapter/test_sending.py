"""From the outbox to the bus's answer: nothing lost, nothing sent twice as two things (P1, P9, P10)."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from adapters import views
from adapters.agent import Tuning
from adapters.mailbox import OutboxEntry, OutboxState
from adapters.refusals import FileUnavailable, NotTaken
from adapters.status import status_view
from bus.documents.notice import Event
from bus.documents.signing import verify
from bus.documents.xml import open_envelope
from tests.assets.factory import DGA, NOW, OCS, OPM, SOC, notice, pin, seal, terms
from tests.unit.adapter.network import Office, settled, sha, until


async def test_a_letter_is_sealed_its_file_brought_and_it_is_sent_until_accepted(
    sender: Office, tmp_path: Path
) -> None:
    row = sender.put(tmp_path, b"%PDF one")
    sender.broker.answer = lambda _: sender.hear(sender.bus.acceptance(sender.mailbox.outbox.get(row.id)))
    async with sender.running():
        accepted = await until(lambda: sender.mailbox.outbox.get(row.id).state == OutboxState.ACCEPTED)
    assert accepted
    submission = sender.broker.published[0]
    verified = verify(open_envelope(submission.body), [pin(seal(OPM))], NOW)
    assert verified.digest == row.digest
    assert submission.exchange == f"submit.{OPM}"
    assert submission.user_id == f"agency.{OPM}"
    assert submission.message_id == row.document_id
    assert sender.depot.held == {sha(b"%PDF one"): b"%PDF one"}
    assert sender.mailbox.outbox.get(row.id).recipients == (OCS,)


async def test_files_are_there_before_the_letter(sender: Office, tmp_path: Path) -> None:
    row = sender.put(tmp_path, b"%PDF one")
    sender.depot.away.add(sha(b"%PDF one"))
    async with sender.running():
        await until(lambda: len(sender.depot.asked) >= 3)
        assert sender.broker.published == []
        assert "away" in (sender.mailbox.outbox.get(row.id).last_error or "")
        sender.depot.away.clear()
        await until(lambda: sender.broker.published)


async def test_unknown_is_not_failed_and_identical_bytes_go_again(sender: Office, tmp_path: Path) -> None:
    """P10: the broker took the letter and its confirm was lost."""
    row = sender.put(tmp_path)
    sender.broker.fails, sender.broker.took_it_all_the_same = 2, True
    async with sender.running():
        await until(lambda: len(sender.broker.published) >= 4)
    assert len({each.body for each in sender.broker.published}) == 1
    assert len({each.message_id for each in sender.broker.published}) == 1
    assert sender.mailbox.outbox.get(row.id).state == OutboxState.SENT


async def test_the_same_bytes_go_again_after_a_restart(sender: Office, tmp_path: Path) -> None:
    sender.put(tmp_path)
    for sent in (1, 2):
        async with sender.running():
            await until(partial(_has_sent, sender, sent))
    assert len({each.body for each in sender.broker.published}) == 1


async def test_what_is_answered_is_not_sent_again(sender: Office, tmp_path: Path) -> None:
    row = sender.put(tmp_path)
    later = sender.put(tmp_path, b"%PDF later")
    sender.broker.answer = lambda each: (
        sender.hear(sender.bus.acceptance(sender.mailbox.outbox.get(row.id)))
        if each.message_id == row.document_id
        else None
    )
    async with sender.running():
        await until(lambda: sender.mailbox.outbox.get(row.id).state == OutboxState.ACCEPTED)
        before = _sent(sender)
        # The unanswered one is the clock: it is sent often enough for the other one to have been, too.
        await until(lambda: _sent(sender)[later.document_id] >= before[later.document_id] + 3)
    assert _sent(sender)[row.document_id] == before[row.document_id]


async def test_a_letter_put_by_another_process_is_noticed(sender: Office, tmp_path: Path) -> None:
    async with sender.running():
        started = time.monotonic()
        await asyncio.to_thread(sender.put, tmp_path)
        await until(lambda: sender.broker.published)
        assert time.monotonic() - started < 5


async def test_one_that_cannot_be_sent_delays_nobody(sender: Office, tmp_path: Path) -> None:
    stuck = sender.put(tmp_path, b"%PDF stuck")
    sender.depot.away.add(sha(b"%PDF stuck"))
    others = {sender.put(tmp_path, b"%%PDF %d" % n).document_id for n in range(40)}
    async with sender.running():
        await until(lambda: others <= _sent(sender).keys())
    assert stuck.document_id not in _sent(sender)


async def test_a_refusal_is_kept_with_its_code_and_ends_the_resending(sender: Office, tmp_path: Path) -> None:
    row = sender.put(tmp_path)
    sender.broker.answer = lambda _: sender.hear(sender.bus.refusal(sender.mailbox.outbox.get(row.id)))
    async with sender.running():
        await until(lambda: sender.mailbox.outbox.get(row.id).state == OutboxState.REFUSED)
        sender.broker.answer = lambda _: sender.hear(sender.bus.acceptance(sender.mailbox.outbox.get(row.id)))
        sender.mailbox.outbox.send_again(row.id)
        await until(lambda: sender.mailbox.outbox.get(row.id).state == OutboxState.ACCEPTED)
    assert len({each.body for each in sender.broker.published}) == 1
    assert sender.depot.asked == [sha(b"%PDF sample")] * 2


async def test_only_the_bus_can_answer_and_only_about_the_letter_that_was_sent(
    sender: Office, tmp_path: Path
) -> None:
    row = sender.put(tmp_path)
    other = sender.put(tmp_path, b"%PDF other")
    async with sender.running():
        await until(lambda: sender.mailbox.outbox.get(other.id).state == OutboxState.SENT)
        await until(lambda: sender.mailbox.outbox.get(row.id).state == OutboxState.SENT)
        row, other = sender.mailbox.outbox.get(row.id), sender.mailbox.outbox.get(other.id)
        sender.hear(
            sender.bus.acceptance(row, by=OCS),
            sender.bus.acceptance(row, letter_digest="0" * 64),
            sender.bus.message("entry", b'{"entry": 1, "notice": "x"}', raw_sha256=row.raw_sha256 or ""),
            sender.bus.message("entry", b"[", raw_sha256=row.raw_sha256 or ""),
            sender.bus.message("postcard", b"hello"),
            sender.bus.message("directory", b"not a JWS"),
        )
        await until(lambda: settled(sender))
    assert sender.mailbox.outbox.get(row.id).state == OutboxState.SENT
    reasons = Counter(each.reason for each in sender.mailbox.arrivals.quarantined())
    assert reasons == {"key.unknown": 1, "message.unreadable": 3, "token.malformed": 1}
    assert sender.mailbox.arrivals.counts()["unplaced"] == 1, "it names content that was not sent"


async def test_an_answer_belongs_to_the_content_that_it_names_whatever_bytes_were_sent(
    sender: Office, tmp_path: Path
) -> None:
    row, other = sender.put(tmp_path), sender.put(tmp_path, b"%PDF other")
    async with sender.running():
        await until(lambda: sender.mailbox.outbox.get(other.id).state == OutboxState.SENT)
        await until(lambda: sender.mailbox.outbox.get(row.id).state == OutboxState.SENT)
        row = sender.mailbox.outbox.get(row.id)
        sender.hear(sender.bus.verdict(row.raw or b"", Event.ACCEPTED, **_about(other), terms=terms()))
        await until(lambda: sender.mailbox.outbox.get(other.id).state == OutboxState.ACCEPTED)
        assert sender.mailbox.outbox.get(row.id).state == OutboxState.SENT
        sender.hear(sender.bus.verdict(b"sealed before", Event.ACCEPTED, **_about(row), terms=terms()))
        await until(lambda: sender.mailbox.outbox.get(row.id).state == OutboxState.ACCEPTED)
    assert sender.mailbox.arrivals.quarantined() == []


async def test_an_acceptance_is_final(sender: Office, tmp_path: Path) -> None:
    row = sender.put(tmp_path)
    async with sender.running():
        await until(lambda: sender.mailbox.outbox.get(row.id).state == OutboxState.SENT)
        row = sender.mailbox.outbox.get(row.id)
        sender.hear(sender.bus.acceptance(row), sender.bus.refusal(row), sender.bus.acceptance(row))
        await until(
            lambda: (
                sender.mailbox.arrivals.counts().get("stored", 0) == 0
                and sender.mailbox.arrivals.quarantined()
            )
        )
    assert sender.mailbox.outbox.get(row.id).state == OutboxState.ACCEPTED


async def test_a_parked_submission_is_told_and_the_later_verdict_counts(
    sender: Office, tmp_path: Path
) -> None:
    row = sender.put(tmp_path)
    async with sender.running():
        await until(lambda: sender.mailbox.outbox.get(row.id).state == OutboxState.SENT)
        row = sender.mailbox.outbox.get(row.id)
        parked = sender.bus.verdict(row.raw or b"", Event.PARKED, submission_digest=row.raw_sha256)
        sender.hear(parked)
        await until(lambda: sender.mailbox.outbox.get(row.id).state == OutboxState.PARKED)
        sender.hear(sender.bus.acceptance(row))
        await until(lambda: sender.mailbox.outbox.get(row.id).state == OutboxState.ACCEPTED)


async def test_every_recipient_has_a_state_of_its_own(sender: Office, tmp_path: Path) -> None:
    row = sender.put(tmp_path)
    async with sender.running():
        await until(lambda: sender.mailbox.outbox.get(row.id).state == OutboxState.SENT)
        row = sender.mailbox.outbox.get(row.id)
        about = _about(row)
        delivered = notice(Event.DELIVERED, author=OCS, about=(OCS,), **about)
        sender.hear(
            sender.bus.directory(),
            sender.bus.acceptance(row, recipients=(OCS, SOC, DGA)),
            sender.bus.notice(delivered),
            sender.bus.notice(notice(Event.DELIVERED, author=OCS, about=(OCS,), **about)),
            sender.bus.notice(notice(Event.MISDIRECTED, author=SOC, suggested_receiver=DGA, **about)),
            sender.bus.verdict(row.raw or b"", Event.OVERDUE_RECEIPT, about=(OCS, DGA), **about),
        )
        await until(
            lambda: (
                sender.mailbox.arrivals.counts().get("stored", 0) == 0
                and len(sender.mailbox.notices.about(row.own_letter_id)) == 4
            )
        )
    states = {each.agency: each for each in sender.mailbox.states_of_sent(sender.mailbox.outbox.get(row.id))}
    assert {code: each.state for code, each in states.items()} == {
        OCS: "delivered",
        SOC: "misdirected",
        DGA: "accepted",
    }
    assert states[SOC].suggested_receiver == DGA
    assert states[DGA].overdue == ("overdue-receipt",)
    assert states[OCS].overdue == ()
    assert sender.mailbox.arrivals.counts()["duplicate"] == 1


def _about(row: OutboxEntry) -> dict[str, Any]:
    return {"letter_id": UUID(row.document_id), "letter_digest": row.digest}


def _has_sent(office: Office, count: int) -> bool:
    return len(office.broker.published) >= count


def _sent(office: Office) -> Counter[str]:
    return Counter(each.message_id for each in office.broker.published)


async def test_a_file_that_the_depot_took_lately_is_not_brought_again_until_a_letter_is_refused_for_it(
    sender: Office, tmp_path: Path
) -> None:
    async with sender.running(Tuning(watch_every=0.02)):
        first = sender.put(tmp_path)
        await until(lambda: sender.mailbox.outbox.get(first.id).state == OutboxState.SENT)
        second = sender.put(tmp_path, number="นร 0105/2")
        await until(lambda: sender.mailbox.outbox.get(second.id).state == OutboxState.SENT)
        assert sender.depot.asked == [sha(b"%PDF sample")]
        sender.hear(
            sender.bus.directory(), sender.bus.refusal(sender.mailbox.outbox.get(second.id), "file.missing")
        )
        await until(lambda: _sent(sender)[second.document_id] == 2)
        await until(lambda: sender.mailbox.outbox.get(second.id).state == OutboxState.SENT)
        assert sender.depot.asked == [sha(b"%PDF sample")] * 2
        assert not sender.mailbox.news.after(0, 10), "that the depot has lost a file is no news"
        sender.hear(sender.bus.refusal(sender.mailbox.outbox.get(second.id), "file.missing"))
        await until(lambda: sender.mailbox.outbox.get(second.id).state == OutboxState.REFUSED)
        third = sender.put(tmp_path, number="นร 0105/3")
        await until(lambda: sender.mailbox.outbox.get(third.id).state == OutboxState.SENT)
    assert sender.depot.asked == [sha(b"%PDF sample")] * 3
    assert _sent(sender)[second.document_id] == 2, "once, and not for ever"
    assert [(item.kind, item.outbox) for item in sender.mailbox.news.after(0, 10)] == [("answer", second.id)]


# ── files that the depot, or a proxy before it, does not take ───────────────────────────────────────


@pytest.mark.parametrize("code", ["file.too-large", "file.refused"])
async def test_a_letter_whose_file_is_never_taken_is_refused_with_advice_and_delays_nobody(
    sender: Office, tmp_path: Path, code: str
) -> None:
    row, other = sender.put(tmp_path, b"%PDF too large"), sender.put(tmp_path, b"%PDF small")
    sender.depot.refused[sha(b"%PDF too large")] = FileUnavailable(code)
    async with sender.running():
        refused = await until(lambda: _in_state(sender, row, OutboxState.REFUSED))
        await until(lambda: other.document_id in _sent(sender))
    told = views.sent(sender.mailbox, refused)["refusal"]
    assert (told["code"], told["may_be_sent_again"]) == (code, True)
    assert told["advice_th"]
    assert "14 bytes" in told["detail"]
    assert row.document_id not in _sent(sender)
    assert [(item.kind, item.outbox) for item in sender.mailbox.news.after(0, 10)] == [("answer", row.id)]


async def test_what_was_refused_for_its_file_can_be_sent_again_and_an_acceptance_counts(
    sender: Office, tmp_path: Path
) -> None:
    row = sender.put(tmp_path, b"%PDF large")
    sender.depot.refused[sha(b"%PDF large")] = FileUnavailable("file.too-large")
    async with sender.running():
        await until(lambda: _in_state(sender, row, OutboxState.REFUSED))
        sender.depot.refused.clear()
        sender.broker.answer = lambda _: sender.hear(sender.bus.acceptance(sender.mailbox.outbox.get(row.id)))
        sender.mailbox.outbox.send_again(row.id)
        await until(lambda: _in_state(sender, row, OutboxState.ACCEPTED))


async def test_what_can_be_mended_is_said_once_in_the_log_and_stands_in_status_until_it_is(
    sender: Office, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    row = sender.put(tmp_path, b"%PDF one")
    sender.depot.refused[sha(b"%PDF one")] = NotTaken("the depot answered 401 (token.time): check the clock")
    async with sender.running():
        await until(lambda: len(sender.depot.asked) >= 3)
        (trouble,) = status_view(sender.mailbox)["trouble"]
        assert "check the clock" in trouble["why"]
        assert sender.mailbox.outbox.get(row.id).state == OutboxState.SEALED
        sender.depot.refused.clear()
        await until(lambda: sender.broker.published)
    logged = capsys.readouterr().out
    assert logged.count("depot-refuses-files") == 1
    assert logged.count("depot-takes-files") == 1


async def test_a_file_that_is_damaged_here_does_not_fail_the_letter(sender: Office, tmp_path: Path) -> None:
    row = sender.put(tmp_path, b"%PDF one")
    sender.depot.refused[sha(b"%PDF one")] = FileUnavailable("file.digest")
    async with sender.running():
        await until(lambda: len(sender.depot.asked) >= 2)
    assert sender.mailbox.outbox.get(row.id).state == OutboxState.SEALED
    assert sender.mailbox.outbox.get(row.id).last_error == "file.digest"


def _in_state(office: Office, row: OutboxEntry, state: OutboxState) -> OutboxEntry | None:
    found = office.mailbox.outbox.get(row.id)
    return found if found.state == state else None


async def test_an_answer_that_is_quicker_than_the_note_that_it_was_sent_is_not_undone_by_that(
    sender: Office, tmp_path: Path
) -> None:
    row = sender.put(tmp_path)

    def answer(_: object) -> None:
        if len(sender.broker.published) == 1:
            sender.hear(sender.bus.refusal(sender.mailbox.outbox.get(row.id), "file.missing"))

    sender.broker.answer = answer
    async with sender.running(Tuning(watch_every=0.02, record_after=0.3)):
        await until(lambda: _sent(sender)[row.document_id] == 2)
        await until(lambda: sender.mailbox.outbox.get(row.id).state == OutboxState.SENT)
    assert sender.depot.asked == [sha(b"%PDF sample")] * 2, "brought anew, as the answer asks for"
    assert sender.mailbox.outbox.get(row.id).attempts == 1
