"""An agency whose adapter reads 1.0 only, and two that read 1.1: letters between them over a real broker."""

from __future__ import annotations

import asyncio
import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from adapters.mailbox import tables as mail
from bus.broker.link import Link
from bus.broker.messages import Outgoing
from bus.broker.topology import submit_exchange, user_of
from bus.documents.letter import Receiver
from bus.documents.notes import log_key
from bus.documents.signing import sign
from bus.documents.versions import VERSIONS
from bus.documents.xml import open_envelope, read
from bus.errors import RefusalCode
from bus.identifiers import AgencyCode
from bus.ledger.entry import Kind
from compose.local import ORIGIN
from compose.node import Node
from compose.process import ROOT
from tests.assets import factory
from tests.faults.scene import DGA, OPM, SOC, Scene, agencies, scene
from tests.faults.waiting import eventually

OLD, NEW, OTHER = OPM, SOC, DGA
"""By the directory OLD reads 1.0, the two others both versions."""
BOTH = {code: tuple(VERSIONS) for code in (NEW, OTHER)}


@pytest.fixture(scope="module")
def network(broker_node: Node, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """The three with their adapters running, once each has heard of the directory."""
    with scene(broker_node, tmp_path_factory.mktemp("versions"), directory=agencies(reads=BOTH)) as found:
        found.start()
        query = select(mail.directories.c.version)
        for code in (OLD, NEW, OTHER):
            eventually(lambda code=code: found.rows(code, query), f"{code} has the directory")  # type: ignore[misc]
        yield found


def version_of(raw: bytes) -> str:
    return open_envelope(raw).version.name


def sent(network: Scene, sender: AgencyCode, *to: str, **fields: Any) -> str:
    (key,) = network.send(sender, *to, acknowledgement="registration", **fields)
    eventually(lambda: network.accepted(sender, [key]), f"letter {key} of {sender} is accepted")
    return key


def acted(network: Scene, code: AgencyCode, key: str, verb: str, sender: str, **fields: Any) -> None:
    """Have the clerk of `code` act on a letter that `sender` sent."""
    eventually(lambda: key in network.received(code), f"letter {key} is at {code}")
    query = select(mail.outbox.c.document_id).where(mail.outbox.c.reference == key)
    ((letter_id,),) = network.rows(sender, query)
    network.offices[code].act(verb, f"{key}-{code}", letter_id=letter_id, **fields)


def notices_sent(network: Scene, code: str, letter_of: str, key: str) -> dict[str, str]:
    """Event to version of what an agency has said about a letter."""
    query = select(mail.outbox.c.document_id).where(mail.outbox.c.reference == key)
    ((letter_id,),) = network.rows(letter_of, query)
    said = select(mail.outbox.c.summary, mail.outbox.c.raw, mail.outbox.c.state).where(
        mail.outbox.c.type == "notice", mail.outbox.c.letter_id == letter_id
    )
    rows = network.rows(code, said)
    assert all(row.state == "accepted" for row in rows)
    return {row.summary: version_of(row.raw) for row in rows}


def arrived(network: Scene, code: str, type_: str) -> list[bytes]:
    return [
        row.body for row in network.rows(code, select(mail.arrivals).where(mail.arrivals.c.type == type_))
    ]


def test_letters_and_registrations_travel_in_the_newest_version_that_all_concerned_read(
    network: Scene,
) -> None:
    between_new = sent(network, NEW, OTHER, document_type="minutes")
    to_old, to_both = sent(network, NEW, OLD), sent(network, NEW, OLD, OTHER)
    from_old = sent(network, OLD, NEW)
    assert {
        key: version_of(network.raw(code, key)[0])
        for code, key in ((NEW, between_new), (NEW, to_old), (NEW, to_both), (OLD, from_old))
    } == {
        between_new: "letter/1.1",
        to_old: "letter/1.0",
        to_both: "letter/1.0",
        from_old: "letter/1.0",
    }
    acted(network, OTHER, between_new, "register", NEW, number="๑", officer="สมศรี", officer_title="นักจัดการ")
    acted(network, OLD, to_old, "register", NEW, number="๒")
    acted(network, NEW, from_old, "register", OLD, number="๓")
    acted(network, OTHER, to_both, "opened", NEW)
    network.calm()
    # As it came, to whomever it went.
    assert network.raw(NEW, between_new)[0] in arrived(network, OTHER, "letter")
    assert {version_of(raw) for raw in arrived(network, OLD, "letter")} == {"letter/1.0"}
    assert {version_of(raw) for raw in arrived(network, OLD, "notice")} == {"notice/1.0"}
    # Receipts and registrations have come home.
    assert notices_sent(network, OTHER, NEW, between_new) == dict.fromkeys(
        ("delivered", "registered"), "notice/1.1"
    )
    assert notices_sent(network, OLD, NEW, to_old) == dict.fromkeys(("delivered", "registered"), "notice/1.0")
    assert notices_sent(network, NEW, OLD, from_old) == dict.fromkeys(
        ("delivered", "registered"), "notice/1.0"
    )
    assert notices_sent(network, OTHER, NEW, to_both) == dict.fromkeys(("delivered", "opened"), "notice/1.1")
    for code, number in ((NEW, "๑"), (NEW, "๒"), (OLD, "๓")):
        heard = select(mail.notices).where(
            mail.notices.c.event == "registered", mail.notices.c.arrival.is_not(None)
        )
        assert number in [row.receiving_number for row in network.rows(code, heard)]
    _is_verified(network, between_new)


def _is_verified(network: Scene, key: str) -> None:
    """The ledger verifies, signatures and all; a pack about the letter passes the program that stands alone."""
    verified = network.bus.run_bus("ledger", "verify", "--signatures", "--json")
    assert json.loads(verified.stdout)["verdict"] == "pass", verified.stdout + verified.stderr
    query = select(mail.outbox.c.document_id).where(mail.outbox.c.reference == key)
    ((letter_id,),) = network.rows(NEW, query)
    pack = network.bus.folder / "pack.asice"
    made = eventually(lambda: _packed(network, letter_id, pack), "a signed head covers all of the letter")
    log = str(log_key(network.bus.log_key, ORIGIN).verifier)
    command = [sys.executable, "-m", "bus.verifier", made, "--log-key", log, "--json"]
    judged = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert json.loads(judged.stdout)["verdict"] == "pass", judged.stdout


def _packed(network: Scene, letter_id: str, pack: Path) -> str:
    done = network.bus.run_bus("evidence", letter_id, "-o", str(pack), "--files")
    return str(pack) if done.returncode == 0 else ""


def test_an_office_is_told_by_name_who_does_not_read_what_it_wants_to_say(network: Scene) -> None:
    reasons = network.bus.exchange_folder(NEW) / "failed"
    network.offices[NEW].send(
        "to-old",
        {"date": "2026-11-22", "to": [OLD], "subject": "ก", "document_type": "order"},
        {"หนังสือ.pdf": b"%PDF-1.7 sample\n%%EOF\n"},
    )
    eventually(lambda: list(reasons.glob("*.reason.txt")), "the reason")
    (reason,) = reasons.glob("*.reason.txt")
    assert f"DocumentTypeCode (letter/1.1): {OLD}" in reason.read_text(encoding="utf-8")


async def test_a_letter_that_was_sealed_by_hand_in_an_unread_version_is_refused_by_the_router(
    network: Scene,
) -> None:
    letter = factory.letter(
        sender=factory.sender(NEW), receivers=(Receiver(agency=OTHER), Receiver(agency=OLD))
    )
    raw = sign(letter, network.bus.seal(NEW), VERSIONS["letter/1.1"]).raw
    submission = hashlib.sha256(raw).hexdigest()
    async with Link(network.bus.amqp_url(user_of(NEW)), name="by hand") as link:
        outgoing = Outgoing(
            exchange=submit_exchange(NEW),
            body=raw,
            message_id=str(letter.letter_id),
            type="letter",
            headers={},
            user_id=user_of(NEW),
        )
        await link.publish(outgoing, deadline=20.0)

    def refused() -> list[Any]:
        return [one for one in network.entries(Kind.REFUSED) if one.body["rawSha256"] == submission]

    (entry,) = await asyncio.to_thread(eventually, refused, "it is refused")
    assert entry.body["code"] == RefusalCode.TYPE_UNREAD_VERSION
    verdicts = await asyncio.to_thread(
        eventually,
        lambda: [raw for raw in arrived(network, NEW, "verdict") if b"type.unread-version" in raw],
        "its sender is told",
    )
    notice = read(open_envelope(verdicts[0]).root)
    assert f"letter/1.1: {OLD}" in notice.reason_texts[1].value  # type: ignore[union-attr]
    assert raw not in arrived(network, OTHER, "letter")
