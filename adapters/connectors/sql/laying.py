"""The files of received letters on their way to an office: whole bytes for BLOBs, or laid below a folder."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from adapters.connectors.folder.folders import Folder
from adapters.connectors.folder.names import safe_name
from adapters.mailbox import InboxLetter
from adapters.mailbox.files import FileStore
from adapters.mailbox.inbox import InboxFile
from bus.errors import BusError


class NotWhole(BusError):
    """A letter that was delivered lacks a file; it is being fetched again."""


def whole_bytes(store: FileStore, file: InboxFile) -> bytes:
    """The bytes of a file in the store. NotWhole if they are not those that its letter states."""
    content = store.path(file.sha256).read_bytes()
    if hashlib.sha256(content).hexdigest() != file.sha256:
        store.set_aside(file.sha256)
        raise NotWhole("a file is damaged in the store")
    return content


def laid_out(
    store: FileStore, folder: Path, letter: InboxLetter, files: Sequence[InboxFile]
) -> dict[int, str]:
    """Copy the files of a letter into a folder of its own below this one; give their paths, by position.

    The folder is there as a whole or not at all; one that is there already is of the same letter.
    """
    # With the digest: a bus that was set up anew, or another agency's adapter, counts from 1 too.
    name = f"{letter.consignment:08d}-{letter.digest[:12]}"
    hidden = f".{name}.part"
    names: dict[int, str] = {}
    for file in files:
        names[file.position] = safe_name(file.name, names.values())
    with Folder.at(folder) as root:
        if not root.holds(name):
            root.remove(hidden)
            root.make(hidden)
            with root.folder(hidden) as place:
                for file in files:
                    if place.copy(store.path(file.sha256), names[file.position]) != file.sha256:
                        store.set_aside(file.sha256)
                        raise NotWhole("a file is damaged in the store")
                place.sync()
            with suppress(FileExistsError):
                root.move(hidden, root, name)
            root.sync()
    return {position: f"{name}/{each}" for position, each in names.items()}
