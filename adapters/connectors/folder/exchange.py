"""The folders that an office and its adapter share, and whether they are there: a share can go at any time."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields
from pathlib import Path

from adapters.connectors.folder.folders import Folder
from adapters.mailbox import Mailbox
from adapters.mailbox.conditions import ConditionCode, Finding
from bus.errors import Transient
from bus.text import printable


@dataclass(frozen=True, slots=True)
class Folders:
    """All of them, open."""

    outbox: Folder
    working: Folder
    sent: Folder
    failed: Folder
    inbox: Folder
    receipts: Folder


NAME = "folder"
FOLDERS = tuple(field.name for field in fields(Folders))


class Exchange:
    """The folder that holds them all.

    They are made when this mailbox first uses the path, and one that has gone is made anew. If none of them is there
    any more, the share is not mounted: what stands under its name is another disk, and nothing is put there.
    """

    def __init__(self, mailbox: Mailbox, path: Path, name: str) -> None:
        self.path = path
        self._mailbox = mailbox
        self._name = name
        self._used = False

    def prepare(self) -> None:
        """Make the folders; OSError when that cannot be, or the share is away."""
        self._used = self._used or self._mailbox.properties.get(_fact(self._name)) == _shown(self.path)
        if not self._used:
            self.path.mkdir(exist_ok=True)  # of those above it none: a share may not be mounted
        with Folder.at(self.path) as root:
            missing = set(FOLDERS).difference(root.names())
            if self._used and len(missing) == len(FOLDERS):
                raise FileNotFoundError(errno.ENOENT, "none of the folders is there")
            for name in missing:
                root.make(name)
        if not self._used:
            self._mailbox.properties.set(_fact(self._name), _shown(self.path))
            self._used = True

    @contextmanager
    def opened(self, verb: str) -> Iterator[Folders]:
        """Open them for one round; Transient, and a condition under this verb, when they cannot be used."""
        with ExitStack() as stack:
            try:
                self.prepare()
                root = stack.enter_context(Folder.at(self.path))
                yield Folders(**{name: stack.enter_context(root.folder(name)) for name in FOLDERS})
            except OSError as exc:
                reason = exc.strerror or os.strerror(exc.errno or errno.EIO)
                finding = Finding(ConditionCode.FOLDER_AWAY, str(self.path), reason, reason)
                self._mailbox.conditions.report(f"{self._name}.{verb}", [finding])
                raise Transient(f"the exchange folder cannot be used ({reason})") from exc


def used_before(properties: Mapping[str, str], path: Path, name: str = NAME) -> bool:
    """Whether the folders at this path were made already for the mailbox that has these properties."""
    return properties.get(_fact(name)) == _shown(path)


def _fact(name: str) -> str:
    return f"exchange:{name}"


def _shown(path: Path) -> str:
    return printable(path.absolute())
