"""Who acts on the bus: a person by name, role and way of signing in, or a program of the bus itself."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

Method = Literal["local", "oidc", "key", "program"]
"""How it is known who acts: a password, an OpenID provider, an operator's key on the command line, or a program."""


class Role(StrEnum):
    """What a person may do; nobody has all of it by default."""

    OPERATOR = "operator"
    """Sees queues, agencies and timelines; no subject, file or content."""
    STEWARD = "steward"
    """An operator that may also replay, suspend, approve, halt and resume."""
    AUDITOR = "auditor"
    """Reads the ledger, with subjects; a letter or a file by a grant only."""

    @property
    def implied(self) -> frozenset[Role]:
        """The roles whose pages it opens: a steward's are an operator's too, and nobody else's are an auditor's."""
        return frozenset({self, Role.OPERATOR}) if self is Role.STEWARD else frozenset({self})


class DeskRole(StrEnum):
    """What a person may do at the desk of an agency."""

    CLERK = "clerk"
    """Reads letters, registers and answers them, writes and sends."""
    IT = "it"
    """Sees what waits and why, and who signed in; no subject, file or content."""


@dataclass(frozen=True, slots=True)
class Operator:
    """Who does an act that is entered into the ledger."""

    name: str
    role: StrEnum | None
    """None of a program, which has no role."""
    method: Method

    def fields(self) -> dict[str, Any]:
        """What the entry of the act bears."""
        return {"operator": self.name, "role": self.role, "method": self.method}


def of_the_bus(program: str) -> Operator:
    """Return one of the bus's own programs as who acts, such as `saraban-bus enrol`."""
    return Operator(program, None, "program")
