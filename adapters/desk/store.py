"""The desk's own database: sessions and sign-ins, in a file beside the mailbox's."""

from __future__ import annotations

from pathlib import Path

from adapters.mailbox.database import working
from adapters.mailbox.opening import engine_for
from bus.operators import DeskRole
from bus.pages import store


class Store(store.Store):
    """The sessions of the desk's people."""

    def __init__(self, folder: Path) -> None:
        """`folder`: the mailbox's. Raises Misconfigured where it cannot be used."""
        super().__init__(engine_for(folder / "desk.sqlite", only_reading=False), working, DeskRole)
