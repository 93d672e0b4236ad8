"""Alembic's entry: runs the steps on the connection that `bus.ledger.schema` hands over."""

from collections.abc import Collection, Mapping
from typing import Any

from alembic import context
from alembic.runtime.migration import MigrationContext, MigrationInfo

from bus.ledger.schema import schema_versions
from bus.ledger.tables import metadata


def _state(
    ctx: MigrationContext, step: MigrationInfo, heads: Collection[Any], run_args: Mapping[str, Any]
) -> None:
    """Enter, in the step's own transaction, from which schema on programs work with what it has made."""
    made: Any = step.up_revision
    oldest = getattr(made.module, "compatible_from", None)
    if oldest is not None and ctx.connection is not None:
        row = {"version": made.revision, "compatible_from": oldest}
        ctx.connection.execute(schema_versions.insert(), [row])


context.configure(
    connection=context.config.attributes["connection"], target_metadata=metadata, on_version_apply=_state
)
with context.begin_transaction():
    context.run_migrations()
