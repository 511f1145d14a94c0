"""What a rollback would lose: the drops among its recorded statements, counted on the live database.

Names are followed from the first statement on: what is dropped under one name may bear another one now.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg2.extensions import TRANSACTION_STATUS_INERROR
from psycopg2.extensions import cursor as PlainCursor

from erm_alembic.planning.model import DataLoss, Statement, Step
from erm_alembic.planning.names import Names
from erm_alembic.postgres.intercept import GatedConnection
from erm_alembic.postgres.text.drops import Drop, drops_of
from erm_alembic.postgres.text.lexer import split_statements, tokens
from erm_alembic.postgres.text.moves import moves_of
from erm_alembic.postgres.text.words import written_name
from erm_alembic.postgres.victims import column_of, count, quoted_name, rewritten_values, values

__all__ = ["Way", "count_losses"]

OPAQUE_WORDS = 6
# Of a table of the database that the run itself has made, as of one that its plan makes.
UNCOUNTED = -(2**40)
# What stands in an expression that only casts, beside names.
CASTS = frozenset({":", "(", ")", "."})
CAST_WORDS = frozenset({"cast", "as", "text", "varchar", "character", "varying"})


def count_losses(raw: GatedConnection, steps: Sequence[Step]) -> tuple[DataLoss, ...]:
    """Count the rows and values that the recorded drops would lose.

    Args:
        raw: the recording session, which has the role and the search_path that the downgrades will run with.
        steps: the recorded downgrades.
    """
    if raw.info.transaction_status == TRANSACTION_STATUS_INERROR:
        raw.rollback()
    with raw.cursor(cursor_factory=PlainCursor) as cursor:
        way = Way(cursor)
        return tuple(loss for step in steps for loss in way.losses_of(step))


@dataclass(frozen=True)
class _Sent:
    """One drop, and what it is sent in."""

    step: Step
    statement: Statement
    drop: Drop


class Way:
    """The way down, followed from step to step.

    Args:
        cursor: an ungated cursor of the database, with a transaction open.
        known: the tables that count, each with the last of its columns that does; None where all of them do.
    """

    def __init__(self, cursor: Any, known: Mapping[int, int] | None = None) -> None:
        self._cursor, self._known = cursor, known
        self.names = Names(cursor)

    def losses_of(self, step: Step) -> Iterator[DataLoss]:
        """What a step loses; its steps come one after the other.

        Args:
            step: a recorded downgrade.
        """
        for sent in self._drops_of(step):
            rows, now = self._counted(sent)
            self._forget(sent)
            yield DataLoss(sent.drop.kind, sent.drop.name, rows, step.revision, sent.statement.line, now)

    def victims_of(self, step: Step) -> Iterator[tuple[int, str | None]]:
        """What the drops of a step take: each table, and the column where it is only that, as the database has it.

        Args:
            step: a recorded downgrade.
        """
        for sent in self._drops_of(step):
            table, column = self._table(sent), sent.drop.column
            if table > 0:
                live = self.names.column(table, column) if column else None
                if not column or live:
                    yield table, live
            self._forget(sent)

    def _drops_of(self, step: Step) -> Iterator[_Sent]:
        for statement in step.statements:
            if statement.opaque:
                shown = " ".join(token.text for token in list(tokens(statement.sql))[:OPAQUE_WORDS])
                yield _Sent(step, statement, Drop("statement", shown))
            elif not statement.read:
                text, elsewhere = statement.literal or statement.sql, False
                for words in split_statements(text):
                    for drop in drops_of(words, text):
                        unknown = elsewhere and len(drop.table) == 1
                        yield _Sent(step, statement, Drop("statement", drop.name) if unknown else drop)
                    for move in moves_of(words):
                        self.names.follow(move, statement.schemas)
                    # Within one text nobody has looked where names are looked for from here on.
                    elsewhere = elsewhere or any("search_path" in token.text.lower() for token in words)
        self.names.is_lost = self.names.is_lost or step.rendered == "partial"

    def _table(self, sent: _Sent) -> int:
        table = self.names.table(sent.drop.table, sent.statement.schemas)
        return UNCOUNTED if self._known is not None and table > 0 and table not in self._known else table

    def _forget(self, sent: _Sent) -> None:
        drop = sent.drop
        if drop.kind == "table":
            self.names.drop(drop.table, sent.statement.schemas)
        elif drop.kind == "column" and drop.column:
            self.names.drop_column(self._table(sent), drop.column)
        elif drop.kind == "statement":
            self.names.is_lost = True

    def _counted(self, sent: _Sent) -> tuple[int | None, str | None]:
        """How many rows or values a drop takes, and under which name these stand now, where that is another one."""
        drop, schemas = sent.drop, sent.statement.schemas
        if drop.kind == "statement":
            return None, None
        table = self._table(sent)
        if not table:
            return (None if self.names.may_be(drop.table[-1]) else 0), None
        if table < 0 and drop.column:
            return 0, None
        if drop.kind == "rewrite":
            return self._rewritten(drop, table, schemas)
        if drop.condition:
            return self._deleted(drop, table, schemas)
        tables, apart = self.names.with_heirs(table)
        if drop.column:
            column = self.names.column(table, drop.column)
            if column is None:
                return (None if self.names.may_be(drop.column) else 0), None
            if not column or self._is_new(table, column):
                return 0, None
            tables = tables[:1]
        else:
            column = None
        told = [count(self._cursor, [values(self._name(each), column, without=apart)]) for each in tables]
        rows = None if None in told else sum(each for each in told if each is not None)
        return rows, self._now(drop, table, column)

    def _deleted(self, drop: Drop, table: int, schemas: Sequence[str]) -> tuple[int | None, str | None]:
        """The DELETE's own WHERE, which the read-only session can only evaluate."""
        if table < 0:
            return 0, None
        moved = self.names.has_moved(table)
        if self.names.any_moved and any(token.says("FROM", "JOIN") for token in tokens(drop.condition)):
            return None, self._now(drop, table, None)  # the tables in it may be others by then
        alias = drop.table[-1] if moved else ""
        rows = count(self._cursor, [values(self._name(table), condition=drop.condition, alias=alias)], schemas)
        return rows, self._now(drop, table, None)

    def _rewritten(self, drop: Drop, table: int, schemas: Sequence[str]) -> tuple[int | None, str | None]:
        column = self.names.column(table, drop.column or "")
        if column is None:
            return (None if self.names.may_be(drop.column or "") else 0), None
        facts = column_of(self._cursor, table, column) if column and table > 0 else None
        kinds = [token.name for token in tokens(drop.type) if token.kind in ("word", "quoted")]
        to_new_enum = bool(kinds) and kinds[-1] in self.names.enums and drop.using and only_casts(drop)
        if facts is None or to_new_enum or self._is_new(table, column):
            return 0, None  # of an enum's values each becomes the one of the same name, or the statement fails
        alias = drop.table[-1] if self.names.has_moved(table) else ""
        rows = count(self._cursor, rewritten_values(self._name(table), drop, facts, live=column, alias=alias), schemas)
        # What a cast does not undo, another expression may.
        return rows if not rows or only_casts(drop) else None, self._now(drop, table, column)

    def _is_new(self, table: int, column: str) -> bool:
        if self._known is None:
            return False
        facts = column_of(self._cursor, table, column)
        return facts is not None and facts.number > self._known.get(table, 0)

    def _name(self, table: int) -> str:
        return quoted_name(self._cursor, table)

    def _now(self, drop: Drop, table: int, column: str | None) -> str | None:
        if table < 0 or not (self.names.is_elsewhere(table) or (column and column != drop.column)):
            return None
        name = self._name(table)
        return f"{name}.{written_name([column])}" if column else name


def only_casts(drop: Drop) -> bool:
    """Whether an expression does nothing but cast the value of its column, perhaps by way of its text.

    Args:
        drop: the change of a column's type.
    """
    kinds = {token.name for token in tokens(drop.type) if token.kind in ("word", "quoted")}
    known = CAST_WORDS | kinds | {*drop.table, drop.column}
    limits = {token.text for token in tokens(drop.type)}
    return all(
        token.name in known if token.kind in ("word", "quoted") else token.text in CASTS | limits
        for token in tokens(drop.using)
    )
