"""Ledgers for the tests of the auditors' pages: the lived one, with letters whose texts try to do harm."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bus.documents.letter import Receiver
from bus.documents.signing import sign
from bus.ledger.checkpoint import Signer
from bus.ledger.entry import Kind
from bus.ledger.store import Ledger
from bus.operators import Role
from tests.assets import factory
from tests.assets.factory import OCS, OPM, SOC
from tests.contract import ledger_rig as rig
from tests.contract.console_rig import PEOPLE, Console, console_over
from tests.contract.lived import Lived, live

AUDITOR = PEOPLE[Role.AUDITOR].name
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{ 7 * 7 }} {% raw %}",
    '=HYPERLINK("http://evil.example")',
    "@SUM(1+1)",
    "ก" * 900,
    "เรื่อง\u202eกลับด้าน\u2066",
    "&lt;already&amp;escaped&gt;",
)
"""Subjects that a page, a spreadsheet or a terminal could take for something else."""


@contextmanager
def auditors_console(ledger: Ledger, folder: Path, /, **settings: Any) -> Iterator[tuple[Console, Lived]]:
    """Give the console over a ledger in which things have happened, with the log's key where the settings say."""
    lived = live(ledger, folder)
    key, certificate = folder / "bus.key.pem", folder / "bus.crt.pem"
    seal = factory.seal("bus")
    key.touch(0o600)
    key.write_bytes(seal.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    certificate.write_bytes(seal.certificate.public_bytes(Encoding.PEM))
    given = {
        "ledger": {"key": str(folder / "log.key.pem"), "origin": rig.ORIGIN},
        "seal": {"key": str(key), "certificate": str(certificate)},
        "depot": {"folder": str(folder / "depot")},
    } | settings
    with console_over(ledger, folder, **given) as console:
        yield console, lived


def send(lived: Lived, subject: str, number: str, **changes: Any) -> int:
    """Have one more letter of OPM accepted, to OCS and SOC; return its ledger number."""
    written = factory.letter(
        sender=factory.sender(OPM),
        receivers=tuple(Receiver(agency=code) for code in (OCS, SOC)),
        number=number,
        **changes,
    )
    assert written.content is not None
    written = replace(written, content=replace(written.content, subject=subject))
    assert lived.router.take(rig.delivery(sign(written, factory.seal(OPM)).raw)).outcome == "accepted"
    with lived.ledger.read() as reader:
        return reader.latest_seq(Kind.ACCEPTED)


def readings(ledger: Ledger) -> list[dict[str, Any]]:
    """Return the readings that were entered, without what every entry has."""
    with ledger.read() as reader:
        return [dict(entry.body) for entry in reader.every(Kind.READ)]


def sign_heads(signer: Signer) -> None:
    """Have a head signed over everything that was entered."""
    signer.sign()
