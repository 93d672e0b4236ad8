"""`saraban-adapter key`: this agency's key, and the certificate that the operators of the bus pin."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from adapters.cli.output import AsJson, Config, say, settings_of
from bus.documents.making import LONGEST_DAYS, SEAL_DAYS, KeyFiles, new_seal, write_pair
from bus.thai import thai_date

app = typer.Typer(no_args_is_help=True, help="This agency's key and its certificate.")


@app.command()
def make(
    days: Annotated[
        int, typer.Option(min=1, max=LONGEST_DAYS, help="How long it is to be valid.")
    ] = SEAL_DAYS,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Write a key, for its owner only, and its certificate where `seal.key` and `seal.certificate` say.

    Nothing is written over. A passphrase is taken from SARABAN_ADAPTER__SEAL__PASSPHRASE.
    """
    settings = settings_of(config)
    section = settings.seal
    seal = new_seal(settings.agency, not_after=datetime.now(UTC) + timedelta(days=days))
    files = KeyFiles(section.key, section.certificate)
    write_pair(seal.private_key, seal.certificate, files, passphrase=section.passphrase_text())
    until = seal.certificate.not_valid_after_utc
    view = {
        "key": str(files.key),
        "certificate": str(files.certificate),
        "sha256": seal.fingerprint,
        "valid_until": until.isoformat(),
    }
    if as_json:
        say(True, view, "")
        return
    say(False, None, f"ส่งใบรับรองนี้ให้ผู้ดูแลระบบกลาง (ใช้ได้ถึงวันที่ {thai_date(until)}): {files.certificate}")
    say(
        False,
        None,
        f"give this certificate to the operators of the bus (valid until {until:%Y-%m-%d}): {files.certificate}",
    )
    say(False, None, f"SHA-256 {seal.fingerprint}")
    say(
        False,
        None,
        f"เก็บกุญแจนี้ไว้ที่หน่วยงาน ห้ามมอบให้ผู้ใด · keep this key, and give it to nobody: {files.key}",
    )
