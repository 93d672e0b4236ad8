"""What a page of the desk is asked: of its own site."""

from __future__ import annotations

from dataclasses import dataclass

from adapters.desk.site import Site
from adapters.mailbox import Mailbox
from bus.pages import asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked(asked.Asked):
    """One request as a page of the desk sees it."""

    site: Site

    @property
    def mailbox(self) -> Mailbox:
        """This agency's."""
        return self.site.mailbox
