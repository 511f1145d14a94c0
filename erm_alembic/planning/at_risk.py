"""What the statements of a plan may lose, on the way up as on the way down: what a backup has to hold.

Nothing is counted: one row that stands in a table is enough. What the plan makes itself is at no risk.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any

from erm_alembic.ledger.backups import LostObject
from erm_alembic.planning.data_loss import Way
from erm_alembic.planning.model import Plan, Statement, Step
from erm_alembic.postgres.backup_facts import tables_in
from erm_alembic.postgres.text.drops import Drop, drops_of
from erm_alembic.postgres.text.lexer import Token, split_statements, statement_kind, tokens
from erm_alembic.postgres.text.moves import moves_of
from erm_alembic.postgres.text.words import Words, name_parts, written_name
from erm_alembic.postgres.victims import count, quoted_name, values

__all__ = ["at_risk", "updates_of"]

SHOWN_WORDS = 6
# They add rows; what was there stays.
ADDS = frozenset({"COPY"})


def at_risk(cursor: Any, plan: Plan) -> tuple[LostObject, ...]:
    """What a plan's statements may lose.

    Args:
        cursor: an ungated cursor of the target, with a transaction open.
        plan: the plan.
    """
    risks = _Risks(cursor)
    found = [risk for step in plan.steps for risk in risks.of_step(step)]
    for loss in plan.data_loss:  # what no statement shows, and a proof saw
        if loss.kind == "proven" and loss.rows != 0:
            found.append(risks.proven(loss.now or loss.object, loss.object, loss.revision))
    unique: dict[tuple[str | None, ...], LostObject] = {}
    for each in found:
        unique.setdefault((each.table, each.column, each.object if each.table is None else None), each)
    whole = {each.table for each in unique.values() if each.table and not each.column and each.kind == "table"}
    return tuple(each for each in unique.values() if not (each.column and each.table in whole))


class _Risks(Way):
    """Follows names through a plan, as a way down does."""

    def of_step(self, step: Step) -> Iterator[LostObject]:
        for statement in step.statements:
            if statement.opaque:
                shown = " ".join(token.text for token in list(tokens(statement.sql))[:SHOWN_WORDS])
                yield LostObject("statement", shown, revision=step.revision, line=statement.line)
            elif not statement.read and not statement.done:
                yield from self._of_statement(step, statement)
        self.names.is_lost = self.names.is_lost or step.rendered == "partial"

    def proven(self, name: str, shown: str, revision: str) -> LostObject:
        parts = name_parts(name)
        table = self.names.table(parts[:2])
        column = written_name(parts[2:]) if len(parts) > 2 else None
        return LostObject("proven", shown, self._written(table) if table > 0 else None, column, revision)

    def _of_statement(self, step: Step, statement: Statement) -> Iterator[LostObject]:
        text = statement.literal or statement.sql
        for words in split_statements(text):
            if statement_kind(words) in ADDS:
                continue
            drops = drops_of(words, text)
            yield from self._of_schemas(step, statement, words)
            for drop in drops:
                yield from self._of_drop(step, statement, drop)
            yield from self._of_update(step, statement, words)
            for move in moves_of(words):
                self.names.follow(move, statement.schemas)
        if statement.observed is not None and statement_kind(list(tokens(text))) == "ALTER":
            for name in statement.observed.rewrites:
                table = self.names.table(name_parts(name))
                if table > 0 and self._has_any(table, None):
                    yield LostObject("rewrite", name, self._written(table), None, step.revision, statement.line)

    def _of_drop(self, step: Step, statement: Statement, drop: Drop) -> Iterator[LostObject]:
        place = {"revision": step.revision, "line": statement.line}
        if drop.kind == "statement":
            self.names.is_lost = True
            yield LostObject("statement", drop.name, **place)  # type: ignore[arg-type]  # two known members
            return
        table = self.names.table(drop.table, statement.schemas)
        column = self.names.column(table, drop.column) if table and drop.column else None
        if table > 0 and (column or not drop.column):
            if self._takes_any(drop, table, column, statement.schemas):
                written = None if column is None else written_name([column])
                yield LostObject(drop.kind, drop.name, self._written(table), written, step.revision, statement.line)
        elif not table and self.names.may_be(drop.table[-1]):
            yield LostObject(drop.kind, drop.name, None, None, step.revision, statement.line)
        if drop.kind == "table":
            self.names.drop(drop.table, statement.schemas)
        elif drop.kind == "column" and drop.column:
            self.names.drop_column(table, drop.column)

    def _of_schemas(self, step: Step, statement: Statement, tokens_: Sequence[Token]) -> Iterator[LostObject]:
        """The tables that stand in a schema which is dropped with them; what else goes with it cannot be read."""
        words = Words(list(tokens_))
        if not (words.take("DROP", "SCHEMA") and words.says_anywhere("CASCADE")):
            return
        words.take_if_exists()
        for part in words.parts():
            schema = (part.name() or ("",))[-1]
            for name in tables_in(self._cursor, schema):
                table = self.names.table((schema, name))
                if table > 0 and self._has_any(table, None):
                    shown = written_name((schema, name))
                    yield LostObject("table", shown, self._written(table), None, step.revision, statement.line)

    def _of_update(self, step: Step, statement: Statement, words: Sequence[Token]) -> Iterator[LostObject]:
        for name, columns in updates_of(words):
            if not name:
                shown = " ".join(token.text for token in words[:SHOWN_WORDS])
                yield LostObject("statement", shown, revision=step.revision, line=statement.line)
                continue
            table = self.names.table(name, statement.schemas)
            for column in columns if table > 0 else ():
                live = self.names.column(table, column)
                if live and self._has_any(table, live):
                    shown = written_name([*name, column])
                    yield LostObject(
                        "update", shown, self._written(table), written_name([live]), step.revision, statement.line
                    )

    def _takes_any(self, drop: Drop, table: int, column: str | None, schemas: Sequence[str]) -> bool:
        """Whether a drop takes a row or a value; one that cannot be looked at in time is taken to."""
        if drop.kind == "rewrite":
            return self._rewritten(drop, table, schemas)[0] != 0
        heirs, _ = self.names.with_heirs(table)
        return any(self._has_any(each, column if each == table else None) for each in heirs)

    def _has_any(self, table: int, column: str | None) -> bool:
        """Whether a table has a row, or a value in a column; one that cannot be looked at in time is taken to."""
        name = quoted_name(self._cursor, table)
        return bool(name) and count(self._cursor, [f"FROM (SELECT {values(name, column)} LIMIT 1) AS one"]) != 0

    def _written(self, table: int) -> str:
        return written_name(name_parts(quoted_name(self._cursor, table)))


def updates_of(statement: Sequence[Token]) -> Iterable[tuple[tuple[str, ...], tuple[str, ...]]]:
    """The tables of which a statement overwrites values, each with the columns; no name where that cannot be read.

    Args:
        statement: its tokens.

    Example:
        >>> list(updates_of(split_statements("UPDATE s.t AS x SET a = 1, (b, c) = (2, 3) WHERE d > 0")[0]))
        [(('s', 't'), ('a', 'b', 'c'))]
        >>> list(updates_of(split_statements("INSERT INTO t VALUES (1) ON CONFLICT (a) DO UPDATE SET b = 2")[0]))
        [(('t',), ('b',))]
    """
    words = Words(list(statement))
    if words.take("UPDATE"):
        words.take("ONLY")
        name = words.name()
        return [(name, _assigned(words))] if words.skip_to("SET") else []
    if words.take("INSERT", "INTO"):
        name = words.name()
        return [(name, _assigned(words))] if words.skip_to("CONFLICT") and words.skip_to("SET") else []
    # FOR UPDATE locks, and changes nothing.
    hidden = words.take("WITH") and any(
        after.says("UPDATE") and not before.says("FOR", "KEY") for before, after in pairwise(statement)
    )
    return [((), ())] if hidden else []


def _assigned(words: Words) -> tuple[str, ...]:
    found: list[str] = []
    for part in words.parts():
        several = part.enclosed()
        names = [each.name() for each in several.parts()] if several is not None else [part.name()]
        if part.peek() in ("=", "["):
            found += [name[0] for name in names if name]
    return tuple(found)
