"""Bringing a mailbox of an older layout up to date, in one transaction, when it is opened.

Layout 2: the outbox knows with which certificate a document was sealed; a notice's id is its author's own.
"""

from __future__ import annotations

import sqlite3

from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateIndex, CreateTable

from adapters.mailbox.tables import notices

_DIALECT = sqlite.dialect()


def upgrade(driver: sqlite3.Connection) -> None:
    """Bring the layout from 1 to 2; leave any other alone."""
    if _layout(driver) != "1":
        return
    # Outside of a transaction, or SQLite does not obey: while a table is replaced, others name it.
    driver.execute("PRAGMA foreign_keys=OFF")
    driver.execute("BEGIN IMMEDIATE")
    try:
        if _layout(driver) == "1":
            _to_2(driver)
        driver.execute("COMMIT")
    except BaseException:
        driver.execute("ROLLBACK")
        raise
    finally:
        driver.execute("PRAGMA foreign_keys=ON")


def _layout(driver: sqlite3.Connection) -> str | None:
    known = driver.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'facts'").fetchone()
    row = driver.execute("SELECT value FROM facts WHERE name = 'layout'").fetchone() if known else None
    return str(row[0]) if row else None


def _to_2(driver: sqlite3.Connection) -> None:
    for column in ("sealed_with", "refused_under"):
        driver.execute(f"ALTER TABLE outbox ADD COLUMN {column} VARCHAR")
    made = str(CreateTable(notices).compile(dialect=_DIALECT))
    driver.execute(made.replace("CREATE TABLE notices", "CREATE TABLE notices_2", 1))
    columns = ", ".join(f'"{column.name}"' for column in notices.columns)
    driver.execute(f"INSERT INTO notices_2 ({columns}) SELECT {columns} FROM notices")  # noqa: S608
    driver.execute("UPDATE notices_2 SET identity = author || ':' || notice_id WHERE identity = notice_id")
    driver.execute("DROP TABLE notices")
    driver.execute("ALTER TABLE notices_2 RENAME TO notices")
    for index in notices.indexes:
        driver.execute(str(CreateIndex(index).compile(dialect=_DIALECT)))
    driver.execute("UPDATE facts SET value = '2' WHERE name = 'layout'")
