"""Who signed in and out, failed to and was refused: the list of it, as plain values, and the sessions of a person."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, func, select

from bus.pages.columns import Column, iso, moment
from bus.pages.store import Store, sessions, sign_ins
from bus.thai import now, timestamp

WHAT: Final = {
    "in": ("เข้าสู่ระบบ", "signed in"),
    "failed": ("ไม่สำเร็จ", "failed"),
    "refused": ("ไม่รับ", "refused"),
    "out": ("ออกจากระบบ", "signed out"),
    "ended": ("ถูกสั่งให้สิ้นสุด", "ended by order"),
}
"""What is recorded, with its words."""
COLUMNS: Final = (
    Column("number", "number", "ลำดับ", plain=True),
    Column("at", "time", "เวลา", moment),
    Column("at", "time, ISO", "เวลา ค.ศ.", iso, plain=True),
    Column("what", "what happened", "เหตุการณ์", lambda what: f"{WHAT[what][0]} ({WHAT[what][1]})"),
    Column("name", "name", "ชื่อ"),
    Column("role", "role", "บทบาท"),
    Column("method", "signed in by", "วิธีเข้าสู่ระบบ"),
    Column("address", "network address", "ที่อยู่เครือข่าย"),
    Column("endedBy", "ended by", "ผู้สั่งให้สิ้นสุด"),
    Column("reason", "reason", "เหตุผล"),
)


def recorded(
    store: Store, limit: int, *, before: int | None, name: str | None, what: str | None
) -> list[dict[str, Any]]:
    """Return what was recorded, the newest first, below a number."""
    query = select(sign_ins).order_by(sign_ins.c.number.desc()).limit(limit)
    for column, value in ((sign_ins.c.name, name), (sign_ins.c.what, what)):
        if value is not None:
            query = query.where(column == value)
    if before is not None:
        query = query.where(sign_ins.c.number < before)
    with store.transaction() as connection:
        return [
            {
                "number": row.number,
                "at": row.at,
                "what": row.what,
                "name": row.name,
                "role": row.role,
                "method": None if row.what == "ended" else row.method,
                "address": row.address,
                "endedBy": row.ended_by,
                "reason": row.reason,
            }
            for row in connection.execute(query)
        ]


def sessions_of(store: Store, name: str, idle: timedelta, longest: timedelta) -> int:
    """Return how many sessions of a name are not over."""
    query = select(func.count()).where(sessions.c.name == name, *_open(idle, longest))
    with store.transaction() as connection:
        return connection.scalar(query) or 0


def with_sessions(store: Store, idle: timedelta, longest: timedelta, most: int) -> list[dict[str, Any]]:
    """Return the names that have sessions that are not over, with how many, by name; at most so many."""
    query = (
        select(sessions.c.name, func.count().label("sessions"), func.max(sessions.c.seen_at).label("seen"))
        .where(*_open(idle, longest))
        .group_by(sessions.c.name)
        .order_by(sessions.c.name)
        .limit(most)
    )
    with store.transaction() as connection:
        return [
            {"name": row.name, "sessions": row.sessions, "seenAt": row.seen}
            for row in connection.execute(query)
        ]


def _open(idle: timedelta, longest: timedelta) -> tuple[ColumnElement[bool], ...]:
    at = now()
    return sessions.c.seen_at >= timestamp(at - idle), sessions.c.begun_at >= timestamp(at - longest)
