"""The exchange folder, tried with a file that is gone at once: rights, long names, and names in Thai.

It is written into `working/`, which is the connector's own; what the office lays out is not looked at.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from adapters.connectors.folder.exchange import FOLDERS
from bus.doctor import Check, Found, fail, in_thread, ok, warn
from bus.logs import in_words
from bus.settings.adapter import AdapterSettings

_LONGEST = 255
"""Bytes that a name of a file may have; a letter of Thai takes three."""
_THAI = "หนังสือ ที่ กำ"
"""Vowels and marks that some disks write in another order or form."""
_FEW = 100 * 1024**2
_NO_NAME = frozenset({errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ})


def checks(settings: AdapterSettings) -> list[Check]:
    """One check where the folder is used."""
    section = settings.connectors.folder
    return [Check("office folder", in_thread(lambda: _look(section.path)))] if section.enabled else []


def _look(path: Path) -> Iterator[Found]:
    missing = [name for name in FOLDERS if not (path / name).is_dir()]
    if len(missing) == len(FOLDERS):
        fix = "Mount the share; a first `saraban-adapter run` makes the folders in it."
        yield warn(f"{path}: none of its folders is there", fix)
        return
    if missing:
        yield warn(f"{path}: {', '.join(missing)} is missing", "The running adapter makes it anew.")
    unfit = [name for name in FOLDERS if name not in missing and not _usable(path / name)]
    if unfit:
        fix = "Let the user that runs the adapter read and write there (connectors.folder.group, or its rights)."
        yield fail(f"{path}: {', '.join(unfit)} may not be used by this user", fix)
    elif "working" not in missing:
        yield from _tried(path / "working")
    if (free := shutil.disk_usage(path).free) < _FEW:
        yield fail(
            f"{path}: {free // 1024**2} MiB are free",
            "Make room: what arrives is laid there, with its files.",
        )


def _usable(folder: Path) -> bool:
    return os.access(folder, os.R_OK | os.W_OK | os.X_OK)


def _tried(folder: Path) -> Iterator[Found]:
    beginning = f".doctor-{secrets.token_hex(4)}-"
    try:
        thai, long = _keeps(folder, f"{beginning}{_THAI}.part"), _keeps(folder, _filled(beginning))
    except OSError as exc:
        fix = "Look at the share, its room and its rights."
        yield fail(f"{folder}: a file cannot be written there ({in_words(exc)})", fix)
        return
    yield ok(f"{folder.parent}: read, written and tidied")
    if not thai:
        fix = "Mount the share with UTF-8 (such as iocharset=utf8): letters' files have names in Thai."
        yield warn("a name in Thai comes back as another", fix)
    if not long:
        fix = "Letters' files may have longer names, which are then shortened in `inbox`; take another disk or share."
        yield warn(f"names of {_LONGEST} bytes are not taken", fix)


def _keeps(folder: Path, name: str) -> bool:
    """Whether a file of this name is listed under it; False too for a name that is too long there."""
    file = folder / name
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as exc:
        if exc.errno in _NO_NAME:
            return False
        raise
    os.close(descriptor)
    try:
        return name in os.listdir(folder)
    finally:
        file.unlink()


def _filled(beginning: str) -> str:
    room = _LONGEST - len(beginning.encode()) - len(".part")
    return f"{beginning}{'ก' * (room // 3)}.part"
