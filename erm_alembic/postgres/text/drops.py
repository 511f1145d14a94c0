"""The drops in a SQL text that can be read with certainty; what might drop and cannot be read is unknown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from erm_alembic.postgres.text.lexer import Token, split_statements
from erm_alembic.postgres.text.words import Words, written_name

__all__ = ["REMOVES_NOTHING", "Drop", "drops_in", "drops_of"]


@dataclass(frozen=True)
class Drop:
    """Something that a statement removes.

    Args:
        kind: `table`, `column`, `rows` (DELETE, TRUNCATE), `rewrite` for a column whose values another type takes, or
            `statement` for one that cannot be read.
        name: how to show it: a name as SQL has it, or the beginning of a statement that cannot be read.
        table: the parts of the table's name.
        column: the column, when only it is dropped, or rewritten.
        condition: which rows a DELETE removes, from its WHERE on; empty means all.
        type: the type that the values of a column become, as it is written.
        using: the expression that they become; empty where the type alone says it.
    """

    kind: Literal["table", "column", "rows", "rewrite", "statement"]
    name: str
    table: tuple[str, ...] = ()
    column: str | None = None
    condition: str = ""
    type: str = ""
    using: str = ""


# Objects that hold no rows of their own: dropping them loses nothing that their revision cannot make again.
HOLDS_NO_ROWS = frozenset(
    [
        "AGGREGATE",
        "CAST",
        "COLLATION",
        "CONVERSION",
        "DOMAIN",
        "EVENT",
        "FUNCTION",
        "INDEX",
        "MATERIALIZED",
        "OPERATOR",
        "POLICY",
        "PROCEDURE",
        "ROUTINE",
        "ROLE",
        "RULE",
        "SEQUENCE",
        "STATISTICS",
        "TEXT",
        "TRIGGER",
        "TYPE",
        "VIEW",
        "PUBLICATION",
        "SUBSCRIPTION",
    ]
)
# An assignment to one of these fails rather than cuts off.
TAKES_ALL_OR_NONE = frozenset({"TEXT", "VARCHAR", "CHARACTER", "CHAR", "BPCHAR"})
# Statements that remove nothing, whatever follows.
REMOVES_NOTHING = frozenset(
    [
        "SELECT",
        "WITH",
        "VALUES",
        "TABLE",
        "SHOW",
        "EXPLAIN",
        "SET",
        "RESET",
        "SAVEPOINT",
        "RELEASE",
        "ROLLBACK",
        "BEGIN",
        "START",
        "COMMIT",
        "END",
        "CREATE",
        "COMMENT",
        "GRANT",
        "REVOKE",
        "INSERT",
        "UPDATE",
        "ANALYZE",
        "VACUUM",
        "REINDEX",
        "CLUSTER",
        "REFRESH",
        "LOCK",
        "NOTIFY",
        "LISTEN",
        "UNLISTEN",
        "DISCARD",
        "SECURITY",
        "IMPORT",
        "CHECKPOINT",
        "LOAD",
    ]
)


def drops_in(text: str) -> list[Drop]:
    """What a SQL text removes.

    Example:
        >>> [(drop.kind, drop.table, drop.column) for drop in drops_in('ALTER TABLE s.t DROP COLUMN "C"')]
        [('column', ('s', 't'), 'C')]
    """
    return [drop for statement in split_statements(text) for drop in drops_of(statement, text)]


def drops_of(statement: list[Token], text: str) -> list[Drop]:
    """What one statement of a SQL text removes.

    Args:
        statement: its tokens.
        text: the text that they are of.
    """
    words = Words(statement)
    if words.take("WITH") or words.peek() in REMOVES_NOTHING:
        deletes = any(token.says("DELETE", "TRUNCATE") for token in statement)
        return [_unknown(words)] if statement[0].says("WITH", "EXPLAIN") and deletes else []
    if words.take("DROP"):
        return _dropped_objects(words)
    if words.take("TRUNCATE"):
        words.take("TABLE")
        return _named("rows", words)
    if words.take("DELETE"):
        return _deleted(words, text)
    if words.take("ALTER"):
        return _altered(words, text)
    return [_unknown(words)]


def _dropped_objects(words: Words) -> list[Drop]:
    if words.take("FOREIGN") and (words.take("TABLE") or words.take("DATA")) and not words.says_anywhere("CASCADE"):
        return []  # its rows stand elsewhere, and stay there
    if words.take("TABLE"):
        return _named("table", words)
    if words.peek() == "SCHEMA" and not words.says_anywhere("CASCADE"):
        return []  # the server drops an empty one only
    if words.peek() not in HOLDS_NO_ROWS or words.says_anywhere("CASCADE"):
        return [_unknown(words)]
    return []


def _named(kind: Literal["table", "rows"], words: Words) -> list[Drop]:
    """A list of table names; CASCADE may take rows of tables that are not named."""
    words.take_if_exists()
    found = []
    while True:
        words.take("ONLY")
        name = words.name()
        if not name:
            return [_unknown(words)]
        found.append(Drop(kind, written_name(name), name))
        words.take("*")
        if not words.take(","):
            break
    if kind == "rows" and words.says_anywhere("CASCADE"):
        found.append(_unknown(words))
    return found


def _deleted(words: Words, text: str) -> list[Drop]:
    """A DELETE whose rows can be counted with its own WHERE; one with USING or an alias counts as unknown."""
    words.take("FROM")
    words.take("ONLY")
    table = words.name()
    if not table:
        return [_unknown(words)]
    if words.peek() in ("", "RETURNING"):
        return [Drop("rows", written_name(table), table)]
    if words.peek() != "WHERE" or words.says_anywhere("RETURNING"):
        return [_unknown(words)]
    return [Drop("rows", written_name(table), table, condition=words.rest(text))]


def _altered(words: Words, text: str) -> list[Drop]:
    if not words.take("TABLE"):
        return [_unknown(words)] if words.says_anywhere("DROP") and words.says_anywhere("ATTRIBUTE") else []
    words.take_if_exists()
    words.take("ONLY")
    table = words.name()
    words.take("*")
    if not table:
        return [_unknown(words)]
    found = []
    for action in words.parts():
        if action.take("DROP"):
            found += _dropped_part(table, action, words)
        elif action.take("ALTER"):
            found += _rewritten(table, action, text)
    return found


def _dropped_part(table: tuple[str, ...], action: Words, words: Words) -> list[Drop]:
    if action.take("CONSTRAINT"):
        return []
    explicit = action.take("COLUMN")
    if not explicit and action.peek() in ("EXPRESSION", "IDENTITY"):
        return []
    action.take_if_exists()
    name = action.name()
    if len(name) != 1:
        return [_unknown(words)]
    return [Drop("column", written_name((*table, name[0])), table, name[0])]


def _rewritten(table: tuple[str, ...], action: Words, text: str) -> list[Drop]:
    """A column that gets another type; where no expression says how, a string type takes all of a value or none."""
    action.take("COLUMN")
    name = action.name()
    if len(name) != 1 or not (action.take("TYPE") or action.take("SET", "DATA", "TYPE")):
        return []
    if not action.peek():
        return []
    is_string = action.peek() in TAKES_ALL_OR_NONE
    becomes, using = action.rest(text), ""
    if action.skip_to("USING"):
        using = action.rest(text)
        becomes = becomes[: -len(using)].rstrip()[: -len("USING")].rstrip()
    elif is_string:
        return []
    return [Drop("rewrite", written_name((*table, name[0])), table, name[0], type=becomes, using=using)]


def _unknown(words: Words) -> Drop:
    return Drop("statement", words.beginning())
