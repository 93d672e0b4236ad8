"""What all pages share: settings, the ledger, and the console's own database."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from bus.console.local_users import LocalUsers
from bus.console.readings import Readings
from bus.console.store import Store
from bus.ledger.store import Ledger
from bus.settings import BusSettings
from bus.views.names import KnownNames


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """The console's parts."""

    settings: BusSettings
    ledger: Ledger
    store: Store
    readings: Readings
    """What broker and ledger told when they were asked last."""
    users: LocalUsers = field(init=False)
    names: KnownNames = field(init=False, default_factory=KnownNames)
    """What agencies are called, read once for each version of the directory."""

    @property
    def lasting(self) -> tuple[timedelta, timedelta]:
        """For how long a session may not be used, and for how long it lasts."""
        console = self.settings.console
        return timedelta(minutes=console.idle_minutes), timedelta(hours=console.session_hours)

    def __post_init__(self) -> None:
        object.__setattr__(self, "users", LocalUsers(self.settings.console.people))
