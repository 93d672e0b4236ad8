"""`saraban-bus backup` and `saraban-bus restore`: the whole centre in one folder, and back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from bus.backup.making import Made, make
from bus.backup.manifest import Manifest
from bus.backup.restoring import Restored, checked, require_no_ledger, restore, settings_for
from bus.cli.common import Config, Json, say, settings_of
from bus.cli.heads import head_in
from bus.cli.progress import bars
from bus.exits import NEGATIVE
from bus.ledger import schema
from bus.ledger.checkpoint import read_kept

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="The backup's folder.")]


def backup(
    folder: Folder,
    config: Config = None,
    json: Json = False,
    with_keys: Annotated[
        bool, typer.Option("--with-keys", help="Put keys and passwords in too; whoever has it is the bus.")
    ] = False,
) -> None:
    """Put a backup of ledger, depot and settings into a new folder, while routers and depot go on."""
    place = _config(config)
    settings = settings_of(place)
    schema.check(settings.ledger.address())
    with bars(json) as step:
        made = make(settings, place, folder, with_keys=with_keys, step=step)
    say({"backup": str(folder), **_account(made.manifest)}, json=json, words=_words(folder, made))
    if made.manifest.lacking:
        raise typer.Exit(NEGATIVE)


def bring_back(
    folder: Folder,
    config: Config = None,
    json: Json = False,
    check: Annotated[
        bool, typer.Option("--check", help="Read all of the backup, and write nothing.")
    ] = False,
    head: Annotated[
        list[Path] | None,
        typer.Option(
            help="A newer signed head, as a router's kept_head or a witness has it; may be repeated."
        ),
    ] = None,
) -> None:
    """Bring a backup back where there is no ledger; exit 1, with the ledger halted, if it is not the newest."""
    known = [head_in(each, "--head") for each in head or ()]
    place = _config(config) or Path("bus.toml").absolute()
    if not check and place.exists():
        require_no_ledger(settings_of(place))
    with bars(json) as step:
        manifest = checked(folder)
        if check:
            say(_account(manifest), json=json, words=[*_of(manifest), "the backup is whole"])
            return
        settings = settings_for(folder, manifest, place)
        kept = read_kept(settings.ledger.kept_head)
        done = restore(
            folder, manifest, settings, place, heads=[*known, *([kept] if kept else [])], step=step
        )
    value = {
        "missing": done.missing,
        "files": done.files,
        "left": [*map(str, done.left)],
        **_account(manifest),
    }
    say(value, json=json, words=_told(done))
    if done.missing:
        raise typer.Exit(NEGATIVE)


def _config(config: Path | None) -> Path | None:
    """The settings file that is meant, if one is: absolute, for paths in it start from its folder."""
    here = Path("bus.toml")
    found = config or (here if here.exists() else None)
    return found.absolute() if found else None


def _account(manifest: Manifest) -> dict[str, object]:
    return {
        "madeAt": manifest.made_at,
        "schema": manifest.schema,
        "entries": manifest.entries,
        "head": manifest.head,
        "depotFiles": manifest.depot_files,
        "depotBytes": manifest.depot_bytes,
        "lacking": list(manifest.lacking),
        "keys": [dict(one) for one in manifest.keys],
    }


def _of(manifest: Manifest) -> Iterator[str]:
    signed = (
        f"the newest signed head is of {manifest.head_size}" if manifest.head else "no head is signed yet"
    )
    yield f"ledger: {manifest.entries} entries, schema {manifest.schema}; {signed}"
    yield f"depot: {manifest.depot_files} files, {manifest.depot_bytes} bytes"


def _words(folder: Path, made: Made) -> Iterator[str]:
    manifest = made.manifest
    yield from _of(manifest)
    yield f"  {made.linked} of them are links: they share their blocks with the depot until this folder is copied away"
    yield f"settings: {len(manifest.settings)} files"
    for one in manifest.keys:
        where = f"in this backup, {one['file']}" if "file" in one else "NOT in this backup; keep it in a safe"
        yield f"key {one['setting']} ({one['purpose']}): {one['path']}: {where}"
    for sha256 in manifest.lacking:
        yield f"LACKING: a letter names the file {sha256}, and the depot does not have it"
    yield f"the backup is in {folder}; `saraban-bus restore {folder} --check` reads all of it"


def _compared(done: Restored) -> str:
    ask = "ask the other routers (`ledger.kept_head`) and a witness for theirs, and see `--head`"
    if done.newest is None:
        return (
            f"no signed head is known here, so that nobody can say whether this is the newest ledger; {ask}"
        )
    return f"nothing is missing by the newest head that is known here, of {done.newest} entries; {ask}"


def _told(done: Restored) -> Iterator[str]:
    yield from _of(done.manifest)
    yield f"brought back: the ledger, {done.files} files of the depot, {len(done.written)} settings and keys"
    for path in done.left:
        yield f"left as it is, though the backup has another: {path}"
    absent = [one for one in done.manifest.keys if "file" not in one and not Path(one["path"]).exists()]
    for one in absent:
        yield f"bring the key for {one['setting']} from the safe: {one['path']} ({one['purpose']})"
    if done.missing is None:
        yield _compared(done)
        yield "next: `saraban-bus ledger verify`, start depot and routers, `saraban-adapter reconcile` at the agencies"
        return
    yield f"MISSING: {done.missing}"
    yield "the ledger is halted: submissions wait at the broker, and agencies have letters that it does not know"
    yield "how many of these entries are letters, only mailboxes know: `saraban-adapter outbox --json`, by `entry`"
    yield "next: bring the newer ledger (a later backup, the standby, the write-ahead log) into this one's place"
