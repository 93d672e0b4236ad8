"""Bringing a backup back into an empty place; `bus.backup` says why in this order.

1. The whole backup is read, and is what was put in.
2. There is no ledger where this one would go.
3. Settings and keys that are not there yet, the files of the depot, its books: what is there already stays.
4. The ledger, in one step.
5. Every newer head that is known here: what the ledger lacks of it is said, and the ledger is halted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bus.backup import databases, sources
from bus.backup.files import BadBackup, digest_of, put_copy, put_unchanging, require_whole
from bus.backup.manifest import DEPOT_BOOKS, DEPOT_FILES, LEDGER, Manifest
from bus.depot.contents import LocalStore
from bus.depot.store import local_contents
from bus.errors import Misconfigured, Problem
from bus.identifiers import RawDigest
from bus.ledger import halt, schema
from bus.ledger.checkpoint import missing
from bus.ledger.facts import facts_at
from bus.ledger.rows import Head
from bus.ledger.store import Ledger
from bus.operators import of_the_bus
from bus.settings.bus import BusSettings, load_bus_settings

Step = Callable[[str, int, int], None]


@dataclass(slots=True)
class Restored:
    """What was brought back, and what was not."""

    manifest: Manifest
    files: int = 0
    """Of the depot; those that were there already are not counted."""
    written: list[Path] = field(default_factory=list)
    """Settings and keys."""
    left: list[Path] = field(default_factory=list)
    """Settings and keys that are there already, and are others."""
    newest: int | None = None
    """Of how many entries the newest head is that was known; None if none was."""
    missing: str | None = None
    """Which entries the ledger lacks, by a newer head; it is halted then."""


def checked(folder: Path) -> Manifest:
    """Read all of a backup and write nothing. Raises BadBackup with what is wrong."""
    manifest = Manifest.read(folder)
    if not schema.knows(manifest.schema):
        raise BadBackup(
            f"{folder} has a ledger of schema {manifest.schema}, which is newer than this program"
        )
    listed = manifest.files(folder)
    _require_complete(folder, manifest, listed)
    require_whole(folder, listed)
    return manifest


def _require_complete(folder: Path, manifest: Manifest, listed: Sequence[tuple[str, str]]) -> None:
    """Raise BadBackup unless each file that the manifest speaks of is in the list, and the depot's have their names."""
    books = [DEPOT_BOOKS] if manifest.depot_database else []
    wanted = {LEDGER, *books, *manifest.settings, *(one["file"] for one in manifest.keys if "file" in one)}
    depot = {name: digest for digest, name in listed if name not in wanted}
    right = all(name == f"{DEPOT_FILES}/{digest[:2]}/{digest}" for name, digest in depot.items())
    if wanted - {name for _, name in listed} or not right or len(depot) != manifest.depot_files:
        raise BadBackup(f"{folder}: the manifest and the list of files do not speak of the same")


def settings_for(folder: Path, manifest: Manifest, config: Path | None) -> BusSettings:
    """Return the settings to bring back by: those of `config`, or the backup's, put there, if it is not there."""
    if config is not None and not config.exists():
        kept = next((name for name, setting in manifest.settings.items() if setting == sources.CONFIG), None)
        if kept is None:
            wrong, fix = "is not there, and the backup has none", "Write the settings first."
            raise Misconfigured(Problem(str(config), "--config", wrong, fix))
        beside = config.with_name(f".{config.name}.brought-back")
        put_copy(folder / kept, beside)
        try:
            # In its own folder, from which its paths start; it gets its name once nothing stands in the way.
            settings = load_bus_settings(beside)
            require_no_ledger(settings)
            beside.replace(config)
        finally:
            beside.unlink(missing_ok=True)
        return settings
    return load_bus_settings(config)


def require_no_ledger(settings: BusSettings) -> None:
    """Raise Misconfigured if there is a ledger where one would be brought back: nothing is written over it."""
    address = settings.ledger.address()
    if databases.is_there(address, "entries"):
        how = (
            f"move {databases.file_of(address)} and what begins with its name away"
            if databases.kind_of(address) == "sqlite"
            else "rename that database and make an empty one"
        )
        fix = f"Stop every router and the depot; {how}, and keep it: it may have entries that no backup has."
        raise Misconfigured(Problem("bus.toml", "ledger.url", "there is a ledger already", fix))


def restore(
    folder: Path,
    manifest: Manifest,
    settings: BusSettings,
    config: Path | None,
    *,
    heads: Sequence[Head] = (),
    step: Step = lambda *_: None,
) -> Restored:
    """Bring a checked backup back. May be given again after an interruption; Misconfigured if there is a ledger.

    `heads` are signed heads that are known here: the newest one says what the ledger lacks.
    """
    require_no_ledger(settings)
    address = settings.ledger.address()
    kind = databases.kind_of(address)
    if kind != manifest.database:
        wrong, fix = f"is {kind}, the backup is of {manifest.database}", "Name a database of the same kind."
        raise Misconfigured(Problem("bus.toml", "ledger.url", wrong, fix))
    done = Restored(manifest)
    _put_files(folder, manifest.settings.items(), settings, config, done)
    secrets = [(one["file"], one["setting"]) for one in manifest.keys if "file" in one]
    _put_files(folder, secrets, settings, config, done)
    _put_depot(LocalStore(folder / DEPOT_FILES), local_contents(settings.depot.folder), done, step)
    _put_books(folder / DEPOT_BOOKS, manifest, settings)
    if kind == "sqlite":
        target = databases.file_of(address)
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        databases.put_sqlite(folder / LEDGER, target)
    else:
        databases.load_postgresql(folder / LEDGER, settings.ledger.owner_address())
        role, console = settings.ledger.runtime_role, settings.ledger.console_role
        if role or console:
            schema.upgrade(settings.ledger.owner_address(), runtime_role=role, console_role=console)
    facts = facts_at(address)
    if facts.entries != manifest.entries:
        raise BadBackup(f"the ledger has {facts.entries} entries, the backup says {manifest.entries}")
    _require_newest(address, facts.entries, heads, done)
    return done


def _put_files(
    folder: Path,
    files: Iterable[tuple[str, str]],
    settings: BusSettings,
    config: Path | None,
    done: Restored,
) -> None:
    """Put files where the settings have them, unless something is there. The directory comes before what it names."""
    for name, setting in files:
        target = sources.place_of(setting, settings, config)
        if target is None or (target.exists() and digest_of(target) == digest_of(folder / name)):
            continue
        if target.exists():
            done.left.append(target)
            continue
        put_copy(folder / name, target)
        done.written.append(target)


def _put_depot(kept: LocalStore, store: LocalStore, done: Restored, step: Step) -> None:
    for sha256 in kept.every():
        if not _has(store, sha256):
            put_unchanging(kept.path(sha256), store.path(sha256))
            done.files += 1
        step("files", done.files, done.manifest.depot_files)
    store.sync()


def _has(store: LocalStore, sha256: RawDigest) -> bool:
    return store.size(sha256) is not None and digest_of(store.path(sha256)) == sha256


def _put_books(copy: Path, manifest: Manifest, settings: BusSettings) -> None:
    """Bring back who has shown what, unless the depot's books are there: they are newer than any backup."""
    address = settings.depot.database_address()
    if manifest.depot_database is None or databases.is_there(address, "presence"):
        return
    if databases.kind_of(address) != manifest.depot_database:
        wrong, fix = (
            f"is not {manifest.depot_database}, as in the backup",
            "Name a database of the same kind.",
        )
        raise Misconfigured(Problem("bus.toml", "depot.database", wrong, fix))
    if manifest.depot_database == "sqlite":
        databases.put_sqlite(copy, databases.file_of(address))
    else:
        databases.load_postgresql(copy, address)


def _require_newest(address: str, entries: int, heads: Sequence[Head], done: Restored) -> None:
    """Halt the ledger, and say what is missing, if it is shorter than a head that was signed."""
    newest = max(heads, key=lambda head: head.size, default=None)
    done.newest = newest.size if newest else None
    if newest is None or newest.size <= entries:
        return
    done.missing = missing(entries, newest)
    with Ledger(address) as ledger:
        halt.set_halted(ledger.engine, True, operator=of_the_bus("restore"), reason=done.missing)
