"""What the shared parts need of a site: its settings, its sessions, its people, and what tells it from another."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from bus.pages.local_users import LocalUsers
from bus.pages.store import Store
from bus.settings.pages import Pages


@dataclass(frozen=True, slots=True)
class Face:
    """What tells the pages of one program from those of another."""

    cookie: str
    """What the names of its cookies begin with: a browser keeps one jar for all ports of a host."""
    folder: Path
    """The folder with its own `templates/` and `words/`, beside those that all share."""
    navigation: tuple[tuple[str, str, frozenset[StrEnum]], ...]
    """The pages that stand above each page, with their words and who has them."""


class Site(Protocol):
    """The parts of a program that shows pages."""

    @property
    def face(self) -> Face:
        """What tells it from another."""

    @property
    def section(self) -> Pages:
        """Its settings."""

    @property
    def store(self) -> Store:
        """Its sessions."""

    @property
    def users(self) -> LocalUsers:
        """Its local users."""
