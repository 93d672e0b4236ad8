"""The halt: when the ledger is found not to continue what was signed, nothing more is appended to it.

An appended line after a rewrite would give the rewrite a history. So whoever finds one (the signer of checkpoints,
`ledger verify`) writes a row that every append looks for under the lock. Submissions then wait in the intake, as while
the database is away; operators are alarmed, and one of them lifts the halt, with a reason, when the ledger is whole.
"""

from __future__ import annotations

from sqlalchemy import Connection, Engine, func, insert, select

from bus.errors import Transient
from bus.ledger.database import appending
from bus.ledger.entry import timestamp
from bus.ledger.tables import halts
from bus.operators import Operator
from bus.thai import now

_NEWEST = select(halts.c.halted, halts.c.reason).order_by(halts.c.number.desc()).limit(1)


class Halted(Transient):
    """The ledger takes nothing more until an operator lifts the halt."""


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
    """Halt the ledger, or lift the halt; nothing happens if it is so already."""
    with appending(engine) as connection:
        row = connection.execute(_NEWEST).first()
        if halted == (row is not None and row.halted):
            return
        number = (connection.scalar(select(func.max(halts.c.number))) or 0) + 1
        values = {"number": number, "at": timestamp(now()), "halted": halted}
        connection.execute(insert(halts), [{**values, "operator": operator.name, "reason": reason}])
