"""Letters for the benchmarks: 6 to 9 kB once signed, each with an id of its own, about one file that the depot has."""

from __future__ import annotations

import re
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import count
from pathlib import Path
from uuid import uuid4

import httpx

from bus.documents.letter import Content, File, Letter, Receiver, Sender, Signer
from bus.documents.seal import Seal
from bus.documents.signing import sign
from bus.documents.tokens import request_token
from bus.identifiers import AgencyCode
from bus.thai import now
from tests.assets.digests import raw_digest

PAPER = b"%PDF-1.7 a sample page for the benchmark\n"
DIGEST = raw_digest(PAPER)
_LETTER_ID = re.compile(rb"<LetterID>([^<]+)</LetterID>")
_running = count(1)
_BODY = "ตามที่สำนักงานได้รับมอบหมายให้ดำเนินการเชื่อมโยงระบบสารบรรณอิเล็กทรอนิกส์ จึงเรียนมาเพื่อโปรดพิจารณา " * 14


def letter(sender: AgencyCode, receivers: Sequence[Receiver], *, speed: str = "001") -> Letter:
    """Return a letter of the size that the figures are given for."""
    moment = now()
    return Letter(
        letter_id=uuid4(),
        number=f"นร 0101/{next(_running)}",
        date=moment.date(),
        sent_at=moment,
        kind="external",
        speed=speed,
        sender=Sender(agency=sender, name="หน่วยงานตัวอย่าง"),
        receivers=tuple(receivers),
        content=Content(
            subject="ขอความอนุเคราะห์ข้อมูลการเชื่อมโยงระบบ",
            signers=(Signer(given_name="ตัวอย่าง", family_name="ผู้ลงนาม", job_title="ผู้อำนวยการ (ตัวอย่าง)"),),
            body=_BODY.strip(),
        ),
        main_file=File(name="หนังสือ.pdf", size=len(PAPER), digest=DIGEST, media_type="application/pdf"),
    )


def signed(keys: Path, sender: AgencyCode, receivers: Sequence[Receiver], wanted: int) -> list[bytes]:
    """Return so many signed letters, made by two processes."""
    chunk = 250
    sizes = [min(chunk, wanted - start) for start in range(0, wanted, chunk)]
    with ProcessPoolExecutor(2) as pool:
        batches = pool.map(
            sign_some, *zip(*((keys, sender, tuple(receivers), n) for n in sizes), strict=True)
        )
        return [raw for batch in batches for raw in batch]


def sign_some(keys: Path, sender: AgencyCode, receivers: tuple[Receiver, ...], wanted: int) -> list[bytes]:
    seal = Seal.from_files(keys / f"{sender}.key.pem", keys / f"{sender}.crt.pem")
    return [sign(letter(sender, receivers), seal).raw for _ in range(wanted)]


def id_of(raw: bytes) -> str:
    """Return the LetterID, which an adapter gives its messages as their id."""
    found = _LETTER_ID.search(raw)
    return found[1].decode() if found else ""


def upload(depot_url: str, seal: Seal, sender: AgencyCode) -> None:
    """Show the depot that the sender has the file."""
    path = f"/files/{DIGEST}"
    token = request_token(seal, sender, "PUT", path)
    httpx.put(
        depot_url + path, content=PAPER, headers={"Authorization": f"Bearer {token}"}
    ).raise_for_status()
