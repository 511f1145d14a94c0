"""What stands around a plan on its target: the tables that it is about, and who holds them now."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING

from erm_alembic.postgres.text.words import name_parts

if TYPE_CHECKING:
    from erm_alembic.ledger.failed_before import FailedBefore
    from erm_alembic.ledger.mapping import Mapped
    from erm_alembic.planning.model import Plan, Statement
    from erm_alembic.postgres.activity import Held
    from erm_alembic.postgres.existing_tables import ExistingTable, TableName
    from erm_alembic.target import Target

__all__ = ["LONG", "Surroundings", "is_small", "look_around"]

# A transaction that has run for so long may run for long still.
LONG = timedelta(seconds=30)
TAKES_AWAY = frozenset({"drop-table", "rename-table", "drop-column", "rename-column"})
# What is scanned, indexed or written anew within a moment.
FEW_ROWS, LITTLE = 10_000, 16 * 1024 * 1024


@dataclass(frozen=True)
class Surroundings:
    """What was asked of the target for the checks' sake.

    Args:
        tables: the tables that statements of the plan name, by the name that they use; new ones are missing.
        held: the relations that somebody else has had locked for long.
        mapped: what the models of the last release map, where the plan takes away columns or tables, and that is known.
        failed: the revisions without a way back that failed when they were last tried.
    """

    tables: Mapping[TableName, ExistingTable] = field(default_factory=lambda: MappingProxyType({}))
    held: tuple[Held, ...] = ()
    mapped: Mapped | None = None
    failed: tuple[FailedBefore, ...] = ()

    def table(self, name: TableName) -> ExistingTable | None:
        """The table of the target behind a name; None for one that is not there (yet).

        Args:
            name: as a statement, or a rehearsal, names it.
        """
        return self.tables.get(name)


def is_small(table: ExistingTable) -> bool:
    """Whether work on a whole table is a matter of a moment: so few rows, in so few bytes.

    Args:
        table: the table.
    """
    if table.rows is None:
        return table.size is not None and table.size <= LITTLE // 16
    return table.rows <= FEW_ROWS and (table.size is None or table.size <= LITTLE)


def look_around(target: Target, plan: Plan) -> Surroundings:
    """Ask the target what the statements of a plan will find; nothing is asked where there are none.

    Args:
        target: the database.
        plan: the plan.

    Raises:
        TargetError: the database cannot be reached.
    """
    failed = _failed(target, plan)
    statements = [statement for step in plan.steps for statement in step.statements if not statement.read]
    if not statements:
        return Surroundings(failed=failed)
    from erm_alembic.postgres.activity import held_for_long
    from erm_alembic.postgres.existing_tables import existing_tables

    with target.reading("erm plan") as cursor:
        tables = existing_tables(cursor, list(_names(statements)))
        held = held_for_long(cursor, LONG, [cursor.connection.info.backend_pid])
    return Surroundings(MappingProxyType(tables), held, _mapping(target, statements), failed)


def _failed(target: Target, plan: Plan) -> tuple[FailedBefore, ...]:
    """Asked only where the answer counts: of revisions that have no way back, and are not gone on with."""
    half_done = {each.revision for each in plan.half_done}
    wanted = [
        step.revision
        for step in plan.steps
        if step.direction == "upgrade" and step.downgrade in ("missing", "empty") and step.revision not in half_done
    ]
    if not wanted:
        return ()
    from erm_alembic.ledger.failed_before import failed_before
    from erm_alembic.ledger.store import open_ledger

    with target.reported(), open_ledger(target) as ledger:
        return failed_before(ledger, target.settings.ledger.schema, wanted)


def _mapping(target: Target, statements: Iterable[Statement]) -> Mapped | None:
    from erm_alembic.postgres.text.changes import changes_in

    kinds = {change.kind for statement in statements for change in changes_in(statement.sql)}
    if kinds.isdisjoint(TAKES_AWAY):
        return None
    from erm_alembic.ledger.mapping import read_mapping

    return read_mapping(target)


def _names(statements: Iterable[Statement]) -> Iterator[TableName]:
    from erm_alembic.postgres.text.changes import changes_in

    for statement in statements:
        for change in changes_in(statement.sql):
            yield change.table
        for lock in statement.observed.locks if statement.observed is not None else ():
            if relation := lock.table or lock.origin:
                yield name_parts(relation)
