"""Recipients with the codes by which a letter addressed them, without a list of thousands for each one's notice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from bus.identifiers import AgencyCode

if TYPE_CHECKING:
    from bus.ledger.state import RecipientState


class Addressed(Mapping[AgencyCode, AgencyCode]):
    """The code that the letter addressed, by recipient, out of their states."""

    __slots__ = ("_recipients",)

    def __init__(self, recipients: Mapping[AgencyCode, RecipientState]) -> None:
        self._recipients = recipients

    def __getitem__(self, code: AgencyCode) -> AgencyCode:
        return self._recipients[code].addressed

    def __contains__(self, code: object) -> bool:
        return code in self._recipients

    def __iter__(self) -> Iterator[AgencyCode]:
        return iter(self._recipients)

    def __len__(self) -> int:
        return len(self._recipients)
