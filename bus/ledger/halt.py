"""The halt: when the ledger is found not to continue what was signed, nothing more is appended to it.

An appended line after a rewrite would give the rewrite a history. So whoever finds one (the signer of checkpoints,
`ledger verify`) writes a row that every append looks for under the lock. Submissions then wait in the intake, as while
the database is away; operators are alarmed, and two of them lift the halt, with a reason, when the ledger is whole.

A program halts by itself. What people do takes two: one asks, and within an hour another one asks for the same.
Two are two by who they are (`Operator.identity`), not by their names.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, Engine, func, insert, select

from bus.errors import Misconfigured, Problem, Transient
from bus.ledger.database import appending
from bus.ledger.entry import timestamp
from bus.ledger.tables import halt_wishes, halts
from bus.operators import Operator, Role
from bus.thai import now

WITHIN: Final = timedelta(hours=1)
"""How long a wish can be confirmed."""
_NEWEST = select(halts.c.number, halts.c.halted, halts.c.reason).order_by(halts.c.number.desc()).limit(1)
_LONGEST_NAMES: Final = 200


class Halted(Transient):
    """The ledger takes nothing more until the halt is lifted."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What one person wants, and another one can confirm by asking for the same."""

    number: int
    at: datetime
    halted: bool
    """True: that the ledger be halted; False: that the halt be lifted."""
    operator: Operator
    reason: str

    @property
    def until(self) -> datetime:
        """The time after which it is void."""
        return self.at + WITHIN


@dataclass(frozen=True, slots=True)
class Done:
    """The ledger is as was asked for."""

    halted: bool
    by: tuple[Operator, ...]
    """Who asked, and who confirmed; nobody where it was so already."""


def require_none(connection: Connection) -> None:
    """Raise Halted while the ledger is halted."""
    row = connection.execute(_NEWEST).first()
    if row is not None and row.halted:
        raise Halted(f"the ledger is halted: {row.reason}")


def reason_of(connection: Connection) -> str | None:
    """Return why the ledger is halted; None if it is not."""
    row = connection.execute(_NEWEST).first()
    return str(row.reason) if row is not None and row.halted else None


def set_halted(engine: Engine, halted: bool, *, operator: Operator, reason: str) -> None:
    """Halt the ledger, or lift the halt, at once: for programs. Nothing happens if it is so already."""
    with appending(engine) as connection:
        if _is_halted(connection) != halted:
            _set(connection, halted, operator.name, reason)


def ask(engine: Engine, halted: bool, *, operator: Operator, reason: str) -> Wish | Done:
    """Have a steward ask that the ledger be halted, or that the halt be lifted; the second one's asking does it.

    Raises Misconfigured for whoever is no steward, and for a reason that says nothing.
    """
    if operator.role is not Role.STEWARD:
        fix = "Have two stewards do it"
        raise Misconfigured(Problem("the ledger", "halt", f"{operator.name} is no steward", fix))
    if not reason.strip():
        raise Misconfigured(Problem("the ledger", "reason", "says nothing", "Say why"))
    with appending(engine) as connection:
        if _is_halted(connection) == halted:
            return Done(halted, ())
        others = [one for one in wishes(connection) if one.operator.identity != operator.identity]
        wish = _enter(connection, halted, operator, reason)
        if not others:
            return wish
        first = others[0]
        reasons = dict.fromkeys((first.reason, reason))
        _set(connection, halted, f"{first.operator.name}, {operator.name}", "; ".join(reasons))
        return Done(halted, (first.operator, operator))


def wishes(connection: Connection) -> tuple[Wish, ...]:
    """Return what waits for another person's confirmation: made within the last hour, and since the newest halt."""
    row = connection.execute(_NEWEST).first()
    after, wanted = (row.number, not row.halted) if row is not None else (0, True)
    query = (
        select(halt_wishes)
        .where(halt_wishes.c.after == after, halt_wishes.c.halted == wanted)
        .order_by(halt_wishes.c.number)
    )
    found = (
        Wish(
            each.number,
            datetime.fromisoformat(each.at),
            each.halted,
            Operator(each.operator, Role(each.role), each.method, each.subject),
            each.reason,
        )
        for each in connection.execute(query)
    )
    return tuple(one for one in found if one.until >= now())


def _is_halted(connection: Connection) -> bool:
    row = connection.execute(_NEWEST).first()
    return row is not None and bool(row.halted)


def _enter(connection: Connection, halted: bool, operator: Operator, reason: str) -> Wish:
    number = (connection.scalar(select(func.max(halt_wishes.c.number))) or 0) + 1
    at, after = now(), connection.scalar(select(func.max(halts.c.number))) or 0
    values = {"number": number, "at": timestamp(at), "halted": halted, "after": after, "reason": reason}
    connection.execute(insert(halt_wishes), [{**values, **operator.fields(), "subject": operator.subject}])
    return Wish(number, at, halted, operator, reason)


def _set(connection: Connection, halted: bool, names: str, reason: str) -> None:
    number = (connection.scalar(select(func.max(halts.c.number))) or 0) + 1
    values = {"number": number, "at": timestamp(now()), "halted": halted, "reason": reason}
    connection.execute(insert(halts), [{**values, "operator": names[:_LONGEST_NAMES]}])
