"""Who may use the exchange folders: the adapter's user alone, or a group that the office system's user belongs to."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from bus.errors import Misconfigured, Problem
from bus.platform.process import sharer_with

_SHARED_UMASK = 0o007
_SHARED_FOLDER = 0o2770
"""What is made in a folder of this mode belongs to the folder's group, be it made by the adapter or by the office."""


def share(folder: Path, names: Iterable[str], group: str) -> None:
    """Give a group the exchange folder with the folders in it, from now on for whatever this process writes there.

    The umask is the process's: what it keeps elsewhere stays private by its folder (the mailbox, 0700) or by a mode of
    its own (keys, passwords). Raises Misconfigured when there is no such group, or this user is no member of it, and
    where the system has no groups of this kind.
    """
    os.umask(_SHARED_UMASK)
    try:
        share = sharer_with(group)
    except KeyError as exc:
        raise _wrong(folder, f"there is no group {group}", "Create it, or name another.") from exc
    except NotImplementedError as exc:
        fix = "Take the setting out, and give the group its rights in the folder's access control list."
        raise _wrong(folder, "names a group, which this system does not give folders to", fix) from exc
    try:
        for place in filter(Path.is_dir, (folder, *(folder / name for name in names))):
            share(place, _SHARED_FOLDER)
    except OSError as exc:
        wrong = f"{place} cannot be given to group {group}: {(exc.strerror or 'refused').lower()}"
        fix = "Make the user that runs the adapter the folder's owner and a member of the group."
        raise _wrong(folder, wrong, fix) from exc


def _wrong(folder: Path, wrong: str, fix: str) -> Misconfigured:
    return Misconfigured(Problem(str(folder), "connectors.folder.group", wrong, fix))
