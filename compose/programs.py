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

BROWSER = "SARABAN_BROWSER"
"""The environment variable that names the Chromium of the tests."""
CHROMIUM = "chromium"
BROWSERS = Path(__file__).resolve().parents[1] / "build" / "browsers"
"""Where Playwright's own is, on a platform that has none."""
_DOWNLOADED = ("*/chrome-linux*/chrome", "*/chrome-mac*/*.app/Contents/MacOS/*")

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


def browser() -> Path | None:
    """Return the Chromium that tests drive: the one that SARABAN_BROWSER names, the platform's, or the downloaded."""
    named = os.environ.get(BROWSER)
    if named:
        found = shutil.which(named)
        return Path(found) if found else None
    # Not resolved: Debian's is a script that takes its settings from beside its own name.
    found = shutil.which(CHROMIUM)
    downloaded = sorted(one for pattern in _DOWNLOADED for one in BROWSERS.glob(pattern))
    return Path(found) if found else next(reversed(downloaded), None)


def _newest_first(pattern: str) -> list[str]:
    folders = map(str, Path("/").glob(pattern[1:]))
    return sorted(
        folders, key=lambda folder: [int(part) for part in re.findall(r"\d+", folder)], reverse=True
    )
