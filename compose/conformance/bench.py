"""The centre and the counterpart, as the steps use them: a real bus, and our own adapter in the counterpart's place."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID

import tomli_w

from bus.broker.link import Link
from bus.broker.management import Management
from bus.broker.messages import Outgoing
from bus.broker.topology import DELIVER, ROUTER, inbox_queue, intake_queue, submit_exchange, user_of
from bus.documents.letter import Content, File, Letter, Receiver, Sender
from bus.documents.making import new_seal, write_seal
from bus.documents.signing import sign
from bus.identifiers import AgencyCode, RawDigest
from bus.ledger.entry import Entry, Kind
from bus.thai import now
from compose.conformance.failing import Failed, wait
from compose.local import LocalBus

CLIENT, COUNTERPART, NOBODY = map(AgencyCode, ("1100800000", "0100500000", "9999999999"))
"""The agency in whose place the client is, that of the other side, and one that is in no directory."""
PDF = b"%PDF-1.7\n%%EOF\n"
_SIGNER = {"given_name": "ก (ตัวอย่าง)", "family_name": "ข (ตัวอย่าง)", "job_title": "ผู้อำนวยการ"}


class Bench:
    """A running bus with one adapter, seen from above."""

    def __init__(self, bus: LocalBus) -> None:
        self.bus = bus
        self.ledger = bus.open_ledger()
        self.file = bus.folder / "sample.pdf"
        self.file.write_bytes(PDF)
        self._sent = 0

    def environment(self, folder: Path) -> dict[str, str]:
        """What the client gets."""
        folder.mkdir(parents=True, exist_ok=True)
        keys = self.bus.keys
        values = {
            "AGENCY": CLIENT,
            "AMQP": self.bus.amqp_url(f"agency.{CLIENT}"),
            "DEPOT": self.bus.depot_url,
            "KEY": str(keys / f"{CLIENT}.key.pem"),
            "CERTIFICATE": str(keys / f"{CLIENT}.crt.pem"),
            "BUS_CERTIFICATE": str(keys / "bus.crt.pem"),
            "FOLDER": str(folder),
            "RESEND_AFTER": "2",
        }
        return {f"SARABAN_{name}": value for name, value in values.items()}

    # -- what the ledger says --

    def head(self) -> int:
        """The number of the newest entry."""
        with self.ledger.read() as reader:
            return reader.head()

    def entries(self, after: int, kind: Kind) -> list[Entry]:
        """The entries of a kind that came after another."""
        with self.ledger.read() as reader:
            return reader.entries(after=after, kind=kind)

    def accepted(self, after: int, sender: str) -> Entry | None:
        """The letter of a sender that was accepted after an entry."""
        found = self.entries(after, Kind.ACCEPTED)
        return next((one for one in found if one.body["agency"] == sender), None)

    def notices(self, letter: int, event: str) -> list[Entry]:
        """What was said of a letter by the client."""
        with self.ledger.read() as reader:
            said = reader.entries_of(letter)
        return [one for one in said if one.kind is Kind.NOTICE and one.body["event"] == event]

    # -- what the counterpart does --

    def write_to_client(self, subject: str) -> Entry:
        """Send a letter to the client; return its acceptance."""
        before, self._sent = self.head(), self._sent + 1
        letter: dict[str, Any] = {"number": f"นร 0505/{self._sent}", "date": date.today().isoformat()}
        letter |= {"to": [CLIENT], "subject": subject, "files": [self.file.name], "signers": [_SIGNER]}
        manifest = self.file.with_name(f"{self._sent}.letter.toml")
        manifest.write_text(tomli_w.dumps(letter), encoding="utf-8")
        self.adapter("send", str(manifest))
        return wait("the counterpart's letter", lambda: self.accepted(before, COUNTERPART))

    def adapter(self, *arguments: str) -> None:
        """Run a command of the counterpart's adapter. Raises Failed: then it is no fault of the client."""
        done = self.bus.run_adapter(COUNTERPART, *arguments)
        if done.returncode:
            raise Failed(f"the counterpart cannot {arguments[0]}: {done.stderr.strip()[-300:]}")

    # -- what the centre does --

    def stop_router(self) -> None:
        self.bus.processes["router-1"].stop()

    def start_router(self) -> None:
        self.bus.start_router()

    def waiting(self, agency: AgencyCode = CLIENT, *, intake: bool = False) -> int:
        """How many messages stand in an agency's inbox, or of its submissions before the router."""
        name = intake_queue(agency) if intake else inbox_queue(agency)
        with self._management() as management:
            return int(management.get("queues", self.bus.vhost, name).get("messages", 0))

    def lose_first(self) -> None:
        """Take the first message out of the client's inbox and throw it away."""
        body = {"count": 1, "ackmode": "ack_requeue_false", "encoding": "base64"}
        with self._management() as management:
            management.post("queues", self.bus.vhost, inbox_queue(CLIENT), "get", body=body)

    def lose_all(self) -> None:
        """Throw everything away that stands in the client's inbox."""
        with self._management() as management:
            management.delete("queues", self.bus.vhost, inbox_queue(CLIENT), "contents")

    def _management(self) -> Management:
        return Management(self.bus.broker.management_url)

    def spoil_letters(self, agency: str) -> None:
        """Break the signature of every letter that stands in an inbox; the letters stay what they are."""
        name = inbox_queue(AgencyCode(agency))
        body = {"count": 1000, "ackmode": "ack_requeue_false", "encoding": "base64"}
        with self._management() as management:
            taken = management.post("queues", self.bus.vhost, name, "get", body=body)
        again = [_spoilt(agency, one) for one in taken]
        if not any(one.type == "letter" for one in again):
            raise Failed("no letter stood in the inbox")
        asyncio.run(self._publish(ROUTER, again))

    def another_letter(self, letter_id: str) -> None:
        """Submit another letter under the id of one of the client's, as its twin from an old backup might."""
        moment = now()
        made = Letter(
            letter_id=UUID(letter_id),
            number="นร 0000/1",
            date=moment.date(),
            sent_at=moment,
            kind="stamped",
            sender=Sender(agency=CLIENT, name="หน่วยงานตัวอย่าง"),
            receivers=(Receiver(agency=COUNTERPART),),
            content=Content(subject="อีกฉบับหนึ่งภายใต้เลขประจำเอกสารเดิม (ตัวอย่าง)"),
            main_file=File(
                name=self.file.name,
                size=len(PDF),
                digest=RawDigest(hashlib.sha256(PDF).hexdigest()),
                media_type="application/pdf",
            ),
        )
        submission = Outgoing(
            exchange=submit_exchange(CLIENT),
            body=sign(made, self.bus.seal(CLIENT)).raw,
            message_id=letter_id,
            type="letter",
            user_id=user_of(CLIENT),
        )
        asyncio.run(self._publish(user_of(CLIENT), [submission]))

    async def _publish(self, user: str, messages: Sequence[Outgoing]) -> None:
        async with Link(self.bus.amqp_url(user), name="conformance") as link:
            await link.wait_connected()
            for each in messages:
                await link.publish(each)

    def consign_again(self, letter: Entry) -> None:
        """Send the client a letter's consignment once more, under its old number."""
        with self.ledger.read() as reader:
            given = reader.given_with(letter.seq, CLIENT)
        if given is None:
            raise Failed("the letter was not consigned to the client")
        with self.ledger.append() as writer:
            writer.repeat(CLIENT, given[0])

    def new_directory(self, replaced: Mapping[str, str]) -> None:
        """Put the next version in force, with these texts replaced by others."""
        text = (self.bus.folder / "agencies.toml").read_text(encoding="utf-8")
        for old, new in replaced.items():
            text = text.replace(old, new)
        text = re.sub(r"(?m)^version = (\d+)", lambda found: f"version = {int(found[1]) + 1}", text, count=1)
        self.bus.apply_directory(text)

    def stop_counterpart(self) -> None:
        self.bus.processes[f"adapter-{COUNTERPART}"].stop()

    def start_counterpart(self) -> None:
        self.bus.start_adapter(COUNTERPART)

    def renew_client(self) -> dict[str, str]:
        """Pin a second certificate for the client; give what of its environment is another then."""
        name = f"{CLIENT}-2"
        write_seal(new_seal(CLIENT), self.bus.keys, name)
        first = f'{{ file = "{CLIENT}.crt.pem" }}'
        self.new_directory({first: f'{first}, {{ file = "{name}.crt.pem" }}'})
        keys = self.bus.keys
        return {
            "SARABAN_KEY": str(keys / f"{name}.key.pem"),
            "SARABAN_CERTIFICATE": str(keys / f"{name}.crt.pem"),
        }

    def revoke_first_of_client(self) -> None:
        """Revoke the certificate that the client began with."""
        first = f'file = "{CLIENT}.crt.pem"'
        self.new_directory({first: f"{first}, revoked_at = {now().isoformat(timespec='seconds')}"})

    def renew_counterpart(self) -> None:
        """Give the counterpart a second certificate by a new version of the directory, and have it sign with that."""
        name = f"{COUNTERPART}-2"
        write_seal(new_seal(COUNTERPART), self.bus.keys, name)
        first = f'certificates = [{{ file = "{COUNTERPART}.crt.pem" }}'
        self.new_directory({first: f'{first}, {{ file = "{name}.crt.pem" }}'})
        settings = self.bus.adapter_settings(COUNTERPART)
        text = settings.read_text(encoding="utf-8")
        for kind in ("key", "crt"):
            text = text.replace(f"{COUNTERPART}.{kind}.pem", f"{name}.{kind}.pem")
        settings.write_text(text, encoding="utf-8")
        self.stop_counterpart()
        self.start_counterpart()


def _spoilt(agency: str, taken: Mapping[str, Any]) -> Outgoing:
    """A message that was taken out of an inbox, as it goes back; a letter's signature is another then."""
    properties = taken["properties"]
    body = base64.b64decode(taken["payload"])
    if properties["type"] == "letter":
        begin = body.index(b"SignatureValue>") + len(b"SignatureValue>")
        body = body[:begin] + body[begin : begin + 40].swapcase() + body[begin + 40 :]
    return Outgoing(
        exchange=DELIVER,
        routing_key=agency,
        body=body,
        message_id=properties["message_id"],
        type=properties["type"],
        headers=properties["headers"],
        content_type=properties["content_type"],
    )
