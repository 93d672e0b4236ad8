"""Making a backup; `bus.backup` says why in this order."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from bus.backup import databases, sources
from bus.backup.files import digest_of, put_bytes, put_copy, put_unchanging, sums
from bus.backup.ledgers import copy_ledger
from bus.backup.manifest import DEPOT_BOOKS, DEPOT_FILES, LEDGER, SUMS, Manifest
from bus.depot.contents import LocalStore
from bus.depot.store import local_contents
from bus.errors import Misconfigured, Problem
from bus.settings.bus import BusSettings
from bus.thai import now

Step = Callable[[str, int, int], None]
"""Told as it goes: of what, how many are done, of how many."""


@dataclass(frozen=True, slots=True)
class Made:
    """A backup, and how its files of the depot came into it."""

    manifest: Manifest
    linked: int


def make(
    settings: BusSettings,
    config: Path | None,
    folder: Path,
    *,
    with_keys: bool = False,
    step: Step = lambda *_: None,
) -> Made:
    """Put a backup into a new folder, while everything goes on. Raises Misconfigured if something is there already."""
    _require_new(folder)
    address = settings.ledger.address()
    facts = copy_ledger(address, folder / LEDGER)
    kept = LocalStore(folder / DEPOT_FILES)
    files, size, linked = _keep_files(local_contents(settings.depot.folder), kept, len(facts.named), step)
    books = _keep_books(settings, address, folder / DEPOT_BOOKS)
    written = {
        f"settings/{number:05d}": one for number, one in _numbered(sources.settings_files(settings, config))
    }
    secret = {f"keys/{number:05d}": one for number, one in _numbered(sources.keys(settings))}
    for name, one in {**written, **(secret if with_keys else {})}.items():
        put_copy(one.path, folder / name)
    names = [LEDGER, *([DEPOT_BOOKS] if books else []), *written, *(secret if with_keys else ())]
    listed = [(digest_of(folder / name), name) for name in names]
    listed += [(sha256, f"{DEPOT_FILES}/{sha256[:2]}/{sha256}") for sha256 in kept.every()]
    content = sums(listed)
    put_bytes(content, folder / SUMS)
    manifest = Manifest(
        made_at=now().isoformat(timespec="seconds"),
        program=version("saraban-bus"),
        database=databases.kind_of(address),
        depot_database=books,
        schema=facts.schema,
        entries=facts.entries,
        head=facts.head.note if facts.head else None,
        head_size=facts.head.size if facts.head else 0,
        depot_files=files,
        depot_bytes=size,
        lacking=sorted(sha256 for sha256 in facts.files() if kept.size(sha256) is None),
        settings={name: one.setting for name, one in written.items()},
        keys=[
            {"setting": one.setting, "path": str(one.path), "purpose": one.purpose}
            | ({"file": name} if with_keys else {})
            for name, one in secret.items()
        ],
        sums=hashlib.sha256(content).hexdigest(),
    )
    manifest.write(folder)
    return Made(manifest, linked)


def _require_new(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.chmod(0o700)
    if any(folder.iterdir()):
        wrong, fix = (
            "is not empty",
            "Name a new folder; one without a manifest.json is unfinished, and may go.",
        )
        raise Misconfigured(Problem(str(folder), "DIR", wrong, fix))


def _numbered(files: Iterator[sources.Source]) -> Iterator[tuple[int, sources.Source]]:
    return enumerate(files, start=1)


def _keep_files(store: LocalStore, kept: LocalStore, named: int, step: Step) -> tuple[int, int, int]:
    """Link or copy every file of the depot; return how many, their bytes, and how many were linked."""
    files = size = linked = 0
    for sha256 in store.every():
        try:
            linked += put_unchanging(store.path(sha256), kept.path(sha256))
        except FileNotFoundError:
            continue  # collected since: no letter names it
        files += 1
        size += kept.size(sha256) or 0
        step("files", files, max(named, files))
    kept.sync()
    return files, size, linked


def _keep_books(settings: BusSettings, ledger: str, target: Path) -> str | None:
    """Copy the depot's books, unless they are in the ledger's database, or there are none yet; return their kind."""
    address = settings.depot.database_address()
    if address == ledger or not databases.is_there(address, "presence"):
        return None
    if databases.kind_of(address) == "sqlite":
        databases.copy_sqlite(databases.file_of(address), target)
    else:
        databases.dump_postgresql(address, target)
    return databases.kind_of(address)
