"""`# erm: ignore[rule] reason` in a revision file, `-- erm: ignore[rule] reason` in a SQL script: what it is about.

Comments are told by the tokens of the language, so that a string that quotes one ignores nothing.
"""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from erm_alembic.postgres.text.lexer import split_statements
from erm_alembic.revisions.source.files import RevisionFile
from erm_alembic.revisions.source.sql_pair import parted

__all__ = ["Ignore", "ignores_in_python", "ignores_in_sql", "ignores_of"]

PYTHON = re.compile(r"#\s*erm:\s*ignore\b(?P<rest>.*)")
SQL = re.compile(r"--[ \t]*erm:[ \t]*ignore\b(?P<rest>[^\r\n]*)")
RULES = re.compile(r"\s*\[(?P<rules>[^\]]*)\](?P<reason>.*)")
# What stands between tokens and belongs to no statement.
LAYOUT = frozenset({tokenize.NL, tokenize.INDENT, tokenize.DEDENT, tokenize.ENCODING, tokenize.ENDMARKER})


@dataclass(frozen=True)
class Ignore:
    """One such comment.

    Args:
        rules: the rules that it names.
        reason: why; empty where it says nothing.
        path: the file that it stands in, relative to the project.
        line: its line, from 1.
        first: the first line that it is about.
        last: the last one; None for the rest of the file.
    """

    rules: tuple[str, ...]
    reason: str
    path: str
    line: int
    first: int
    last: int | None = None

    def covers(self, rule: str, line: int | None) -> bool:
        """Whether it is about a finding of its file; a rule's family stands for all of it.

        Args:
            rule: the finding's rule.
            line: the finding's line; None when it has none.

        Example:
            >>> Ignore(("squawk",), "old", "a.py", 3, 3, 4).covers("squawk/ban-drop-column", 4)
            True
        """
        about = self.first == 0 or (line is not None and self.first <= line and (self.last or line) >= line)
        return about and not {rule, rule.split("/")[0]}.isdisjoint(self.rules)


def ignores_of(revision: RevisionFile) -> tuple[Ignore, ...]:
    """The comments of a revision: of its file, and of the SQL scripts that its source was read with.

    Args:
        revision: the revision.
    """
    source, scripts = parted(revision.source)
    found = list(ignores_in_python(source, revision.path))
    for name, text in scripts.items():
        found += ignores_in_sql(text, PurePosixPath(revision.path).with_name(name).as_posix())
    return tuple(found)


def ignores_in_python(source: str, path: str = "") -> tuple[Ignore, ...]:
    """The comments of a Python file; one above the code is about the whole file, one by itself about what follows.

    Args:
        source: its text.
        path: its name.

    Example:
        >>> text = '# erm: ignore[a-rule] not here\\nf()\\ng(  # erm: ignore[b-rule, c] small table\\n  1)\\n'
        >>> [(each.rules, each.first, each.last) for each in ignores_in_python(text)]
        [(('a-rule',), 0, None), (('b-rule', 'c'), 3, 4)]
    """
    if PYTHON.search(source) is None:
        return ()
    try:
        return tuple(_of_lines(tokenize.generate_tokens(io.StringIO(source).readline), path))
    except (tokenize.TokenError, SyntaxError):  # it cannot be loaded either, and that is told elsewhere
        return ()


def _of_lines(found: Iterator[tokenize.TokenInfo], path: str) -> Iterator[Ignore]:
    """Logical lines, each with the comments that stand in it or by themselves before it."""
    waiting: list[tuple[re.Match[str], int]] = []
    first, is_string, seen_code = 0, True, False
    for token in found:
        if token.type == tokenize.COMMENT:
            match = PYTHON.match(token.string)
            if match is not None:
                waiting.append((match, token.start[0]))
        elif token.type == tokenize.NEWLINE:
            docstring = is_string and not seen_code
            if not docstring:
                for match, line in waiting:
                    before = not seen_code and line < first
                    yield _ignore(match, path, line, 0 if before else first, None if before else token.end[0])
                waiting, seen_code = [], True
            first, is_string = 0, True
        elif token.type not in LAYOUT:
            first = first or token.start[0]
            is_string = is_string and token.type == tokenize.STRING
    for match, line in waiting:  # about nothing, but its words are looked at
        yield _ignore(match, path, line, 0 if not seen_code else line, None if not seen_code else line)


def ignores_in_sql(text: str, path: str = "") -> tuple[Ignore, ...]:
    """The comments of a SQL script; one above its first statement is about the whole script.

    Args:
        text: the script.
        path: its name.

    Example:
        >>> text = "SELECT '-- erm: ignore[a] x';\\n-- erm: ignore[b] why\\nDROP TABLE\\n t;"
        >>> [(each.rules, each.first, each.last) for each in ignores_in_sql(text)]
        [(('b',), 3, 4)]
    """
    if SQL.search(text) is None:
        return ()
    return tuple(_of_statements(text, path))


def _of_statements(text: str, path: str) -> Iterator[Ignore]:
    end = 0  # of what was read
    before = (0, 0)  # the lines of the statement before
    for statement in split_statements(text):
        own: list[tuple[re.Match[str], int]] = []
        for token in statement:
            own += _comments(text, end, token.start)
            end = token.start + len(token.text)
        lines = (_line(text, statement[0].start), _line(text, end))
        for match, line in own:
            behind = line == before[1] and line < lines[0]
            whole = before == (0, 0) and line < lines[0]
            yield _ignore(match, path, line, *((0, None) if whole else before if behind else lines))
        before = lines
    for match, line in _comments(text, end, len(text)):
        yield _ignore(match, path, line, *(before if line == before[1] else (line, line)))


def _comments(text: str, start: int, end: int) -> list[tuple[re.Match[str], int]]:
    return [(match, _line(text, match.start())) for match in SQL.finditer(text, start, end)]


def _line(text: str, place: int) -> int:
    return text.count("\n", 0, place) + 1


def _ignore(match: re.Match[str], path: str, line: int, first: int, last: int | None) -> Ignore:
    named = RULES.match(match["rest"])
    if named is None:
        return Ignore((), match["rest"].strip(), path, line, first, last)
    rules = tuple(rule.strip() for rule in named["rules"].split(",") if rule.strip())
    return Ignore(rules, named["reason"].strip(" \t:-"), path, line, first, last)
