"""Keeps the ledger out of autogenerate, for plain `alembic` too: with `include_schemas=True` it reads every schema.

Alembic loads this module by itself, through the entry point `alembic.plugins`, wherever erm-alembic is installed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from alembic.runtime.plugins import Plugin
from alembic.util import DispatchPriority, PriorityDispatchResult
from sqlalchemy import text

from erm_alembic.postgres.catalog import SCHEMAS_BY_COMMENT

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext
    from alembic.operations.ops import UpgradeOps

__all__ = ["setup"]

# The ledger's schema has a name of the team's choosing; its comment tells it apart (erm_alembic/ledger/tables.py).
LEDGERS = "The ledger of erm:%"


def _leave_ledger_out(
    autogen_context: AutogenContext, _upgrade_ops: UpgradeOps, schemas: set[str | None]
) -> PriorityDispatchResult:
    connection = autogen_context.connection
    if connection is not None and schemas != {None}:
        schemas -= set(connection.execute(text(SCHEMAS_BY_COMMENT), {"comment": LEDGERS}).scalars())
    return PriorityDispatchResult.CONTINUE


def setup(plugin: Plugin) -> None:
    """Register with Alembic; it calls this once.

    Args:
        plugin: what Alembic registers comparators on.
    """
    plugin.add_autogenerate_comparator(
        _leave_ledger_out, "schema", qualifier="postgresql", priority=DispatchPriority.FIRST
    )
