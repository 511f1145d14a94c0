"""The drops in a SQL text that can be read with certainty; what might drop and cannot be read is unknown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from erm_alembic.postgres.text.lexer import Token, split_statements

__all__ = ["Drop", "drops_in"]


@dataclass(frozen=True)
class Drop:
    """Something that a statement removes.

    Args:
        kind: `table`, `column`, `rows` (DELETE, TRUNCATE), or `statement` for one that cannot be read.
        name: how to show it.
        table: the parts of the table's name.
        column: the column, when only it is dropped.
        condition: which rows a DELETE removes, from its WHERE on; empty means all.
    """

    kind: Literal["table", "column", "rows", "statement"]
    name: str
    table: tuple[str, ...] = ()
    column: str | None = None
    condition: str = ""


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
    return [drop for statement in split_statements(text) for drop in _drops_of(statement, text)]


def _drops_of(statement: list[Token], text: str) -> list[Drop]:
    words = _Words(statement)
    if words.take("WITH") or words.peek() in REMOVES_NOTHING:
        deletes = any(token.says("DELETE", "TRUNCATE") for token in statement)
        return [words.unknown()] if statement[0].says("WITH") and deletes else []
    if words.take("DROP"):
        return _dropped_objects(words)
    if words.take("TRUNCATE"):
        words.take("TABLE")
        return _named("rows", words)
    if words.take("DELETE"):
        return _deleted(words, text)
    if words.take("ALTER"):
        return _altered(words)
    return [words.unknown()]


def _dropped_objects(words: _Words) -> list[Drop]:
    words.take("FOREIGN")
    if words.take("TABLE"):
        return _named("table", words)
    if words.peek() not in HOLDS_NO_ROWS or words.says_anywhere("CASCADE"):
        return [words.unknown()]
    return []


def _named(kind: Literal["table", "rows"], words: _Words) -> list[Drop]:
    """A list of table names; CASCADE may take rows of tables that are not named."""
    words.take_if_exists()
    found = []
    while True:
        words.take("ONLY")
        name = words.name()
        if not name:
            return [words.unknown()]
        found.append(Drop(kind, ".".join(name), name))
        words.take("*")
        if not words.take(","):
            break
    if kind == "rows" and words.says_anywhere("CASCADE"):
        found.append(words.unknown())
    return found


def _deleted(words: _Words, text: str) -> list[Drop]:
    """A DELETE whose rows can be counted with its own WHERE; one with USING or an alias counts as unknown."""
    words.take("FROM")
    words.take("ONLY")
    table = words.name()
    if not table:
        return [words.unknown()]
    if words.peek() in ("", "RETURNING"):
        return [Drop("rows", ".".join(table), table)]
    if words.peek() != "WHERE" or words.says_anywhere("RETURNING"):
        return [words.unknown()]
    return [Drop("rows", ".".join(table), table, condition=words.rest(text))]


def _altered(words: _Words) -> list[Drop]:
    if not words.take("TABLE"):
        return [words.unknown()] if words.says_anywhere("DROP") and words.says_anywhere("ATTRIBUTE") else []
    words.take_if_exists()
    words.take("ONLY")
    table = words.name()
    words.take("*")
    if not table:
        return [words.unknown()]
    found = []
    for action in words.actions():
        if action.take("DROP"):
            found += _dropped_part(table, action, words)
    return found


def _dropped_part(table: tuple[str, ...], action: _Words, words: _Words) -> list[Drop]:
    if action.take("CONSTRAINT"):
        return []
    explicit = action.take("COLUMN")
    if not explicit and action.peek() in ("EXPRESSION", "IDENTITY"):
        return []
    action.take_if_exists()
    name = action.name()
    if len(name) != 1:
        return [words.unknown()]
    return [Drop("column", ".".join((*table, name[0])), table, name[0])]


class _Words:
    """A statement that is read from left to right."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._at = 0

    def peek(self) -> str:
        return self._tokens[self._at].text.upper() if self._at < len(self._tokens) else ""

    def take(self, word: str) -> bool:
        if self.peek() != word:
            return False
        self._at += 1
        return True

    def take_if_exists(self) -> None:
        if self.take("IF"):
            self.take("EXISTS")

    def name(self) -> tuple[str, ...]:
        """A possibly qualified name; empty when there is none."""
        parts = []
        while self._at < len(self._tokens) and self._tokens[self._at].kind in ("word", "quoted"):
            parts.append(self._tokens[self._at].name)
            self._at += 1
            if not self.take("."):
                break
        return tuple(parts)

    def rest(self, text: str) -> str:
        """The statement's own text from here on."""
        last = self._tokens[-1]
        return text[self._tokens[self._at].start : last.start + len(last.text)]

    def says_anywhere(self, word: str) -> bool:
        return any(token.says(word) for token in self._tokens)

    def actions(self) -> list[_Words]:
        """What is left, split at the commas that stand outside parentheses."""
        parts: list[list[Token]] = [[]]
        depth = 0
        for token in self._tokens[self._at :]:
            depth += {"(": 1, ")": -1}.get(token.text, 0)
            if token.text == "," and depth == 0:
                parts.append([])
            else:
                parts[-1].append(token)
        return [_Words(part) for part in parts]

    def unknown(self) -> Drop:
        return Drop("statement", " ".join(token.text for token in self._tokens[:6]))
