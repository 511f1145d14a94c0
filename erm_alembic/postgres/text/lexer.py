"""The words of a SQL text: enough to know what kind of statement it is, and to say "unknown" about everything else.

This is no parser. It skips comments, keeps strings and dollar quotes whole, and splits at semicolons. White space is
what the server takes for it: a no-break space is a part of a name there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise
from typing import Literal, NamedTuple

__all__ = [
    "READS",
    "SAVEPOINTS",
    "SETTINGS",
    "Token",
    "is_read_or_setting",
    "split_statements",
    "statement_kind",
    "statement_kinds",
    "tokens",
]

# A text whose statements all begin like this reads, as far as its words tell; the read-only session proves it.
READS = frozenset({"SELECT", "WITH", "VALUES", "TABLE", "SHOW", "EXPLAIN"})
SETTINGS = frozenset({"SET", "RESET"})
SAVEPOINTS = frozenset({"SAVEPOINT", "RELEASE", "ROLLBACK TO"})

TOKEN = re.compile(
    r"""
      (?P<space>[ \t\n\r\f\v]+|--[^\r\n]*)
    | (?P<comment>/\*)
    | (?P<dollar>\$(?:[^\W\d]\w*)?\$)
    | (?P<string>
          [eE]'(?:[^'\\]|\\.|'')*'
              (?:[ \t\f\v]*(?:--[^\r\n]*)?[\r\n](?:[ \t\n\r\f\v]|--[^\r\n]*[\r\n])*'(?:[^'\\]|\\.|'')*')*  # it goes on
        | (?:[bBxXnN]|[uU]&)?'(?:[^']|'')*'
      )
    | (?P<quoted>(?:[uU]&)?"(?:[^"]|"")*")
    | (?P<word>[^\W\d][\w$]*)
    | (?P<other>\d[\w.]*|.)
    """,
    re.VERBOSE | re.DOTALL,
)


# One statement is asked about several times while it passes; a long one is a load of data, and not worth keeping.
KEPT_TEXTS, LONGEST_KEPT = 64, 10_000
# What was planned is sent soon afterwards: of a history of some thousand statements, each is looked at once.
KEPT_KINDS = 4096


class Token(NamedTuple):
    """One word, quoted name, string or sign of a SQL text, and where it begins in it."""

    kind: Literal["word", "quoted", "string", "other"]
    text: str
    start: int = 0

    @property
    def name(self) -> str:
        """The identifier that it stands for: folded to lower case unless it is quoted."""
        if self.kind == "quoted":
            return self.text[self.text.index('"') + 1 : -1].replace('""', '"')
        return self.text.lower()

    def says(self, *keywords: str) -> bool:
        """Whether it is one of these keywords (given in upper case)."""
        return self.kind == "word" and self.text.upper() in keywords


def tokens(sql: str) -> Iterator[Token]:
    """The tokens of a SQL text, without white space and comments.

    Example:
        >>> [token.text for token in tokens("DROP /* all of it */ TABLE a;")]
        ['DROP', 'TABLE', 'a', ';']
    """
    if "/*" not in sql and "$" not in sql:  # nothing whose end the pattern cannot see: five times as fast
        for match in TOKEN.finditer(sql):
            kind = match.lastgroup
            if kind != "space":
                yield Token(kind, match.group(), match.start())  # type: ignore[arg-type]  # one of the four
        return
    position = 0
    while position < len(sql):
        match = TOKEN.match(sql, position)  # type: ignore[assignment]  # None never: the pattern takes anything
        assert match is not None
        start, position = position, match.end()
        kind, text = match.lastgroup, match.group()
        if kind == "comment":
            position = _end_of_comment(sql, position)
        elif kind == "dollar":
            end = sql.find(text, position)
            end = len(sql) if end < 0 else end + len(text)
            yield Token("string", text + sql[position:end], start)
            position = end
        elif kind in ("word", "quoted", "string", "other"):
            yield Token(kind, text, start)  # type: ignore[arg-type]  # one of the four, as tested


def _end_of_comment(sql: str, position: int) -> int:
    """PostgreSQL's block comments nest."""
    depth = 1
    while depth and position < len(sql):
        if sql.startswith("/*", position):
            depth, position = depth + 1, position + 2
        elif sql.startswith("*/", position):
            depth, position = depth - 1, position + 2
        else:
            position += 1
    return position


def split_statements(sql: str) -> list[list[Token]]:
    """The statements of a text, each as its tokens; empty ones are left out.

    A semicolon in parentheses, or in the body of a SQL function, ends no statement.

    Example:
        >>> len(split_statements("SELECT ';'; SELECT $$;$$"))
        2
        >>> len(split_statements("CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; END; SELECT f()"))
        2
    """
    return [list(statement) for statement in (_split_before if len(sql) <= LONGEST_KEPT else _split)(sql)]


def _split(sql: str) -> tuple[list[Token], ...]:
    statements: list[list[Token]] = [[]]
    for token in tokens(sql):
        if token.text == ";" and token.kind == "other" and not _is_inside(statements[-1]):
            statements.append([])
        else:
            statements[-1].append(token)
    return tuple(statement for statement in statements if statement)


_split_before = lru_cache(KEPT_TEXTS)(_split)


def _is_inside(statement: list[Token]) -> bool:
    """Whether a statement that has come so far is within parentheses, or within BEGIN ATOMIC ... END of a function."""
    signs = [token.text for token in statement if token.kind == "other"]
    if signs.count("(") > signs.count(")"):
        return True
    if not statement or not statement[0].says("CREATE"):
        return False
    depth = 0
    for before, token in pairwise(statement):
        if token.says("ATOMIC") and before.says("BEGIN"):
            depth = 1
        elif depth and token.says("CASE"):
            depth += 1
        elif depth and token.says("END"):
            depth -= 1
    return depth > 0


def statement_kinds(sql: str) -> frozenset[str]:
    """What kinds of statement a text holds: their first keywords in upper case, past comments and parentheses.

    `ROLLBACK TO SAVEPOINT` is told apart as `ROLLBACK TO`; a statement that begins with no keyword is the empty string.

    Example:
        >>> sorted(statement_kinds("-- why\\n (select 1); ROLLBACK TO SAVEPOINT a"))
        ['ROLLBACK TO', 'SELECT']
    """
    return (_kinds_before if len(sql) <= LONGEST_KEPT else _kinds)(sql)


def _kinds(sql: str) -> frozenset[str]:
    return frozenset(statement_kind(statement) for statement in split_statements(sql))


_kinds_before = lru_cache(KEPT_KINDS)(_kinds)


def statement_kind(statement: list[Token]) -> str:
    """The first keyword of one statement in upper case; empty when it begins with something else."""
    first = next((token for token in statement if token.text != "("), None)
    if first is None or first.kind != "word":
        return ""
    if first.says("ROLLBACK") and any(token.says("TO") for token in statement):
        return "ROLLBACK TO"
    return first.text.upper()


def is_read_or_setting(sql: str) -> bool:
    """Whether a text only reads, sets the session or handles savepoints, as far as its words tell."""
    return statement_kinds(sql) <= READS | SETTINGS | SAVEPOINTS
