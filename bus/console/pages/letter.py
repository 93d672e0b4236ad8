"""A letter's page for auditors, its evidence pack, and its certificate of delivery."""

from __future__ import annotations

import re
import tempfile
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from bus.console.asked import Asked
from bus.console.names import names_for
from bus.console.roles import AUDITORS
from bus.errors import Misconfigured
from bus.evidence.certificate import certificate_of, require_typst
from bus.evidence.pack import write_pack
from bus.evidence.printing import printed
from bus.evidence.stamping import stamper
from bus.evidence.statement import names_of
from bus.ledger.evidence import Evidence, NotSigned, gather
from bus.ledger.reading import Reader
from bus.ledger.rows import LetterRow
from bus.pages.answers import Answer, Listed, NoSuchPage, NotAllowed, Page, Sent, Shown
from bus.pages.columns import About
from bus.pages.given import given
from bus.router.signers import bus_seal
from bus.thai import now
from bus.verifier.container import MIMETYPE
from bus.views.finding import COLUMNS_BY_RECIPIENT, by_recipient, head_of
from bus.views.grants import grant_in_force
from bus.views.letters import MOST_NUMBER
from bus.views.one_letter import whole_letter

_NO_SEAL: Final = (
    "คอนโซลนี้ลงลายมือชื่อชุดหลักฐานไม่ได้ ให้สั่งคำสั่งนี้ในเครื่องที่มีกุญแจของระบบกลาง",
    "This console cannot seal packs; run this where the bus's key is.",
)
_STYLE: Final = re.compile(r"<style>(.*?)</style>", re.DOTALL)


def letter(asked: Asked) -> Answer:
    """Show who has not acknowledged, what happened, and the proof of it."""
    given(asked, ())
    with asked.site.ledger.read() as reader:
        row = the_letter(asked, reader)
        names, head = names_for(asked.site, reader), head_of(reader)
        listed = None
        value: dict[str, Any] = {"letter": row.letter}
        if asked.address.partition("?")[0].endswith(".csv"):
            rows = by_recipient([(row, reader.state_of(row.letter))])
            listed = Listed(COLUMNS_BY_RECIPIENT, rows, About({"letter": row.letter}, head), names)
        else:
            value = whole_letter(reader, names, row) | {"head": head}
        grant = grant_in_force(reader.entries_of(row.letter), asked.person.name, now())
    # Not an entry about the letter: each look would then be one that no signed head covers yet.
    asked.note_reading("show", {"letter": row.letter}, 1)
    return Shown("letter.html", value, {"grant": grant.body if grant else None}, listed)


def pack(asked: Asked) -> Answer:
    """Send the evidence pack of a letter, as `saraban-bus evidence` writes it without the letter's files."""
    given(asked, ())
    number = _number(asked)
    found = _evidence(asked, number)
    with _packed(asked, found, number) as (path, _):
        asked.note_reading("evidence", {"from": number, "to": number}, 1)
        return Sent(path.read_bytes(), MIMETYPE, f"letter-{number}.asice")


def certificate(asked: Asked) -> Answer:
    """Send the certificate of delivery as a page for printing."""
    given(asked, ())
    number = _number(asked)
    found = _evidence(asked, number)
    page = printed(found, names_of(found), now())
    hashes = [
        f"sha256-{b64encode(sha256(style.encode()).digest()).decode()}" for style in _STYLE.findall(page)
    ]
    asked.note_reading("certificate", {"letter": number}, 1)
    return Sent(page.encode(), "text/html; charset=utf-8", style_hashes=hashes)


def certificate_pdf(asked: Asked) -> Answer:
    """Send the certificate of delivery as PDF, with the evidence pack in it."""
    given(asked, ())
    number = _number(asked)
    try:
        require_typst()
    except Misconfigured as lacking:
        raise NotAllowed(
            f"สร้าง PDF ในเครื่องนี้ไม่ได้ ให้พิมพ์จากหน้า /letters/{number}/certificate แทน",
            f"PDF cannot be made here: print /letters/{number}/certificate instead.",
            str(lacking),
        ) from lacking
    found, at = _evidence(asked, number), now()
    with _packed(asked, found, number) as (path, doubts):
        stamped = asked.site.settings.evidence.tsa_url is not None
        pdf = certificate_of(
            found, names_of(found), at, pack=path.read_bytes(), stamped=stamped, doubts=doubts
        )
    asked.note_reading("certificate", {"letter": number}, 1)
    return Sent(pdf, "application/pdf", f"letter-{number}.pdf")


def the_letter(asked: Asked, reader: Reader) -> LetterRow:
    """Return the letter of the address. Raises NoSuchPage."""
    row = reader.letter(_number(asked))
    if row is None:
        raise NoSuchPage(f"no letter was accepted by entry {_number(asked)}")
    return row


def _number(asked: Asked) -> int:
    number = int(asked.path["letter"])
    if not 0 < number < MOST_NUMBER:
        raise NoSuchPage("no ledger reaches this number")
    return number


def _evidence(asked: Asked, number: int) -> Evidence:
    with asked.site.ledger.read() as reader:
        the_letter(asked, reader)
        try:
            return gather(reader, number)
        except NotSigned as early:
            raise NotAllowed(
                "ยังไม่มีหัวบัญชีที่ลงลายมือชื่อครอบคลุมหนังสือนี้ โปรดลองอีกครั้งในอีกไม่กี่วินาที",
                "No signed head covers this letter yet; try again in a few seconds.",
                str(early),
            ) from early
        except LookupError as lost:
            raise NotAllowed(
                "บัญชีไม่ครบถ้วน ให้สั่ง saraban-bus ledger verify",
                "The ledger is not whole; run `saraban-bus ledger verify`.",
                str(lost),
            ) from lost


@contextmanager
def _packed(asked: Asked, found: Evidence, number: int) -> Iterator[tuple[Path, tuple[str, ...]]]:
    """Give the pack and what of it is in doubt; it is gone afterwards."""
    settings = asked.site.settings
    command = f"saraban-bus evidence {number} -o letter-{number}.asice"
    if not settings.console.seal:
        raise NotAllowed(*_NO_SEAL, command)
    try:
        seal = bus_seal(settings)
    except Misconfigured as lacking:
        raise NotAllowed(*_NO_SEAL, f"{lacking}; {command}") from lacking
    with tempfile.TemporaryDirectory(prefix="saraban-pack-") as folder:
        path = Path(folder) / "pack.asice"
        yield path, write_pack(path, found, seal, at=now(), stamp=stamper(settings.evidence))


PAGES = (
    Page("/letters/{letter:int}/pack", AUDITORS, pack, twin=False, large=True),
    Page("/letters/{letter:int}/certificate", AUDITORS, certificate, twin=False, large=True),
    Page("/letters/{letter:int}/certificate-pdf", AUDITORS, certificate_pdf, twin=False, large=True),
    Page("/letters/{letter:int}", AUDITORS, letter, csv=True, large=True),
)
