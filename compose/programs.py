"""Where the programs of system packages stand, on Debian, Ubuntu and macOS.

Debian keeps PostgreSQL's programs out of the search path and servers in folders that only root searches; Homebrew
keeps versioned formulas out of it. Set-up runs this module before anything is installed: standard library only, and
readable by a Python older than the project's.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

_FOLDERS = (
    "/usr/sbin",
    "/usr/local/sbin",
    "/usr/local/bin",
    "/opt/homebrew/sbin",
    "/opt/homebrew/bin",
)
_VERSIONED = (
    "/usr/lib/postgresql/*/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
)


def find(name: str) -> Path | None:
    """Return the program of this name: by the search path, else in a known folder, the newest version first."""
    versioned = [folder for pattern in _VERSIONED for folder in _newest_first(pattern)]
    searched = [os.environ.get("PATH", os.defpath), *_FOLDERS, *versioned]
    found = shutil.which(name, path=os.pathsep.join(searched))
    return Path(found).resolve() if found else None


def _newest_first(pattern: str) -> list[str]:
    folders = map(str, Path("/").glob(pattern[1:]))
    return sorted(
        folders, key=lambda folder: [int(part) for part in re.findall(r"\d+", folder)], reverse=True
    )
