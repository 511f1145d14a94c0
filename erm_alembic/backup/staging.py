"""The rows of a backup beside those of a table: loaded as text, matched by the primary key, compared, put back.

As text they fit whatever the columns are now; each value is cast to the type that its column has today. What a row is
told by is its key alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg2 import sql

from erm_alembic.backup.archive import TableRows
from erm_alembic.backup.loading import CHUNK, LineFile
from erm_alembic.backup.wanted_data import WantedTable
from erm_alembic.postgres.backup_facts import KeptColumn, KeptTable
from erm_alembic.postgres.text.lexer import tokens
from erm_alembic.postgres.text.words import name_parts

__all__ = ["Counts", "Staged"]

CONSTANT_WORDS = frozenset({"TRUE", "FALSE", "NULL"})


@dataclass(frozen=True)
class Counts:
    """How the rows of a backup stand to those of a table.

    Args:
        in_backup: how many rows the backup has.
        gone: how many of them are not there any more.
        new: how many rows have come since.
        changed: how many rows differ in other columns.
        to_set: how many rows get a value back.
        left: how many rows hold another value there by now, which stays.
    """

    in_backup: int
    gone: int
    new: int
    changed: int
    to_set: int
    left: int


class Staged:
    """The rows of one table of a backup, in a temporary table of the transaction.

    Args:
        cursor: a plain cursor in a transaction.
        number: tells this one from the others.
        wanted: what is to be put back.
        now: the table as it is now.
        types: the columns as the backup has them, each with its type.
    """

    def __init__(self, cursor: Any, number: int, wanted: WantedTable, now: KeptTable, types: dict[str, str]) -> None:
        self._cursor, self._wanted, self._now, self._types = cursor, wanted, now, types
        self._places = {name: sql.Identifier(f"c{place}") for place, name in enumerate(types)}
        self._name = sql.Identifier("pg_temp", f"erm_back_{number}")
        self.table = sql.Identifier(*name_parts(wanted.table))
        self._only = sql.SQL("ONLY ") if now.kind == "r" else sql.SQL("")
        columns = sql.SQL(", ").join(sql.SQL("{} text").format(place) for place in self._places.values())
        cursor.execute(
            sql.SQL("CREATE TEMPORARY TABLE {} ({}) ON COMMIT DROP").format(
                sql.Identifier(f"erm_back_{number}"), columns
            )
        )

    def load(self, rows: TableRows) -> None:
        """Take the rows of a table, or of a part of it.

        Args:
            rows: what the archive has.
        """
        columns = sql.SQL(", ").join(self._places[name] for name in rows.columns)
        copy = sql.SQL("COPY {} ({}) FROM STDIN WITH (FORMAT text, ENCODING {})").format(
            self._name, columns, sql.Literal(rows.encoding)
        )
        self._cursor.copy_expert(copy, LineFile(rows.lines), CHUNK)

    def loaded(self) -> None:
        """All rows are there."""
        self._cursor.execute(sql.SQL("ANALYZE {}").format(self._name))

    def counts(self, *, overwrite: bool) -> Counts:
        """Compare the two.

        Args:
            overwrite: whether values that stand in the columns now give way.
        """
        in_backup = self._one(sql.SQL("SELECT count(*) FROM {}").format(self._name))
        if not self._now.key:
            return Counts(in_backup, in_backup, 0, 0, 0, 0)
        gone = self._one(self._missing(sql.SQL("count(*)")))
        new = self._one(
            sql.SQL("SELECT count(*) FROM {}{} AS t WHERE NOT EXISTS (SELECT FROM {} AS s WHERE {})").format(
                self._only, self.table, self._name, self._matches()
            )
        )
        others = sql.SQL(" OR ").join(map(self._differs, self._others())) if self._others() else sql.SQL("false")
        sets: sql.Composable = sql.SQL("false")
        lefts: sql.Composable = sql.SQL("false")
        if self._wanted.columns:
            sets = sql.SQL(" OR ").join(self._gives_way(name, overwrite) for name in self._wanted.columns)
            lefts = sql.SQL(" OR ").join(
                sql.SQL("({} AND NOT {})").format(self._differs(name), self._gives_way(name, overwrite))
                for name in self._wanted.columns
            )
        self._cursor.execute(
            sql.SQL(
                "SELECT count(*) FILTER (WHERE {}), count(*) FILTER (WHERE {}), count(*) FILTER (WHERE {})"
                " FROM {} AS s JOIN {}{} AS t ON {}"
            ).format(others, sets, lefts, self._name, self._only, self.table, self._matches())
        )
        changed, to_set, left = self._cursor.fetchone()
        return Counts(in_backup, gone, new, changed, to_set, left)

    def set_values(self, *, overwrite: bool) -> int:
        """Give rows their values back.

        Args:
            overwrite: whether values that stand there now give way.

        Returns:
            How many rows got one.
        """
        if not self._wanted.columns:
            return 0
        always = [name for name in self._wanted.columns if self._now.columns[name].identity == "a"]
        self._numbered(always, "BY DEFAULT")
        assigned = sql.SQL(", ").join(
            sql.SQL("{} = CASE WHEN {} THEN {} ELSE t.{} END").format(
                sql.Identifier(name), self._gives_way(name, overwrite), self._value(name), sql.Identifier(name)
            )
            for name in self._wanted.columns
        )
        sets = sql.SQL(" OR ").join(self._gives_way(name, overwrite) for name in self._wanted.columns)
        self._cursor.execute(
            sql.SQL("UPDATE {}{} AS t SET {} FROM {} AS s WHERE {} AND ({})").format(
                self._only, self.table, assigned, self._name, self._matches(), sets
            )
        )
        done = int(self._cursor.rowcount)
        self._numbered(always, "ALWAYS")
        return done

    def insert_missing(self) -> int:
        """Put rows back that are not there any more; one stays away where another row holds a unique value of it.

        Returns:
            How many rows came back.
        """
        names = [name for name in self._types if self._is_stored(name)]
        columns = sql.SQL(", ").join(map(sql.Identifier, names))
        values = sql.SQL(", ").join(map(self._value, names))
        self._cursor.execute(
            sql.SQL("INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE {} ON CONFLICT DO NOTHING").format(
                self.table, columns, self._missing(values)
            )
        )
        return int(self._cursor.rowcount)

    def sequences(self) -> Iterator[tuple[str, str]]:
        """The sequences of columns that got values back, each with its column."""
        names = self._types if self._wanted.rows else self._wanted.columns
        for name in names:
            column = self._now.columns.get(name)
            if column is not None and column.sequence is not None:
                yield column.sequence, name

    def _missing(self, values: sql.Composable) -> sql.Composed:
        query = sql.SQL("SELECT {} FROM {} AS s").format(values, self._name)
        if not self._now.key:
            return sql.Composed([query])
        return query + sql.SQL(" WHERE NOT EXISTS (SELECT FROM {}{} AS t WHERE {})").format(
            self._only, self.table, self._matches()
        )

    def _matches(self) -> sql.Composed:
        return sql.SQL(" AND ").join(
            sql.SQL("t.{} = {}").format(sql.Identifier(name), self._value(name)) for name in self._now.key
        )

    def _value(self, name: str) -> sql.Composed:
        """The backup's value of a column, in the type that the column has now."""
        return sql.SQL("CAST(s.{} AS {})").format(self._places[name], sql.SQL(self._now.columns[name].type))

    def _differs(self, name: str) -> sql.Composed:
        # By their texts: not every type has an equality.
        return sql.SQL("t.{}::text IS DISTINCT FROM {}::text").format(sql.Identifier(name), self._value(name))

    def _gives_way(self, name: str, overwrite: bool) -> sql.Composed:
        """Whether a row gets the backup's value: it has another one now, which nobody has written."""
        if overwrite:
            return self._differs(name)
        column = self._now.columns[name]
        untouched = sql.SQL("t.{} IS NULL").format(sql.Identifier(name))
        constant = _constant(column)
        if constant is not None:
            same = sql.SQL("t.{}::text IS NOT DISTINCT FROM CAST({} AS {})::text").format(
                sql.Identifier(name), sql.SQL(constant), sql.SQL(column.type)
            )
            untouched = sql.SQL("({} OR {})").format(untouched, same)
        if column.missing is not None:  # what the rows got when the column was made
            same = sql.SQL("t.{}::text IS NOT DISTINCT FROM (CAST({} AS {}[]))[1]::text").format(
                sql.Identifier(name), sql.Literal(column.missing), sql.SQL(column.type)
            )
            untouched = sql.SQL("({} OR {})").format(untouched, same)
        return sql.SQL("({} AND {})").format(untouched, self._differs(name))

    def _others(self) -> list[str]:
        """The columns that tell whether a row was changed since: those of the same type then and now."""
        return [
            name
            for name, type_ in self._types.items()
            if self._is_stored(name)
            and name not in self._now.key
            and name not in self._wanted.columns
            and self._now.columns[name].type == type_
        ]

    def _is_stored(self, name: str) -> bool:
        column = self._now.columns.get(name)
        return column is not None and not column.generated

    def _numbered(self, names: Sequence[str], how: str) -> None:
        """Let columns that the server always numbers take values, and no longer."""
        for name in names:
            self._cursor.execute(
                sql.SQL("ALTER TABLE {} ALTER COLUMN {} SET GENERATED {}").format(
                    self.table, sql.Identifier(name), sql.SQL(how)
                )
            )

    def _one(self, query: sql.Composable) -> int:
        self._cursor.execute(query)
        return int(self._cursor.fetchone()[0])


def _constant(column: KeptColumn) -> str | None:
    """A column's default where it is a constant; None for one that is computed each time."""
    if column.default is None:
        return None
    words = list(tokens(column.default))
    if words and words[0].text == "-":
        words = words[1:]
    first, rest = (words[0], words[1:]) if words else (None, [])
    literal = first is not None and (
        first.kind == "string" or first.text[:1].isdigit() or first.text.upper() in CONSTANT_WORDS
    )
    return column.default if literal and (not rest or rest[0].text == ":") else None
