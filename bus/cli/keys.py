"""`saraban-bus key`: a key with its certificate, for the bus or for an agency that is only tried out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from bus.cli.common import Config, Json, say, settings_of
from bus.documents.making import LONGEST_DAYS, SEAL_DAYS, new_seal, write_seal

app = typer.Typer(no_args_is_help=True, help="Keys and their certificates.")


@app.command()
def make(
    name: Annotated[str, typer.Argument(help="Whose key it is, such as bus; the two files are named by it.")],
    folder: Annotated[
        Path | None, typer.Option(help="Where to write; the folder of the bus's own key if left out.")
    ] = None,
    days: Annotated[
        int, typer.Option(min=1, max=LONGEST_DAYS, help="How long it is to be valid.")
    ] = SEAL_DAYS,
    config: Config = None,
    json: Json = False,
) -> None:
    """Write NAME.key.pem, for its owner only, and NAME.crt.pem, which the directory pins; nothing is written over.

    A passphrase is taken from SARABAN_BUS__SEAL__PASSPHRASE.
    """
    section = settings_of(config).seal
    seal = new_seal(name, not_after=datetime.now(UTC) + timedelta(days=days))
    files = write_seal(seal, folder or section.key.parent, name, passphrase=section.passphrase_text())
    until = seal.certificate.not_valid_after_utc
    words = [
        f"the key: {files.key} (keep it, and give it to nobody)",
        f"its certificate: {files.certificate} (valid until {until:%Y-%m-%d}, SHA-256 {seal.fingerprint})",
    ]
    value = {
        "key": str(files.key),
        "certificate": str(files.certificate),
        "sha256": seal.fingerprint,
        "valid_until": until.isoformat(),
    }
    say(value, json=json, words=words)
