"""Runs the SQL scripts of revisions: statement by statement, with file, line and column for whatever goes wrong.

It stands beside env.py and needs Alembic, nothing else: plain `alembic` runs the same revisions. A script may hold:

    -- erm: no-transaction          at its top: each statement by itself, outside a transaction (CONCURRENTLY, VACUUM)
    -- erm: irreversible REASON     in a down script: there is no way back, and why
    -- migrate:up, -- migrate:down  the two halves of one file, as dbmate writes them
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["Script", "ScriptError", "Statement", "downgrade", "parse", "read", "runs_alone", "tokenize", "upgrade"]

TOKEN = re.compile(
    r"""
    [ \t\n\r\f\v]*
    (?:
      (?P<comment>--[^\r\n]*)
    | (?P<block>/\*)
    | (?P<dollar>\$(?:[^\W\d]\w*)?\$)
    | (?P<string>[eE]'(?:[^'\\]|\\.|'')*'(?:\s*\n\s*'(?:[^'\\]|\\.|'')*')*|(?:[bBxXnN]|[uU]&)?'(?:[^']|'')*')
    | (?P<quoted>(?:[uU]&)?"(?:[^"]|"")*")
    | (?P<word>[^\W\d][\w$]*)
    | (?P<other>\d[\w.]*|.)
    | (?P<end>\Z)
    )
    """,
    re.VERBOSE | re.DOTALL,
)
DIRECTIVE = re.compile(r"--\s*erm:\s*([\w-]+)[ \t]*(.*?)\s*$", re.DOTALL)
HALF = re.compile(r"--\s*migrate:(up|down)(?:\s+(.*?))?\s*$", re.DOTALL)
ENDLESS = {"'": "string", '"': "quoted name", "/*": "comment", "$": "dollar quote"}


class ScriptError(Exception):
    """A script that cannot be run as it is written.

    Args:
        place: the file, the line and the column, counted from 1.
        said: what is wrong, and what to do.
    """

    def __init__(self, place: tuple[str, int, int], said: str) -> None:
        super().__init__(f"{shown(place)}: {said}")
        self.sql_place = place
        self.said = said


class Token(NamedTuple):
    """One word, string, quoted name, sign or comment of a script, and where it begins."""

    kind: str
    text: str
    start: int

    @property
    def keyword(self) -> str:
        """The word in upper case; for anything else, its text."""
        return self.text.upper() if self.kind == "word" else self.text


class Statement(NamedTuple):
    """One statement of a script, without the semicolon, and where it begins: line and column, from 1."""

    text: str
    line: int
    column: int
    tokens: tuple[Token, ...]

    @property
    def words(self) -> tuple[str, ...]:
        """Its tokens, words in upper case."""
        return tuple(token.keyword for token in self.tokens)


class Script(NamedTuple):
    """What a script, or one half of it, asks for."""

    statements: tuple[Statement, ...]
    transaction: bool
    irreversible: str | None
    exists: bool


def upgrade(path: Path) -> None:
    """Run a script on the way up, on the connection that Alembic migrates.

    Args:
        path: the script.

    Raises:
        ScriptError: it is not there, or holds what cannot be sent as SQL.
    """
    _run(path, "up")


def downgrade(path: Path) -> None:
    """Run a script on the way down.

    Args:
        path: the script.

    Raises:
        ScriptError: it is not there, says that there is no way back, or holds what cannot be sent as SQL.
    """
    _run(path, "down")


def _run(path: Path, half: str) -> None:
    from alembic import op

    script = parse(read(path), path, half)
    if not script.exists:
        raise ScriptError((str(path), 1, 1), f"the file has no `-- migrate:{half}`; write that half.")
    if half == "down" and script.irreversible is not None and not script.statements:
        raise ScriptError((str(path), 1, 1), f"there is no way back: {script.irreversible}")
    context = op.get_context()
    if script.transaction:
        for statement in _without_own_transaction(script.statements):
            _send(context, path, statement)
        return
    with context.autocommit_block():
        for statement in script.statements:
            _send(context, path, statement)


def _send(context: Any, path: Path, statement: Statement) -> None:
    """Send one statement from a frame that stands, for tracebacks and plans, in the script and on its line."""

    def send() -> None:
        if context.as_sql:
            context.impl.static_output(f"{statement.text};")
        else:
            # Without parameters the driver leaves percent signs alone.
            context.bind.exec_driver_sql(statement.text, execution_options={"no_parameters": True}).close()

    code = compile("send()", str(path), "exec").replace(co_firstlineno=statement.line)
    try:
        exec(code, {"send": send})  # the text is fixed; only its place is the script's
    except Exception as error:
        place = _place(path, statement, error)
        error.sql_place = place  # type: ignore[attr-defined]  # told with the error
        if hasattr(error, "add_note"):  # Python 3.11
            error.add_note(f"at {shown(place)}")
        raise


def _place(path: Path, statement: Statement, error: BaseException) -> tuple[str, int, int]:
    """Where the server says that a statement is wrong; its beginning where the server does not say."""
    offset = _position(error)
    before = statement.text[: offset - 1] if offset else ""
    lines = before.count("\n")
    column = len(before) - before.rfind("\n") if lines else statement.column + len(before)
    return str(path), statement.line + lines, column


def _position(error: BaseException) -> int:
    """The server's own word, counted in characters from 1, as psycopg2, psycopg and asyncpg hand it on; 0: none."""
    cause: Any = getattr(error, "orig", None) or error
    for each in (cause, getattr(cause, "__cause__", None)):
        diagnosis = getattr(each, "diag", None)
        for holder, name in ((diagnosis, "statement_position"), (each, "position")):
            said = getattr(holder, name, None)
            if isinstance(said, str | int) and str(said).isdigit():
                return int(said)
    return 0


def _without_own_transaction(statements: tuple[Statement, ...]) -> tuple[Statement, ...]:
    """Leave out a BEGIN and a COMMIT around the whole script: the revision has its transaction."""
    if len(statements) < 2:
        return statements
    first, last = statements[0].words, statements[-1].words
    begins = first in (("BEGIN",), ("BEGIN", "WORK"), ("BEGIN", "TRANSACTION"), ("START", "TRANSACTION"))
    ends = last in ((end, *more) for end in ("COMMIT", "END") for more in ((), ("WORK",), ("TRANSACTION",)))
    inner = statements[1:-1]
    between = any(each.words[0] in ("BEGIN", "START", "COMMIT", "END", "ROLLBACK", "ABORT") for each in inner)
    return inner if begins and ends and not between else statements


def read(path: Path) -> str:
    """The text of a script, without the mark that some editors put before UTF-8.

    Args:
        path: the script.

    Raises:
        ScriptError: it is not there, cannot be read, or is no UTF-8.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ScriptError((str(path), 1, 1), f"this script cannot be read: {error.strerror or error}.") from error
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before, byte = content[: error.start].decode("utf-8-sig", "replace"), content[error.start]
        said = f"the byte 0x{byte:02x} is no UTF-8; save the file as UTF-8 (`iconv -f latin1 -t utf-8`)."
        raise ScriptError(_at(path, before, len(before)), said) from error
    if "\x00" in text:
        raise ScriptError(_at(path, text, text.index("\x00")), "a NUL character; take it out.")
    return text


def parse(text: str, path: Path, half: str = "up") -> Script:
    """Split a script into its statements and read its directives.

    Args:
        text: the script.
        path: its file, for what is said.
        half: `up` or `down`; which half of a file with `-- migrate:up` and `-- migrate:down` is meant.

    Raises:
        ScriptError: it holds COPY ... FROM STDIN or a command of psql, something never ends, or a directive is unknown.
    """
    found = list(tokenize(text, path))
    halves = _halves(text, found)
    transaction = exists = True
    if halves:
        _nothing_before(text, path, found, halves[0])
        starts = [number for number, (_, which, _) in enumerate(halves) if which == half]
        exists = bool(starts)
        chosen: list[Token] = []
        for number in starts:
            end = halves[number + 1][0] if number + 1 < len(halves) else len(found)
            chosen += found[halves[number][0] + 1 : end]
            transaction = transaction and "transaction:false" not in halves[number][2].replace(" ", "")
        found = chosen
    irreversible, marked = _directives(text, path, found)
    statements = tuple(_statements(text, path, found))
    alone = len(statements) == 1 and runs_alone(statements[0].words)
    return Script(statements, transaction and not marked and not alone, irreversible, exists)


def _halves(text: str, found: list[Token]) -> list[tuple[int, str, str]]:
    """Where the halves of a file begin: the number of the token, which half, its options."""
    halves = []
    for number, token in enumerate(found):
        at_line_start = token.start == 0 or text[token.start - 1] in "\r\n"
        if token.kind == "comment" and at_line_start and (match := HALF.match(token.text)):
            halves.append((number, match[1], match[2] or ""))
    return halves


def _nothing_before(text: str, path: Path, found: list[Token], first: tuple[int, str, str]) -> None:
    for token in found[: first[0]]:
        if token.kind != "comment":
            place = _at(path, text, token.start)
            raise ScriptError(place, "a statement stands before `-- migrate:up`; move it below.")


def _directives(text: str, path: Path, found: list[Token]) -> tuple[str | None, bool]:
    irreversible, no_transaction, begun = None, False, False
    for token in found:
        begun = begun or token.kind != "comment"
        match = DIRECTIVE.match(token.text) if token.kind == "comment" else None
        if match is None:
            continue
        place = _at(path, text, token.start)
        name, rest = match[1], match[2]
        if name == "irreversible":
            if not rest:
                raise ScriptError(place, "say why there is no way back: `-- erm: irreversible REASON`.")
            irreversible = rest
        elif name == "no-transaction" and not rest:
            if begun:
                raise ScriptError(place, "`-- erm: no-transaction` must stand at the top, before the first statement.")
            no_transaction = True
        elif not rest:
            raise ScriptError(place, f"`{name}` is unknown; erm knows `no-transaction` and `irreversible REASON`.")
    return irreversible, no_transaction


def _statements(text: str, path: Path, found: list[Token]) -> Iterator[Statement]:
    """The statements: semicolons in parentheses and in the body of a SQL function do not end one."""
    current: list[Token] = []
    position, line, column = 0, 1, 1
    for token in (*(each for each in found if each.kind != "comment"), Token("other", ";", len(text))):
        if token.text != ";" or token.kind != "other" or (token.start < len(text) and _is_inside(current)):
            if token.text == "\\" and token.kind == "other":
                said = "a command of psql, which no server understands; take it out, or write what it does in SQL."
                raise ScriptError(_at(path, text, token.start), said)
            current.append(token)
            continue
        if current:
            skipped = text[position : current[0].start]
            line += skipped.count("\n")
            column = len(skipped) - skipped.rfind("\n") if "\n" in skipped else column + len(skipped)
            position = current[0].start
            end = current[-1].start + len(current[-1].text)
            yield _checked(Statement(text[position:end], line, column, tuple(current)), path)
            current = []


def _is_inside(current: list[Token]) -> bool:
    """Whether a statement is within parentheses, or within BEGIN ATOMIC ... END of a function."""
    words = [token.keyword for token in current if token.kind in ("word", "other")]
    if words.count("(") > words.count(")"):
        return True
    if not words or words[0] != "CREATE" or "ATOMIC" not in words:
        return False
    depth = 0
    for before, word in pairwise(words):
        if word == "ATOMIC" and before == "BEGIN":
            depth = 1
        elif depth and word == "CASE":
            depth += 1
        elif depth and word == "END":
            depth -= 1
    return depth > 0


def _checked(statement: Statement, path: Path) -> Statement:
    words = statement.words
    if words[0] == "COPY" and any(pair == ("FROM", "STDIN") for pair in pairwise(words)):
        said = "COPY ... FROM STDIN: its rows are no SQL; write INSERT statements, or load them in a Python revision."
        raise ScriptError((str(path), statement.line, statement.column), said)
    return statement


def runs_alone(words: tuple[str, ...]) -> bool:
    """Whether PostgreSQL never runs a statement inside a transaction; a script that is nothing else needs no mark."""
    # erm_alembic/postgres/text splits texts and decides this too: here it must be done where erm is not installed.
    if words[0] in ("CREATE", "DROP"):
        return words[1:2] in (("DATABASE",), ("TABLESPACE",)) or (
            "INDEX" in words[1:3] and "CONCURRENTLY" in words[2:4]
        )
    if words[0] == "REINDEX":
        return "CONCURRENTLY" in words[1:6] or words[1:2] in (("DATABASE",), ("SYSTEM",), ("SCHEMA",))
    return words[0] == "VACUUM" or words[:2] == ("ALTER", "SYSTEM")


def tokenize(text: str, path: Path) -> Iterator[Token]:
    """The tokens of a script, comments among them, white space not.

    Args:
        text: the script.
        path: its file, for what is said.

    Raises:
        ScriptError: a string, a quoted name, a comment or a dollar quote never ends.
    """
    position = 0
    while position < len(text):
        match = TOKEN.match(text, position)
        assert match is not None  # the last alternatives match any character, and the end
        kind = str(match.lastgroup)
        start, position, sign = match.start(kind), match.end(), match[kind]
        if kind == "end":
            return
        endless = sign in ("'", '"')
        if kind == "block":
            position, kind = _end_of_comment(text, position), "comment"
            endless = position < 0
        elif kind == "dollar":
            end = text.find(sign, position)
            position, kind = end + len(sign), "string"
            endless = end < 0
        if endless:
            what = next(name for begin, name in ENDLESS.items() if sign.startswith(begin))
            raise ScriptError(_at(path, text, start), f"this {what} never ends; close it.")
        yield Token(kind, text[start:position], start)


def _end_of_comment(text: str, position: int) -> int:
    """The end of a block comment, which may hold others; -1 where there is none."""
    depth = 1
    for match in re.compile(r"/\*|\*/").finditer(text, position):
        depth += 1 if match.group() == "/*" else -1
        if depth == 0:
            return match.end()
    return -1


def _at(path: Path, text: str, offset: int) -> tuple[str, int, int]:
    """A place in a script, by its offset."""
    return str(path), text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)


def shown(place: tuple[str, int, int]) -> str:
    """A place as `file:line:column`, the file relative to the working directory where it is inside.

    Args:
        place: the file, the line and the column.
    """
    file, line, column = place
    near = os.path.relpath(file)
    return f"{file if near.startswith('..') else near}:{line}:{column}"
