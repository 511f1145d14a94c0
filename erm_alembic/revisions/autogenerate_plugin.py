"""Keeps the ledger out of autogenerate, for plain `alembic` too: with `include_schemas=True` it reads every schema.

Alembic loads this module by itself, through the entry point `alembic.plugins`, wherever erm-alembic is installed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from alembic.runtime.plugins import Plugin
from alembic.util import DispatchPriority, PriorityDispatchResult
from sqlalchemy import text

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext
    from alembic.operations.ops import UpgradeOps

__all__ = ["setup"]

# The ledger's schema has a name of the team's choosing; its comment tells it apart (erm_alembic/ledger/store.py).
LEDGER_SCHEMAS = text(
    "SELECT nspname FROM pg_catalog.pg_namespace"
    " WHERE pg_catalog.obj_description(oid, 'pg_namespace') LIKE 'The ledger of erm:%'"
)


def _leave_ledger_out(
    autogen_context: AutogenContext, _upgrade_ops: UpgradeOps, schemas: set[str | None]
) -> PriorityDispatchResult:
    connection = autogen_context.connection
    if connection is not None and schemas != {None}:
        schemas -= set(connection.execute(LEDGER_SCHEMAS).scalars())
    return PriorityDispatchResult.CONTINUE


def setup(plugin: Plugin) -> None:
    """Register with Alembic; it calls this once.

    Args:
        plugin: what Alembic registers comparators on.
    """
    plugin.add_autogenerate_comparator(
        _leave_ledger_out, "schema", qualifier="postgresql", priority=DispatchPriority.FIRST
    )
