"""What all pages of the desk share: the settings, the mailbox, and the sessions."""

from __future__ import annotations

from dataclasses import dataclass, field

from adapters.desk.face import FACE, ROSTER
from adapters.mailbox import Mailbox
from bus.pages.local_users import LocalUsers
from bus.pages.site import Face
from bus.pages.store import Store
from bus.settings.adapter import AdapterSettings
from bus.settings.desk import Desk


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """The desk's parts."""

    settings: AdapterSettings
    mailbox: Mailbox
    store: Store
    users: LocalUsers = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "users", LocalUsers(self.section.people, ROSTER))

    @property
    def face(self) -> Face:
        """What tells the desk from other pages."""
        return FACE

    @property
    def section(self) -> Desk:
        """The desk's settings."""
        return self.settings.desk
