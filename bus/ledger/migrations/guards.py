"""The refusal to change or remove what is remembered, kept by the database itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from alembic import op


def guard(keys: Mapping[str, tuple[str, ...]]) -> None:
    """Refuse UPDATE, DELETE and TRUNCATE on these tables, and where a key is named a row over one that is there."""
    if op.get_bind().dialect.name == "postgresql":
        _guard_postgresql(keys)
    else:
        _guard_sqlite(keys)


def _guard_sqlite(keys: Mapping[str, tuple[str, ...]]) -> None:
    for table, key in keys.items():
        for act in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_refuse_{act.lower()} BEFORE {act} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{table}: the ledger only grows'); END"
            )
        if not key:
            continue
        # INSERT OR REPLACE deletes past the triggers below unless the connection has recursive triggers on.
        same = " AND ".join(f"{column} = NEW.{column}" for column in key)
        there = f"EXISTS (SELECT 1 FROM {table} WHERE {same})"  # noqa: S608 - names that stand in the migrations
        op.execute(
            f"CREATE TRIGGER {table}_refuse_replace BEFORE INSERT ON {table} WHEN {there} "
            f"BEGIN SELECT RAISE(ABORT, '{table}: the ledger only grows'); END"
        )


def _guard_postgresql(tables: Iterable[str]) -> None:
    op.execute(
        "CREATE OR REPLACE FUNCTION ledger_only_grows() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION '%: the ledger only grows', TG_TABLE_NAME; END $$"
    )
    for table in tables:
        op.execute(
            f"CREATE TRIGGER {table}_refuse_change BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION ledger_only_grows()"
        )
        op.execute(
            f"CREATE TRIGGER {table}_refuse_truncate BEFORE TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION ledger_only_grows()"
        )
