"""What a careless or hostile program might submit in an agency's place, past its adapter."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import replace
from uuid import uuid4

from bus.broker import topology
from bus.broker.link import Link
from bus.broker.messages import Outgoing
from bus.documents.letter import Content, File, Letter, Receiver, Sender
from bus.documents.seal import Seal
from bus.documents.signing import sign
from bus.identifiers import AgencyCode, RawDigest
from bus.thai import now
from compose.demo.centre import Centre


def bad_submissions(bus: Centre, agency: AgencyCode, other: AgencyCode, revoked: Seal) -> Mapping[str, bytes]:
    """Return submissions of an agency, each with its own defect."""
    letter = _letter(agency, other)
    good = sign(letter, bus.seal(agency)).raw
    in_anothers_name = replace(letter, letter_id=uuid4(), sender=Sender(agency=other, name="อีกหน่วยงานหนึ่ง"))
    return {
        "invalid by schema": good.replace(b"<SpeedCode>001</SpeedCode>", b"<SpeedCode>fast</SpeedCode>"),
        "altered after signing": good.replace("ตัวอย่าง".encode(), "ถูกแก้ไข".encode()),
        "signed with a revoked key": sign(replace(letter, letter_id=uuid4()), revoked).raw,
        "in another agency's name": sign(in_anothers_name, bus.seal(agency)).raw,
    }


def submit(bus: Centre, agency: str, submissions: Mapping[str, bytes]) -> dict[str, RawDigest]:
    """Publish them as the agency's broker user; return the SHA-256 of each by its defect."""
    asyncio.run(_publish(bus, agency, list(submissions.values())))
    return {name: RawDigest(hashlib.sha256(raw).hexdigest()) for name, raw in submissions.items()}


async def _publish(bus: Centre, agency: str, submissions: list[bytes]) -> None:
    url = bus.amqp_url(topology.user_of(agency))
    async with Link(url, name="intruder", tls=bus.broker_tls()) as link:
        await link.wait_connected()
        for raw in submissions:
            await link.publish(
                Outgoing(
                    exchange=topology.submit_exchange(agency),
                    body=raw,
                    message_id=str(uuid4()),
                    type="letter",
                    user_id=topology.user_of(agency),
                )
            )


def _letter(agency: AgencyCode, other: AgencyCode) -> Letter:
    moment = now()
    return Letter(
        letter_id=uuid4(),
        number="นร 1001/1",
        date=moment.date(),
        sent_at=moment,
        kind="external",
        sender=Sender(agency=agency, name="หน่วยงาน"),
        receivers=(Receiver(agency=other),),
        content=Content(subject="หนังสือตัวอย่าง"),
        main_file=File(name="ตัวอย่าง.pdf", size=1, digest=RawDigest("0" * 64), media_type="application/pdf"),
    )
