"""The promises P1 to P13, judged from mailboxes, broker and ledger together; every fault test ends here."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Collection
from datetime import datetime
from time import monotonic
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection, select, text
from sqlalchemy.exc import DBAPIError

from adapters.mailbox import tables as mail
from adapters.mailbox.entries import UNANSWERED
from bus.directory import BUS
from bus.documents.lifecycle import Deadline
from bus.documents.notes import log_key
from bus.documents.notice import Event
from bus.documents.signing import is_notice, verify
from bus.documents.xml import open_envelope
from bus.ledger.database import appending, reading
from bus.ledger.entry import Kind, canonical, columns, leaf_hash
from bus.ledger.store import Ledger
from bus.ledger.tables import REMEMBERED
from bus.ledger.verifying import verify as verify_ledger
from compose.local import ORIGIN
from tests.faults.evidence import Box, Evidence, gather
from tests.faults.scene import Scene


def promises_hold(scene: Scene, *, parked: Collection[str] = (), lost: Collection[str] = ()) -> Evidence:
    """Wait until everything is calm, and see that every promise was kept; return what that was judged by.

    `parked` are the SHA-256 of submissions that met a fault of the bus and wait for the operators; `lost` are agencies
    whose queue the test has destroyed together with the broker: what was only there they can but miss, and see that.
    """
    evidence = _at_rest(scene)
    p1_every_letter_has_an_outcome(evidence, parked, lost)
    p2_every_inbox_has_a_letter_once(evidence)
    p3_everything_delivered_is_in_the_ledger(evidence)
    p4_what_is_delivered_is_what_was_signed(evidence)
    p5_refused_is_refused_and_accepted_is_accepted(evidence)
    p6_only_the_frozen_recipients_have_it_and_authors_are_who_they_say(evidence)
    p7_receipts_attest_what_is_durable(evidence)
    p8_the_ledger_only_grows(evidence, scene.bus.open_ledger())
    p8_it_verifies_and_no_witness_is_alarmed(scene)
    p9_an_id_stands_for_one_content(evidence)
    p10_what_was_sent_again_was_the_same(evidence)
    p11_nobody_waits_behind_somebody_else(evidence)
    p12_the_silent_are_told_of_and_nobody_else_is(evidence)
    p13_every_inbox_is_numbered_without_gaps(evidence, lost)
    remember(scene, evidence)
    return evidence


def _at_rest(scene: Scene) -> Evidence:
    """Read everything once nothing is on its way, and nothing begins while it is read.

    What was sent twice may be answered again after a calm look, an adapter may ask anew, a deadline may be judged.
    """
    deadline = monotonic() + 60
    while True:
        scene.calm()
        evidence = gather(scene)
        if monotonic() > deadline or not _goes_on(scene, evidence):
            return evidence


def _goes_on(scene: Scene, e: Evidence) -> bool:
    """Whether something was on its way, or entered, while this was read."""
    with scene.bus.open_ledger().read() as reader:
        entered = reader.head() != len(e.entries)
    waits = any(row.state in UNANSWERED for code in e.present for row in e.boxes[code].outbox)
    return entered or waits or any(code in e.present for code, _ in e.pending)


def remember(scene: Scene, evidence: Evidence) -> None:
    """Keep the ledger's length and the digest of its leaves: later it has to begin like that."""
    scene.marks.append((len(evidence.entries), _leaves(evidence, len(evidence.entries))))


def p1_every_letter_has_an_outcome(
    e: Evidence, parked: Collection[str] = (), lost: Collection[str] = ()
) -> None:
    """No letter is lost: each has a verdict, and each accepted one an outcome with every recipient."""
    for code in e.present:
        box = e.boxes[code]
        letters = {row.reference: row for row in box.outbox if row.type == "letter"}
        assert letters.keys() >= set(e.given[code])
        judged = {row.raw for row in e.submissions if row.agency == code}
        named = {row.id for row in e.submissions if row.agency == code}
        for row in box.outbox:
            assert row.state == "parked" if row.raw_sha256 in parked else row.state in ("accepted", "refused")
            # What was sealed anew after a restore got the answer to the bytes before.
            assert row.raw_sha256 in judged or row.raw_sha256 in parked or row.document_id in named
    for letter in e.letters:
        state = e.state(letter.letter)
        assert set(state.recipients) == e.frozen[letter.letter]
        for code, recipient in state.recipients.items():
            if recipient.acknowledged:
                _sender_knows(e, letter, code)
            else:
                assert code not in e.present, f"{letter.letter_id} has no outcome at {code}"
                assert code in lost or _on_its_way(e, code, recipient.consignment)


def _sender_knows(e: Evidence, letter: Any, recipient: str) -> None:
    if letter.sender in e.present:
        said = {(row.author, row.event) for row in _about(e.boxes[letter.sender], letter)}
        assert {(recipient, Event.DELIVERED), (recipient, Event.HANDOVER_FAILED)} & said
        (row,) = (row for row in e.boxes[letter.sender].outbox if row.document_id == letter.letter_id)
        assert set(json.loads(row.recipients)) == e.frozen[letter.letter]


def _about(box: Box, letter: Any) -> list[Any]:
    return [row for row in box.notices if row.letter_id == letter.letter_id and not row.void]


def _on_its_way(e: Evidence, code: str, number: int) -> bool:
    """Whether a consignment for an absent agency is pending, in its mailbox, or in its queue with all the others."""
    if (code, number) in e.pending or number in e.boxes[code].arrived:
        return True
    numbers = {n for agency, n in e.consigned if agency == code}
    queued = numbers - e.boxes[code].arrived - {n for agency, n in e.pending if agency == code}
    return e.depths[code] >= len(queued)


def p2_every_inbox_has_a_letter_once(e: Evidence) -> None:
    """Exactly-once effect: in the mailbox, in the office's folder, and as a fact in the ledger."""
    for box in e.boxes.values():
        assert not _twice((row.letter_id, row.sender) for row in box.inbox)
        assert not _twice(letter_id for letter_id, _ in box.shown)
    receipts = [body for body in e.of(Kind.NOTICE) if body["event"] == Event.DELIVERED]
    assert not _twice((body["letter"], body["agency"]) for body in receipts)


def _twice(things: Any) -> list[Any]:
    return [thing for thing, count in Counter(things).items() if count > 1]


def p3_everything_delivered_is_in_the_ledger(e: Evidence) -> None:
    """Nothing from nowhere: every byte string that arrived was consigned so, and has its sender's submission."""
    submitted = {(body["agency"], body["document"]) for body in e.of(Kind.ACCEPTED, Kind.NOTICE)}
    for box in e.boxes.values():
        for row in box.arrivals:
            consignment = e.consigned[box.agency, row.consignment]
            assert (consignment.type, consignment.document.hex()) == (row.type, row.sha256)
            assert e.documents[row.sha256] == row.body
            headers = json.loads(row.headers)
            for counted in ("x-delivery-count", "x-acquired-count"):  # the broker's, of a redelivery
                headers.pop(counted, None)
            headers.pop("checkpoint", None)  # the ledger's head at the time of the publish
            assert headers == json.loads(consignment.headers)
            if row.type in ("letter", "notice"):
                assert (headers["sender"], row.sha256) in submitted


def p4_what_is_delivered_is_what_was_signed(e: Evidence) -> None:
    """The sender's signed bytes, byte for byte: in the recipient's mailbox and in its office's folder."""
    for box in e.boxes.values():
        shown = dict(box.shown)
        for letter in box.inbox:
            delivered = box.body_of[letter.arrival]
            (signed,) = (
                row.raw for row in e.boxes[letter.sender].outbox if row.document_id == letter.letter_id
            )
            assert delivered == signed
            assert shown.get(letter.letter_id, delivered) == signed


def p5_refused_is_refused_and_accepted_is_accepted(e: Evidence) -> None:
    """What was refused went to nobody; what was accepted was not refused afterwards."""
    refused = {body["seq"]: body for body in e.of(Kind.REFUSED, Kind.CONFLICT)}
    for row in e.consignments:
        if row.entry in refused:
            assert (row.type, row.agency) == ("verdict", refused[row.entry]["agency"])
    accepted: dict[tuple[str, str, str], int] = {}
    for row in sorted(e.submissions, key=lambda row: (row.agency, row.answer)):
        if row.id and row.code is None:
            accepted.setdefault((row.agency, row.id, row.digest), row.answer)
        assert not (row.code and (row.agency, row.id, row.digest) in accepted)
    for box in e.boxes.values():
        mine = {(box.agency, row.document_id, row.digest) for row in box.outbox if row.state == "refused"}
        assert not mine & accepted.keys()


def p6_only_the_frozen_recipients_have_it_and_authors_are_who_they_say(e: Evidence) -> None:
    """No inbox and no mailbox's files go beyond the frozen set; every document verifies for its submitter."""
    number_of = {(row.sender, row.letter_id): row.letter for row in e.letters}
    for row in e.consignments:
        if row.type == "letter":
            assert row.agency in e.frozen[row.letter]
    for box in e.boxes.values():
        assert all(box.agency in e.frozen[number_of[row.sender, row.letter_id]] for row in box.inbox)
        named = {row.sha256 for row in (*box.outbox_files, *box.inbox_files)}
        assert box.file_names() <= named
    for body in e.of(Kind.ACCEPTED, Kind.NOTICE):
        pins, at = e.directory.pins(body["agency"]), datetime.fromisoformat(body["receivedAt"])
        verified = verify(open_envelope(e.documents[body["document"]]), pins, at)
        assert verified.digest == body["digest"]
        author = verified.document.author if is_notice(verified) else verified.document.sender.agency  # type: ignore[union-attr]
        assert author == body["agency"]


def p7_receipts_attest_what_is_durable(e: Evidence) -> None:
    """Whoever has said "delivered", even only in its own outbox, has the letter and all its files on disk."""
    said = [
        (body["agency"], body["letter"]) for body in e.of(Kind.NOTICE) if body["event"] == Event.DELIVERED
    ]
    ids = {row.letter: row.letter_id for row in e.letters}
    claimed = {(agency, ids[letter]) for agency, letter in said}
    for box in e.boxes.values():
        own = (row for row in box.notices if row.outbox and row.event == Event.DELIVERED)
        claimed |= {(box.agency, row.letter_id) for row in own}
    for agency, letter_id in claimed:
        box = e.boxes[agency]
        (letter,) = (row for row in box.inbox if row.letter_id == letter_id)
        assert letter.state == "delivered"
        assert letter.arrival in box.body_of
        files = [row for row in box.inbox_files if row.inbox == letter.id]
        assert files
        assert all(row.stored and box.stored(row.sha256, row.size) for row in files)


def p8_the_ledger_only_grows(e: Evidence, ledger: Ledger) -> None:
    """Entries without gaps, in the order of time, each with its leaf; begun as before; and the database guards it."""
    assert [row.seq for row in e.entries] == list(range(1, len(e.entries) + 1))
    assert sorted(row.at for row in e.entries) == [row.at for row in e.entries]
    for row, body in zip(e.entries, e.bodies, strict=True):
        assert canonical(body) == row.body
        assert leaf_hash(row.body) == row.leaf
        assert columns(row.body) == row._asdict()
    for sha256, raw in e.documents.items():
        assert hashlib.sha256(raw).hexdigest() == sha256
    for length, digest in e.marks:
        assert _leaves(e, length) == digest
    for table in REMEMBERED:
        column = next(iter(table.columns)).name
        for forbidden in (f"UPDATE {table.name} SET {column} = {column}", f"DELETE FROM {table.name}"):
            with pytest.raises(DBAPIError), appending(ledger.engine) as connection:
                _attempt(connection, table.name, forbidden)


def p8_it_verifies_and_no_witness_is_alarmed(scene: Scene) -> None:
    """Rows, tree, signed heads, documents and signatures agree, and so do the heads that the agencies have seen."""
    key = log_key(scene.bus.log_key, ORIGIN).verifier
    with reading(scene.bus.open_ledger().engine) as connection:
        report = verify_ledger(connection, key, signatures=True)
    assert report.passed, report.findings
    for code in scene.bus.directory.inboxes:
        assert scene.rows(code, select(mail.alarms.c.reason)) == []


def _attempt(connection: Connection, table: str, forbidden: str) -> None:
    if connection.execute(text(f"SELECT 1 FROM {table} LIMIT 1")).first() is None:
        raise DBAPIError(forbidden, None, Exception("nothing there to be changed"))
    connection.execute(text(forbidden))
    connection.rollback()


def _leaves(e: Evidence, length: int) -> str:
    return hashlib.sha256(b"".join(row.leaf for row in e.entries[:length])).hexdigest()


def p9_an_id_stands_for_one_content(e: Evidence) -> None:
    """Same id, other content: refused and recorded; same id, same content: one acceptance."""
    bound: dict[tuple[str, str, str], set[str]] = {}
    for row in e.submissions:
        if row.id:
            bound.setdefault((row.agency, row.type, row.id), set()).add(row.digest)
    assert all(len(digests) == 1 for digests in bound.values())
    assert not _twice((row.agency, row.type, row.id) for row in e.submissions if row.id and not row.code)
    for body in e.of(Kind.CONFLICT):
        assert {body["digest"]} != bound[body["agency"], body["type"], body["id"]]


def p10_what_was_sent_again_was_the_same(e: Evidence) -> None:
    """Unknown is not failed: the content of the outbox is what the ledger has under the id, whenever it was sealed."""
    known = {(row.agency, row.type, row.id): row.digest for row in e.submissions if row.id and not row.code}
    heard = {body["seq"]: (body["agency"], body["event"]) for body in e.of(Kind.NOTICE)}
    for box in e.boxes.values():
        for row in box.outbox:
            if row.state != "accepted":
                continue
            assert hashlib.sha256(row.raw).hexdigest() == row.raw_sha256
            if row.summary in ("delivered", "handover-failed"):
                # A machine's notice is one fact, whenever it is made.
                assert heard[row.entry] == (box.agency, row.summary)
            elif row.type != "report":
                assert known[box.agency, row.type, row.document_id] == row.digest


def p11_nobody_waits_behind_somebody_else(e: Evidence) -> None:
    """Nothing lies anywhere for those that are present; a test says how quickly it came."""
    assert not [one for one in e.pending if one[0] in e.present]
    assert not [queue for queue, ready in e.depths.items() if ready and queue in e.present]


def p12_the_silent_are_told_of_and_nobody_else_is(e: Evidence) -> None:
    """An overdue notice names exactly those that were silent then, once, under the bus's seal, to the sender."""
    overdue = e.of(Kind.OVERDUE)
    assert not _twice((body["letter"], body["deadline"], body["due"]) for body in overdue)
    for body in overdue:
        assert body["at"] > body["due"]
        before = e.state(body["letter"], before=body["seq"])
        assert body["silent"] == before.silent(Deadline(body["deadline"]), body["due"])
        raw = e.documents[body["document"]]
        word = verify(open_envelope(raw), e.directory.pins(BUS), datetime.fromisoformat(body["at"]))
        assert is_notice(word)
        assert (word.document.author, word.document.letter_id) == (BUS, UUID(before.letter_id))
        assert list(word.document.about) == body["silent"]
        assert e.consigned[before.sender, body["answer"]].document.hex() == body["document"]
    open_still = {(row.letter, row.deadline) for row in e.due}
    for letter in e.letters:
        if (letter.letter, "receipt") not in open_still:
            state = e.state(letter.letter)
            assert all(one.acknowledged or "receipt" in one.overdue for one in state.recipients.values())


def p13_every_inbox_is_numbered_without_gaps(e: Evidence, lost: Collection[str] = ()) -> None:
    """Numbers are given without gaps, and arrive so."""
    for agency in {row.agency for row in e.consignments}:
        numbers = [row.number for row in e.consignments if row.agency == agency]
        assert numbers == list(range(1, len(numbers) + 1))
        if agency in e.present and agency not in lost:
            assert e.boxes[agency].arrived == set(numbers)
