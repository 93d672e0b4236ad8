"""`saraban-bus ledger tiles`: the tree of hashes as files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from bus.cli.common import Config, Json, opened, say, settings_of
from bus.cli.progress import bars
from bus.documents.notes import log_key
from bus.errors import Misconfigured, Problem
from bus.exits import NEGATIVE
from bus.ledger import tile_export
from bus.logs import in_words
from bus.settings.bus import BusSettings

app = typer.Typer(no_args_is_help=True, help="The ledger's tree of hashes as files (C2SP tlog-tiles).")

Folder = Annotated[Path | None, typer.Argument(help="The folder; `ledger.tiles_folder` if left out.")]


@app.command("export")
def export(folder: Folder = None, config: Config = None, json: Json = False) -> None:
    """Write what the newest signed head covers and the folder lacks; run it again to go on. Exit 1 before any head."""
    settings = settings_of(config)
    place = _folder(settings, folder)
    with opened(settings) as ledger, ledger.read() as reader, bars(json) as progress, _usable(place):
        done = tile_export.export(reader, place, progress)
    if done is None:
        say({"size": 0, "tiles": 0, "leavable": {}}, json=json, words=["no head is signed yet"])
        raise typer.Exit(NEGATIVE)
    words = [f"{place} has the tree of {done.head.size} entries; {done.tiles} complete tiles are new"]
    words += [
        f"level {level}: the first {count} are below complete ones" for level, count in done.leavable.items()
    ]
    say({"size": done.head.size, "tiles": done.tiles, "leavable": done.leavable}, json=json, words=words)


@app.command("check")
def check(folder: Folder = None, config: Config = None, json: Json = False) -> None:
    """Hold a folder against its signed head, and that against the ledger; exit 1 if anything is otherwise."""
    settings = settings_of(config)
    place, section = _folder(settings, folder), settings.ledger
    key = log_key(section.key, section.origin, section.passphrase_text()).verifier
    with opened(settings) as ledger, ledger.read() as reader, bars(json) as progress, _usable(place):
        found = tile_export.check(reader, place, key, progress)
    if found is None:
        say(
            {"verdict": "fail", "findings": ["no head"]},
            json=json,
            words=[f"nothing was exported to {place}"],
        )
        raise typer.Exit(NEGATIVE)
    verdict = "fail" if found.findings else "pass"
    said = {"verdict": verdict, "size": found.head.size, "tiles": found.tiles, "findings": found.findings}
    summary = f"{verdict}: {found.tiles} tiles under a head of {found.head.size} entries"
    say(said, json=json, words=[*found.findings, summary])
    if found.findings:
        raise typer.Exit(NEGATIVE)


@contextmanager
def _usable(place: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        fix = "Name a folder that can be read and written, on a disk with room."
        raise Misconfigured(
            Problem(str(place), "folder", f"cannot be used ({in_words(error)})", fix)
        ) from error


def _folder(settings: BusSettings, given: Path | None) -> Path:
    place = given or settings.ledger.tiles_folder
    if place is None:
        fix = "Set it, or name a folder."
        raise Misconfigured(Problem("bus.toml", "ledger.tiles_folder", "is not set", fix))
    return place
