"""The values that each column of a table may be given: those that its type takes and its conditions let pass."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from erm_alembic.postgres.seeding import ForeignKey, Rule, SqlType, TableColumn, TableFacts
from erm_alembic.postgres.text.lexer import tokens
from erm_alembic.shadow.seeds.check_values import TEXTS, accepted, holding, literals_for
from erm_alembic.shadow.seeds.sample_values import Samples, samples_of

__all__ = ["Choices", "Later", "TablePlan", "plan_table"]

# How many ordinary values are looked at, and how many rows with values at the edges a table is given.
PLAIN_VALUES, EDGE_ROWS = 12, 5


class Later:
    """What a revision will demand of the rows that stand in its tables before it.

    Args:
        tables: the tables as the revision leaves them.
    """

    def __init__(self, tables: Collection[TableFacts] = ()) -> None:
        self._tables = {table.oid: table for table in tables}

    def of(self, table: TableFacts) -> TableFacts | None:
        """The same table as it will be; None where it will be gone."""
        return self._tables.get(table.oid)

    def type(self, table: TableFacts, column: TableColumn) -> SqlType | None:
        """The type that the column will have; None where it stays as it is."""
        later = self._column(table, column.number)
        return None if later is None or later.type == column.type else later.type

    def not_null(self, table: TableFacts, column: TableColumn) -> bool:
        """Whether the column refuses NULL, now or later."""
        later = self._column(table, column.number)
        return column.not_null or (later is not None and later.not_null)

    def foreign_keys(self, table: TableFacts) -> tuple[ForeignKey, ...]:
        """The references that rows must keep, now or later."""
        later = self.of(table)
        own = {(key.columns, key.parent) for key in table.foreign_keys}
        here = {column.number for column in table.columns}
        added = () if later is None else later.foreign_keys
        return (
            *table.foreign_keys,
            *(key for key in added if (key.columns, key.parent) not in own and here.issuperset(key.columns)),
        )

    def rules(self, table: TableFacts) -> tuple[Rule, ...]:
        """The rules that rows must keep, now or later; those that can be understood now."""
        later = self.of(table)
        if later is None:
            return table.rules
        same = {
            column.number
            for column in table.columns
            if (there := self._column(table, column.number)) is not None and there.name == column.name
        }
        known = {(rule.kind, rule.columns, rule.condition) for rule in table.rules}
        added = (rule for rule in later.rules if (rule.kind, rule.columns, rule.condition) not in known)
        return (*table.rules, *(rule for rule in added if same.issuperset(rule.columns)))

    def _column(self, table: TableFacts, number: int) -> TableColumn | None:
        later = self.of(table)
        return None if later is None else next((each for each in later.columns if each.number == number), None)


@dataclass(frozen=True)
class Choices:
    """What a column may be given.

    Args:
        column: the column.
        plain: the n-th ordinary value; None where a column that may be NULL can be given nothing else.
        edges: values at the edges, those that the conditions let pass.
        nullable: whether NULL is let in.
        free: whether it is a text that no condition is on.
    """

    column: TableColumn
    plain: Callable[[int], str | None]
    edges: tuple[str, ...]
    nullable: bool
    free: bool = False

    def another(self, value: object, number: int) -> str | None:
        """Another value than one that stands somewhere else already: as much at the edge as that, where it can be."""
        if self.free and isinstance(value, str) and value in self.edges and len(value) > len(str(number)) + 1:
            return value[: -len(str(number))] + str(number)
        return self.plain(number)

    def some(self, number: int) -> list[str | None]:
        """Candidates for a condition on several columns, the n-th ordinary value first."""
        values: list[str | None] = [self.plain(number + step) for step in range(PLAIN_VALUES)]
        values += self.edges
        if self.nullable:
            values.append(None)
        return list(dict.fromkeys(values))


@dataclass(frozen=True)
class TablePlan:
    """A table, and what its columns may be given.

    Args:
        table: the table.
        choices: by the number of the column; generated columns are left out.
        checks: the conditions on several columns, with the columns' numbers.
        unique: the columns of each unique index or exclusion constraint, by its name; 0 for an expression.
        foreign_keys: the references.
        circular: the names of those that close a circle of tables.
        edges: how many rows with values at the edges it is to have.
    """

    table: TableFacts
    choices: dict[int, Choices]
    checks: tuple[tuple[str, tuple[int, ...]], ...]
    unique: dict[str, tuple[int, ...]]
    foreign_keys: tuple[ForeignKey, ...]
    circular: frozenset[str]
    edges: int


def plan_table(
    cursor: Any, table: TableFacts, later: Later, circular: frozenset[str] = frozenset(), start: int = 1
) -> TablePlan:
    """Find the values for a table's columns.

    Args:
        cursor: within a transaction, of a database that has the table.
        table: the table.
        later: what a revision will demand of it.
        circular: the names of the foreign keys that close a circle of tables.
        start: the number of the first ordinary value that is asked for.
    """
    numbers = range(start, start + PLAIN_VALUES)
    rules = later.rules(table)
    checks = [(rule.condition, rule.columns) for rule in rules if rule.kind == "c" and rule.condition]
    if table.bounds:
        bound = " OR ".join(f"({each})" for each in table.bounds)
        checks.append((bound, _named_in(bound, table)))
    choices = {
        column.number: _choices(
            cursor, column, later.type(table, column), checks, later.not_null(table, column), numbers
        )
        for column in table.columns
        if not column.generated
    }
    return TablePlan(
        table=table,
        choices=choices,
        checks=tuple((condition, columns) for condition, columns in checks if len(columns) > 1),
        unique={rule.name: rule.columns for rule in rules if rule.kind != "c"},
        foreign_keys=later.foreign_keys(table),
        circular=circular,
        edges=min(max((len(each.edges) for each in choices.values()), default=0), EDGE_ROWS),
    )


def _named_in(condition: str, table: TableFacts) -> tuple[int, ...]:
    """The columns whose names stand in a condition."""
    names = {token.name for token in tokens(condition) if token.kind in ("word", "quoted")}
    return tuple(column.number for column in table.columns if column.name in names)


def _choices(
    cursor: Any,
    column: TableColumn,
    later: SqlType | None,
    checks: Sequence[tuple[str, tuple[int, ...]]],
    not_null: bool,
    numbers: range,
) -> Choices:
    conditions = [condition for condition, columns in checks if column.number in columns]
    alone = [condition for condition, columns in checks if columns == (column.number,)]
    samples = samples_of(column.type)
    plain = samples.plain
    edges = list(samples.edges)
    if later is not None:
        plain = _cycle(accepted(cursor, column.type, [samples_of(later).plain(n) for n in numbers])) or plain
        plain = _cycle(accepted(cursor, later, [plain(number) for number in numbers])) or plain
    conditions += _domain_checks(column.type)
    if conditions or not samples.sure or _has_domain(column.type):
        fits = _Fits(cursor, column, alone, samples)
        ordinary = [plain(number) for number in numbers]
        if fits.all_of(ordinary) != ordinary:
            written = [literals_for(column.type, conditions, number) for number in numbers]
            # What differs from row to row first: it may have to be unique.
            common = set(written[0]).intersection(*written)
            varied = [value for values in written for value in values if value not in common]
            candidates = [*varied, *(value for value in written[0] if value in common), *ordinary]
            held = _cycle(fits.all_of(list(dict.fromkeys([*candidates, *edges]))))
            if held is None and not not_null:
                return Choices(column, lambda _: None, (), True)
            plain = held or plain
        edges = fits.all_of([*edges, *_literals_as_edges(column.type, conditions)])
    free = column.type.internal in TEXTS and not conditions
    return Choices(column, plain, tuple(edges), not not_null, free)


def _literals_as_edges(type: SqlType, conditions: Sequence[str]) -> list[str]:
    """The last of the values that a condition names: what a narrower condition would refuse."""
    return literals_for(type, conditions)[:4] if type.kind not in ("e",) else []


@dataclass(frozen=True)
class _Fits:
    """Asks the server which values a column takes by itself."""

    cursor: Any
    column: TableColumn
    conditions: Sequence[str]
    samples: Samples

    def all_of(self, values: Sequence[str]) -> list[str]:
        """The values that the column takes, in their order."""
        found = list(values)
        if not self.samples.sure or _has_domain(self.column.type):
            found = accepted(self.cursor, self.column.type, found)
        for condition in self.conditions:
            typed = [(self.column.name, self.column.type)]
            found = [str(value) for (value,) in holding(self.cursor, condition, typed, [found])]
        return found


def _cycle(values: Sequence[str]) -> Callable[[int], str] | None:
    return (lambda number: values[(number - 1) % len(values)]) if values else None


def _has_domain(type: SqlType) -> bool:
    parts = (*type.fields, *((type.part,) if type.part is not None else ()))
    return type.kind == "d" or any(_has_domain(part) for part in parts)


def _domain_checks(type: SqlType) -> list[str]:
    found = list(type.checks)
    for part in (*type.fields, *((type.part,) if type.part is not None else ())):
        found += _domain_checks(part)
    return found
