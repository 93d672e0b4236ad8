"""The words of answers that the standard leaves open, or that a client knows under others: error codes and statuses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from adapters.connectors.ecms.errors import Code
from bus.errors import Misconfigured, Problem, RefusalCode
from bus.settings.adapter import EcmsConnector

STATUSES: Final = {
    "waiting": "WAITING",
    "accepted": "ACCEPTED",
    "delivered": "DELIVERED",
    "registered": "REGISTERED",
    "rejected": "REJECTED",
    "invalid": "INVALID",
    "refused": "REFUSED",
    "withdrawn": "WITHDRAWN",
    "overdue": "OVERDUE",
}
"""ProcessStatus of a posted letter, by what has become of it."""


@dataclass(frozen=True, slots=True)
class Wording:
    """What this client is told; what its settings do not name is told in the façade's own words."""

    error_codes: Mapping[str, str] = field(default_factory=dict)
    statuses: Mapping[str, str] = field(default_factory=lambda: STATUSES)
    ministries: Mapping[str, str] = field(default_factory=dict)
    """By two digits, beside the code list."""

    @classmethod
    def from_settings(cls, settings: EcmsConnector) -> Wording:
        """Raises Misconfigured for a code or a status that there is not."""
        known = {*map(str, Code), *map(str, RefusalCode)}
        problems = [
            *_unknown("error_codes", settings.error_codes, known, 'docs/ecms.md, "Errors", lists the codes.'),
            *_unknown(
                "status_words", settings.status_words, set(STATUSES), f"It is one of: {', '.join(STATUSES)}."
            ),
        ]
        if problems:
            raise Misconfigured(*problems)
        return cls(settings.error_codes, STATUSES | settings.status_words, settings.ministries)

    def error(self, code: str) -> str:
        """The ErrorCode for one of our codes."""
        return self.error_codes.get(code, code)


def _unknown(name: str, given: Mapping[str, str], known: set[str], fix: str) -> list[Problem]:
    key = f"connectors.ecms.{name}"
    return [
        Problem("adapter.toml", f"{key}.{each}", "is not known", fix) for each in given if each not in known
    ]
