"""What a backup says of itself: versions, the ledger's size and newest signed head, settings and keys."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Self

from bus.backup.files import BadBackup, put_bytes, read_sums

NAME, SUMS = "manifest.json", "SHA256SUMS"
VERSION = 1
LEDGER, DEPOT_BOOKS, DEPOT_FILES = "ledger", "depot-books", "depot"
"""The two databases, and the folder of the depot's files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """All that stands in `manifest.json`, besides its version."""

    made_at: str
    program: str
    database: str
    """`sqlite`: a copy of the file; `postgresql`: what `pg_dump --format=custom` wrote."""
    depot_database: str | None
    """The same of the depot's books; None where they are in the ledger's database, or there are none."""
    schema: str
    entries: int
    head: str | None
    """The newest signed head, a signed note; None before the first."""
    head_size: int
    depot_files: int
    depot_bytes: int
    lacking: Sequence[str]
    """Files that letters name and that the depot did not have."""
    settings: Mapping[str, str]
    """Files of the backup, each with the setting or the certificate that it is of."""
    keys: Sequence[Mapping[str, str]]
    """Secrets: `setting`, `path`, `purpose`, and `file` if it was put in."""
    sums: str = field(default="")
    """SHA-256 of the list of all other files and theirs."""

    def write(self, folder: Path) -> None:
        """Write it: the folder is a backup from now on."""
        said = {"v": VERSION, **asdict(self)}
        text = json.dumps(said, ensure_ascii=False, indent=2)
        put_bytes(f"{text}\n".encode(), folder / NAME)

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read it. Raises BadBackup for what is no backup, is unfinished, or was made by a newer program."""
        try:
            said = json.loads((folder / NAME).read_bytes())
        except FileNotFoundError as error:
            raise BadBackup(
                f"{folder} is no backup, or one that was not finished: it has no {NAME}"
            ) from error
        except (ValueError, OSError) as error:
            raise BadBackup(f"{folder / NAME} cannot be read ({type(error).__name__})") from error
        if not isinstance(said, dict) or said.pop("v", None) != VERSION:
            raise BadBackup(
                f"{folder / NAME} is not of version {VERSION}, which is all that this program reads"
            )
        if {one.name for one in fields(cls)} != said.keys() or not _is_sound(said):
            raise BadBackup(f"{folder / NAME} does not say what a manifest has to say")
        return cls(**said)

    def files(self, folder: Path) -> list[tuple[str, str]]:
        """Return (SHA-256, name) of every file. Raises BadBackup if the list is not the one that was written."""
        try:
            content = (folder / SUMS).read_bytes()
        except OSError as error:
            raise BadBackup(f"{folder / SUMS} cannot be read ({type(error).__name__})") from error
        if hashlib.sha256(content).hexdigest() != self.sums:
            raise BadBackup(f"{folder / SUMS} was changed since the backup was made")
        return list(read_sums(content))


def _is_sound(said: Mapping[str, Any]) -> bool:
    """Whether everything that is used has the type that it is used as."""
    texts = all(isinstance(said[name], str) for name in ("made_at", "program", "schema", "sums"))
    numbers = all(
        isinstance(said[name], int) for name in ("entries", "head_size", "depot_files", "depot_bytes")
    )
    named = isinstance(said["settings"], dict) and all(
        isinstance(one, str) for one in said["settings"].values()
    )
    keys = isinstance(said["keys"], list) and all(
        isinstance(one, dict) and {"setting", "path", "purpose"} <= one.keys() for one in said["keys"]
    )
    known = {said["database"], said["depot_database"] or "sqlite"} <= {"sqlite", "postgresql"}
    return texts and numbers and named and keys and known and isinstance(said["lacking"], list)
