"""One row after the other: composed from the choices of its columns, written, mended where the server refuses it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice, product
from typing import Any, Final

import psycopg2
from psycopg2 import errorcodes, sql

from erm_alembic.postgres.seeding import ForeignKey, TableFacts
from erm_alembic.shadow.seeds.candidates import TablePlan
from erm_alembic.shadow.seeds.check_values import holding
from erm_alembic.shadow.server_words import server_words

__all__ = ["RowWriter"]


class _Default:
    """Left to the column's own default."""


DEFAULT: Final = _Default()
Values = dict[int, str | _Default | None]
MENDINGS = 30
MOST_PARENTS = 40
MOST_COMBINATIONS = 600
# From one try to the next; no multiple of the small numbers that values cycle through.
STEP = 37
RUN = "SAVEPOINT erm_row; {}; SET CONSTRAINTS ALL IMMEDIATE; RELEASE SAVEPOINT erm_row"


class RowWriter:
    """Writes the rows of one table.

    Args:
        cursor: within a transaction.
        plan: the table, and what its columns may be given.
        start: the number of the first ordinary value.
        tables: the tables that it may refer to, by object id.
    """

    def __init__(self, cursor: Any, plan: TablePlan, start: int, tables: Mapping[int, TableFacts]) -> None:
        self._cursor = cursor
        self._tables = tables
        self._plan = plan
        self._start = start
        self._first: Values | None = None
        self._names = {column.number: column.name for column in plan.table.columns}
        self._edge = 0
        self._held: dict[str, list[tuple[str | None, ...]]] = {}
        self._statements: dict[tuple[tuple[int, bool], ...], str] = {}
        self._questions: dict[str, str] = {}

    def write(self, kind: str, number: int) -> str | None:
        """Write one row.

        Args:
            kind: `plain`, `edge`, `nulls` or `twin` (of the first row, as far as it need not be unique).
            number: the number of the row, from 0.

        Returns:
            Why it cannot be written; None when it was.
        """
        values = self._composed(kind, number)
        tried: set[tuple[Any, ...]] = set()
        reason = ""
        for attempt in range(MENDINGS):
            error = self._insert(values)
            if error is None:
                self._first = self._first or dict(values)
                return None
            reason = reason or server_words(error)
            mended = self._mended(error, values, number, attempt, tried)
            if mended is None:
                return reason
            values = mended
        return reason

    def _composed(self, kind: str, number: int) -> Values:
        at = self._start + number
        unique = {column for columns in self._plan.unique.values() for column in columns}
        values: Values = {}
        for column, choice in self._plan.choices.items():
            if kind == "twin" and self._first is not None and column not in unique:
                values[column] = self._first[column]
            elif kind == "edge" and choice.edges:
                values[column] = choice.edges[self._edge % len(choice.edges)]
            elif choice.column.numbered:
                values[column] = DEFAULT
            elif kind == "nulls":
                values[column] = None if choice.nullable else choice.plain(at)
            else:
                values[column] = choice.plain(at)
        self._edge += kind == "edge"
        for key in self._plan.foreign_keys:
            self._refer(key, values, number, null=kind == "nulls")
        self._satisfy(values, at)
        return values

    def _refer(self, key: ForeignKey, values: Values, number: int, *, null: bool = False) -> bool:
        """Let the columns of a foreign key refer to a row that is there; False where there is none."""
        nullable = [column for column in key.columns if column in self._plan.choices and self._may_be_null(column)]
        parents = [] if key.name in self._plan.circular or (null and nullable) else self._parents(key)
        fixed = {column: values[column] for other in self._before(key) for column in other.columns if column in values}
        fitting = [
            row
            for row in parents
            if all(fixed.get(column, value) == value for column, value in zip(key.columns, row, strict=True))
        ]
        if fitting:
            values.update(zip(key.columns, fitting[number % len(fitting)], strict=True))
            return True
        if nullable:
            values.update(dict.fromkeys(nullable, None))
            return True
        if key.parent == self._plan.table.oid:
            # The first row of its table can only refer to itself.
            for column, there in zip(key.columns, key.parent_columns, strict=True):
                if values.get(there) is DEFAULT:
                    values[there] = self._plan.choices[there].plain(self._start + number)
                values[column] = values.get(there)
            return True
        return False

    def _before(self, key: ForeignKey) -> Iterator[ForeignKey]:
        for other in self._plan.foreign_keys:
            if other is key:
                return
            yield other

    def _may_be_null(self, column: int) -> bool:
        return self._plan.choices[column].nullable

    def _parents(self, key: ForeignKey) -> list[tuple[str, ...]]:
        parent = self._tables.get(key.parent)
        if parent is None:
            return []
        if key.name not in self._questions:
            self._questions[key.name] = self._question(key, parent)
        self._cursor.execute(self._questions[key.name])
        return [tuple(row) for row in self._cursor.fetchall()]

    def _question(self, key: ForeignKey, parent: TableFacts) -> str:
        """The query for the rows that a foreign key may refer to."""
        by_number = {column.number: column.name for column in parent.columns}
        names = [sql.Identifier(by_number[number]) for number in key.parent_columns]
        columns = sql.SQL(", ").join(sql.SQL("{}::text").format(name) for name in names)
        filled = sql.SQL(" AND ").join(sql.SQL("{} IS NOT NULL").format(name) for name in names)
        question = sql.Composed(
            [
                sql.SQL("SELECT "),
                columns,
                sql.SQL(f" FROM {parent.name} WHERE "),
                filled,
                sql.SQL(f" ORDER BY 1 LIMIT {MOST_PARENTS}"),
            ]
        )
        return str(question.as_string(self._cursor))

    def _satisfy(self, values: Values, at: int) -> None:
        """Change what conditions on several columns do not let pass."""
        references = {column for key in self._plan.foreign_keys for column in key.columns}
        for condition, columns in self._plan.checks:
            if any(values.get(column) is DEFAULT or column not in self._plan.choices for column in columns):
                continue
            options: list[list[str | None]] = []
            for column in columns:
                own = values[column]
                assert not isinstance(own, _Default)
                others = [] if column in references else self._plan.choices[column].some(at)
                options.append(list(dict.fromkeys([own, *others])))
            typed = [(self._names[column], self._plan.choices[column].column.type) for column in columns]
            if holding(self._cursor, condition, typed, [each[:1] for each in options]):
                continue
            found = self._held.get(condition)
            if found is None:
                found = holding(self._cursor, condition, typed, options, most=MOST_COMBINATIONS)
                if not references.intersection(columns):
                    self._held[condition] = found
            if found:
                values.update(zip(columns, found[at % len(found)], strict=True))

    def _insert(self, values: Mapping[int, str | _Default | None]) -> psycopg2.Error | None:
        given = [value for value in values.values() if not isinstance(value, _Default)]
        try:
            self._cursor.execute(self._statement(values), given)
        except psycopg2.Error as error:
            if self._cursor.connection.closed:
                raise
            self._cursor.execute("ROLLBACK TO SAVEPOINT erm_row; RELEASE SAVEPOINT erm_row")
            return error
        return None

    def _statement(self, values: Mapping[int, str | _Default | None]) -> str:
        """The statement for one row, with a placeholder for each value; the same for most rows."""
        form = tuple((column, isinstance(value, _Default)) for column, value in values.items())
        if form not in self._statements:
            names = ", ".join(sql.Identifier(self._names[column]).as_string(self._cursor) for column, _ in form)
            table = f"INSERT INTO {self._plan.table.name}"
            if form:
                head = RUN.format(f"{table} ({names}) OVERRIDING SYSTEM VALUE VALUES (\0)")
            else:
                head = RUN.format(f"{table} DEFAULT VALUES")
            places = ", ".join("DEFAULT" if default else "%s" for _, default in form)
            self._statements[form] = head.replace("%", "%%").replace("\0", places)
        return self._statements[form]

    def _mended(
        self, error: psycopg2.Error, values: Values, number: int, attempt: int, tried: set[tuple[Any, ...]]
    ) -> Values | None:
        """The row with other values where the error says that something is wrong; None where nothing helps."""
        code, named = error.pgcode, error.diag.constraint_name or ""
        at = self._start + number + STEP * (attempt + 1)
        changed: Values = dict(values)
        if code in (errorcodes.UNIQUE_VIOLATION, errorcodes.EXCLUSION_VIOLATION):
            self._renew(self._columns_of(named), changed, at, number + attempt + 1)
        elif code == errorcodes.FOREIGN_KEY_VIOLATION:
            key = next((each for each in self._plan.foreign_keys if each.name == named), None)
            if key is None or not self._refer(key, changed, number + attempt + 1, null=attempt > MENDINGS // 2):
                return None
        elif code == errorcodes.NOT_NULL_VIOLATION and (column := self._numbered(error.diag.column_name)):
            changed[column] = self._plan.choices[column].plain(at)
        elif code == errorcodes.CHECK_VIOLATION and not named:  # no partition for it
            return self._routed(values, at, tried)
        else:
            return None
        mark = tuple(sorted((column, str(value)) for column, value in changed.items()))
        if changed == values or mark in tried:
            return None
        tried.add(mark)
        return changed

    def _numbered(self, name: str | None) -> int | None:
        """The number of a column that may be given a value, by its name."""
        return next((number for number in self._plan.choices if self._names[number] == name), None)

    def _columns_of(self, index: str) -> list[int]:
        """The columns of a unique index; all that stand in one where it is an expression's, or a partition's."""
        columns = self._plan.unique.get(index, (0,))
        if 0 in columns:
            own = {column for each in self._plan.unique.values() for column in each if column}
            texts = {number for number, each in self._plan.choices.items() if not each.column.numbered}
            columns = tuple(sorted(own | texts))
        return [column for column in columns if column in self._plan.choices]

    def _renew(self, columns: list[int], values: Values, at: int, number: int) -> None:
        """Give columns that must be unique other values."""
        references = [key for key in self._plan.foreign_keys if set(key.columns) & set(columns)]
        referring = {column for key in references for column in key.columns}
        for column in columns:
            if column not in referring:
                values[column] = self._plan.choices[column].another(values[column], at)
        for key in references:
            self._refer(key, values, number)

    def _routed(self, values: Values, at: int, tried: set[tuple[Any, ...]]) -> Values | None:
        """The row with other values in the columns that choose its partition."""
        columns = [column for column in self._plan.table.routing if column in self._plan.choices]
        options = [self._plan.choices[column].some(at) for column in columns]
        for combination in islice(product(*options), 200):
            if combination not in tried and combination:
                tried.add(combination)
                return {**values, **dict(zip(columns, combination, strict=True))}
        return None
