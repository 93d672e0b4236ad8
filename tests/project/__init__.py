"""Tests of the project itself: its imports, its lock, its commands, its packaging."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

_MADE_BY_TOOLS = re.compile(
    r"\.git|\.venv|build|private|__pycache__|\.(mypy|ruff|pytest|import_linter)_cache|\.hypothesis"
)


def files_of_the_project(pattern: str = "*") -> Iterator[Path]:
    """Every file that belongs to the project: whatever lies in the checkout and was not made by a tool."""
    for folder, below, files in os.walk(ROOT):
        below[:] = sorted(name for name in below if not _MADE_BY_TOOLS.fullmatch(name))
        yield from (Path(folder, name) for name in sorted(files) if fnmatch(name, pattern))
