"""Tests of the project itself: its imports, its lock, its commands, its packaging."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

_MADE_HERE = {
    ".git",
    ".venv",
    "build",
    "__pycache__",
    ".mypy_cache",
    ".ruff_cache",
    ".pytest_cache",
    ".hypothesis",
}


def files_of_the_project(pattern: str = "*") -> Iterator[Path]:
    """Every file that belongs to the project: whatever lies in the checkout and was not made by a tool."""
    for path in sorted(ROOT.rglob(pattern)):
        if path.is_file() and not _MADE_HERE.intersection(path.relative_to(ROOT).parts):
            yield path
