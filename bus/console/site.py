"""What all pages share: settings, the ledger, and the console's own database."""

from __future__ import annotations

from dataclasses import dataclass, field

from bus.console.face import FACE
from bus.console.readings import Readings
from bus.console.store import Store
from bus.ledger.store import Ledger
from bus.pages.local_users import LocalUsers
from bus.pages.site import Face
from bus.people import CENTRE
from bus.settings.bus import BusSettings
from bus.settings.console import Console


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """The console's parts."""

    settings: BusSettings
    ledger: Ledger
    store: Store
    readings: Readings
    """What broker and ledger told when they were asked last."""
    users: LocalUsers = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "users", LocalUsers(self.settings.console.people, CENTRE))

    @property
    def face(self) -> Face:
        """What tells the console from other pages."""
        return FACE

    @property
    def section(self) -> Console:
        """The console's settings."""
        return self.settings.console
