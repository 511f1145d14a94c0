"""What the names in a plan's statements stand for on the database as it is now: names move while a plan runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from erm_alembic.postgres.text.moves import Move
from erm_alembic.postgres.victims import column_of, relation_in, schemas_of, with_parts

__all__ = ["Names"]

Place = tuple[str, str]
NOWHERE: Place = ("", "")


class Names:
    """Follows names through the statements of a plan, none of which has run.

    A table is told by its object id on the database, or by a number below zero where the plan makes it; zero is none.

    Args:
        cursor: an ungated cursor of the database.
    """

    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor
        self._default = schemas_of(cursor)
        self._there: dict[Place, int] = {}
        self._placed: dict[Place, int] = {}
        self._left: set[int] = set()
        self._schemas: dict[str, str] = {}
        self._left_schemas: set[str] = set()
        self._columns: dict[int, dict[str, str]] = {}
        self._heirs: dict[int, list[int]] = {}
        self._apart: dict[int, set[int]] = {}
        self._unfollowed: set[str] = set()
        self._dropped: set[str] = set()
        self._made = 0
        self.enums: set[str] = set()
        self.any_moved = False
        self.is_lost = False

    def table(self, name: Sequence[str], schemas: Sequence[str] = ()) -> int:
        """The table that a name stands for.

        Args:
            name: the parts of the name.
            schemas: where it is looked for without a schema; none where that is the session's search_path.
        """
        return self._find(name, schemas)[0]

    def column(self, table: int, name: str) -> str | None:
        """What a column is called on the database; empty where the plan makes it, None where there is none.

        Args:
            table: the table.
            name: the column's name in the plan.
        """
        known = self._columns.get(table, {})
        if name in known:
            return known[name]
        if table <= 0 or name in known.values() or column_of(self._cursor, table, name) is None:
            return None
        return name

    def has_moved(self, table: int) -> bool:
        """Whether a table, or a column of it, is called otherwise than on the database.

        Args:
            table: the table.
        """
        return table in self._left or table in self._columns

    def is_elsewhere(self, table: int) -> bool:
        """Whether a table, or its schema, is called otherwise than on the database.

        Args:
            table: the table.
        """
        return table in self._left or bool(self._schemas)

    def may_be(self, name: str) -> bool:
        """Whether something may bear a name that nothing is known to bear.

        Args:
            name: the last part of the name.
        """
        return (self.is_lost and name not in self._dropped) or name in self._unfollowed

    def with_heirs(self, table: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The tables of the database that go with a table that is dropped, and what of their parts does not.

        Args:
            table: the table.
        """
        seen: list[int] = []
        waiting = [table]
        while waiting:
            each = waiting.pop()
            if each and each not in seen:
                seen.append(each)
                waiting += self._heirs.get(each, [])
        apart = {part for each in seen for part in self._apart.get(each, ())}
        return tuple(each for each in seen if each > 0), with_parts(self._cursor, sorted(apart)) if apart else ()

    def drop(self, name: Sequence[str], schemas: Sequence[str] = ()) -> None:
        """A table is gone from here on.

        Args:
            name: the parts of its name.
            schemas: where it is looked for.
        """
        table, place = self._find(name, schemas)
        if table:
            self._take(table, place)
            self._dropped.add(place[1])

    def drop_column(self, table: int, name: str) -> None:
        """A column is gone from here on; another one may get its name.

        Args:
            table: its table.
            name: its name in the plan.
        """
        live = self.column(table, name) if table else None
        if live is None:
            return
        known = self._columns.setdefault(table, {})
        known.pop(name, None)
        if live:
            self._dropped.add(name)
            known[f"\0{live}"] = live  # its name on the database is taken, by nothing that has a name in the plan

    def follow(self, move: Move, schemas: Sequence[str] = ()) -> None:
        """A statement makes, renames or moves something.

        Args:
            move: what it does.
            schemas: where names without a schema are looked for.
        """
        match move.kind:
            case "table":
                self._make(move, schemas)
            case "enum":
                self.enums.add(move.name[-1])
            case "schema-renamed":
                self._rename_schema(move.name[-1], move.to)
            case "renamed" | "schema":
                self._move(move, schemas)
            case _:
                self._change(move, schemas)

    def _make(self, move: Move, schemas: Sequence[str]) -> None:
        if move.unless_there and self.table(move.name, schemas):
            return
        path = schemas or self._default
        if move.temporary:
            place = ("pg_temp", move.name[-1])
        elif len(move.name) > 1:
            place = (move.name[-2], move.name[-1])
        else:
            place = (path[0] if path else "", move.name[-1])
        self._made -= 1
        self._placed[place] = self._made

    def _move(self, move: Move, schemas: Sequence[str]) -> None:
        table, place = self._find(move.name, schemas)
        if not table:
            self._unfollowed.add(move.to if move.kind == "renamed" else move.name[-1])
            return
        self.any_moved = True
        self._take(table, place)
        self._placed[(place[0], move.to) if move.kind == "renamed" else (move.to, place[1])] = table

    def _rename_schema(self, old: str, new: str) -> None:
        self.any_moved = True
        moved = {place: table for place, table in self._placed.items() if place[0] == old}
        for place, table in moved.items():
            del self._placed[place]
            self._placed[new, place[1]] = table
        self._schemas[new] = self._on_database(old)
        self._schemas.pop(old, None)
        self._left_schemas.add(old)
        self._left_schemas.discard(new)

    def _change(self, move: Move, schemas: Sequence[str]) -> None:
        table = self.table(move.name, schemas)
        if move.kind == "column-renamed":
            # Of heirs the column is renamed, too.
            self._unfollowed.add(move.to)
            live = self.column(table, move.column) if table else None
            if live is not None:
                self._columns.setdefault(table, {}).pop(move.column, None)
                self._columns[table][move.to] = live
        elif move.kind == "column":
            if table and not (move.unless_there and self.column(table, move.to) is not None):
                self._columns.setdefault(table, {})[move.to] = ""
        else:
            other = self.table(move.other, schemas)
            if not table or not other:
                self.is_lost = True
            elif move.kind == "attached":
                self._heirs.setdefault(table, []).append(other)
                self._apart.get(table, set()).discard(other)
            else:
                self._apart.setdefault(table, set()).add(other)
                if other in self._heirs.get(table, []):
                    self._heirs[table].remove(other)

    def _take(self, table: int, place: Place) -> None:
        self._placed.pop(place, None)
        self._left.add(table)

    def _find(self, name: Sequence[str], schemas: Sequence[str]) -> tuple[int, Place]:
        if not name:
            return 0, NOWHERE
        for schema in [name[-2]] if len(name) > 1 else ["pg_temp", *(schemas or self._default)]:
            place = schema, name[-1]
            found = self._placed.get(place) or self._in_place(place)
            if found:
                return found, place
        return 0, NOWHERE

    def _in_place(self, place: Place) -> int:
        """What stands there on the database, and has not left."""
        schema = self._on_database(place[0])
        if not schema:
            return 0
        live = schema, place[1]
        if live not in self._there:
            self._there[live] = relation_in(self._cursor, *live) or 0
        found = self._there[live]
        return 0 if found in self._left else found

    def _on_database(self, schema: str) -> str:
        """What a schema is called on the database; empty where it is none of there."""
        if schema in self._schemas:
            return self._schemas[schema]
        return "" if schema in self._left_schemas else schema
