"""The statements of a plan as the checks read them: what each changes and locks, and what was there before it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from erm_alembic.findings import Finding, Severity
from erm_alembic.planning.model import Plan, Statement, Step
from erm_alembic.planning.surroundings import Surroundings, is_small
from erm_alembic.postgres.text.change import Change
from erm_alembic.postgres.text.changes import changes_in
from erm_alembic.postgres.text.lexer import statement_kinds, tokens
from erm_alembic.postgres.text.nature import nature
from erm_alembic.postgres.text.words import name_parts

if TYPE_CHECKING:
    from erm_alembic.postgres.existing_tables import ExistingTable

__all__ = ["ReadStatement", "read_plan"]

OF_NO_TABLE = ("create-enum", "enum-value")
EXCLUSIVE_MODE = "AccessExclusiveLock"


@dataclass(frozen=True)
class ReadStatement:
    """A statement of a plan.

    Args:
        step: the step that it belongs to.
        statement: the statement.
        changes: what its words say that it changes.
        transaction: the number of the transaction that it runs in, within the step; of its own, outside of one.
        around: what the target has.
    """

    step: Step
    statement: Statement
    changes: tuple[Change, ...]
    transaction: int
    around: Surroundings

    def table(self, change: Change) -> ExistingTable | None:
        """The table that one of its changes is about, where it was there before the plan."""
        return self.around.table(change.table)

    @property
    def locked(self) -> tuple[ExistingTable, ...]:
        """The tables of the target on which it takes ACCESS EXCLUSIVE: as it was seen to do, else as its words say."""
        seen = self.statement.observed
        names = (
            [change.table for change in self.changes if change.exclusive]
            if seen is None
            else [
                name_parts(lock.origin)
                for lock in seen.locks
                if lock.mode == EXCLUSIVE_MODE and lock.origin is not None and lock.table is None
            ]
        )
        return self._existing(names)

    @property
    def touched(self) -> tuple[ExistingTable, ...]:
        """All the tables of the target that it is known to lock or to change."""
        names = [change.table for change in self.changes]
        if self.statement.observed is not None:
            seen = self.statement.observed.locks
            named = (lock.table or lock.origin for lock in seen)
            names += [name_parts(relation) for relation in named if relation is not None]
        return self._existing(names)

    @property
    def adds_given_rows(self) -> bool:
        """Whether it adds the rows that stand in the revision, and no others."""
        sql = self.statement.sql
        return statement_kinds(sql) == {"INSERT"} and not any(token.says("SELECT", "TABLE") for token in tokens(sql))

    @property
    def names_tables(self) -> bool:
        """Whether it is known which tables it is about."""
        seen = self.statement.observed
        return any(change.kind not in OF_NO_TABLE for change in self.changes) or bool(seen is not None and seen.locks)

    def _existing(self, names: list[tuple[str, ...]]) -> tuple[ExistingTable, ...]:
        found = (self.around.table(name) for name in dict.fromkeys(names))
        return tuple(dict.fromkeys(table for table in found if table is not None))

    @property
    def locked_large(self) -> tuple[ExistingTable, ...]:
        """Those of `locked` that are not small."""
        return tuple(table for table in self.locked if not is_small(table))

    def finding(self, rule: str, severity: Severity, message: str, help_: str) -> Finding:
        """A finding on the line that causes this statement.

        Args:
            rule: the rule.
            severity: how loud it is.
            message: what is wrong and what it leads to.
            help_: what to do about it.
        """
        return Finding(
            rule,
            severity,
            message,
            help_,
            revision=self.step.revision,
            path=self.statement.path or self.step.path,
            line=self.statement.line,
        )


def read_plan(plan: Plan | None, around: Surroundings) -> tuple[ReadStatement, ...]:
    """The statements of a plan that do something and have not been done, in order.

    Args:
        plan: the plan; None has none.
        around: what the target has.
    """
    return tuple(each for step in (plan.steps if plan is not None else ()) for each in _read(step, around))


def _read(step: Step, around: Surroundings) -> Iterator[ReadStatement]:
    transaction, outside = 0, False
    for statement in step.statements:
        if statement.read or statement.done:
            continue
        if statement.autocommit or outside:
            transaction += 1
        outside = statement.autocommit
        yield ReadStatement(step, statement, changes_in(statement.sql), transaction, around)
        if nature(statement.sql).commits:
            transaction += 1
