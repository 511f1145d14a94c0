"""Whether two texts of a revision are the same code: what a formatter changes is not an edit.

The ledger keeps the source that was applied. A hash tells quickly that nothing changed; where it differs, the syntax
trees decide.
"""

from __future__ import annotations

import ast
import hashlib
import warnings
from pathlib import Path
from typing import Any

from erm_alembic.revisions.source.sql_pair import parted
from erm_alembic.revisions.sql.sql_scripts import ScriptError, parse

__all__ = ["same_code", "same_sql", "source_hash"]


def source_hash(source: bytes) -> str:
    """SHA-256 of a revision file's bytes, hexadecimal.

    Example:
        >>> source_hash(b"")[:8]
        'e3b0c442'
    """
    return hashlib.sha256(source).hexdigest()


def same_code(old_source: str, new_source: str) -> bool:
    """Whether two sources are the same code.

    Positions, comments, blank lines, formatting, quote style, parentheses, implicitly joined strings and the module's
    docstring do not count. Sources that are not valid Python are the same only when their text is. The SQL scripts that
    belong to a revision are compared word by word: white space, comments and the case of keywords do not count.

    Args:
        old_source: the text that was applied.
        new_source: the text that stands in the file.

    Example:
        >>> same_code("x = 'a' 'b'  # note", 'x = ("ab")')
        True
        >>> same_code("x = 1", "x = 2")
        False
    """
    if old_source == new_source:
        return True
    (old_source, old_scripts), (new_source, new_scripts) = parted(old_source), parted(new_source)
    if old_scripts.keys() != new_scripts.keys():
        return False
    try:
        return _shape(old_source) == _shape(new_source) and all(
            same_sql(text, new_scripts[name]) for name, text in old_scripts.items()
        )
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False


def same_sql(old: str, new: str) -> bool:
    """Whether two SQL scripts send the same statements in the same way.

    Args:
        old: one script.
        new: the other.

    Example:
        >>> same_sql("select 1; -- one", "SELECT 1\\n;"), same_sql("SELECT 1", "-- erm: no-transaction\\nSELECT 1")
        (True, False)
    """
    old, new = (text.removeprefix("\ufeff").replace("\r\n", "\n") for text in (old, new))
    if old == new:
        return True
    try:
        return _sent(old) == _sent(new)
    except ScriptError:
        return False


def _sent(text: str) -> list[Any]:
    """What a script sends, upwards and downwards, without anything that only a reader sees."""
    halves = [parse(text, Path("script.sql"), half) for half in ("up", "down")]
    return [
        (half.exists, half.transaction, half.irreversible, [statement.words for statement in half.statements])
        for half in halves
    ]


def _shape(source: str) -> str:
    """The code as text without anything that only a reader sees."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree = ast.parse(source.removeprefix("\ufeff"))
    if ast.get_docstring(tree, clean=False) is not None:
        tree.body = tree.body[1:]
    for node in ast.walk(tree):
        # `u"x"` and "x" are one value; formatters drop the prefix.
        if isinstance(node, ast.Constant):
            node.kind = None
        elif isinstance(node, ast.JoinedStr):
            node.values = _joined(node.values)
    return ast.dump(tree)


def _joined(parts: list[ast.expr]) -> list[ast.expr]:
    """The parts of an f-string with neighbouring constants made one, as if it had been written in one piece."""
    joined: list[ast.expr] = []
    for part in parts:
        before = joined[-1] if joined else None
        if isinstance(part, ast.Constant) and isinstance(before, ast.Constant):
            joined[-1] = ast.Constant(value=str(before.value) + str(part.value))
        else:
            joined.append(part)
    return joined
