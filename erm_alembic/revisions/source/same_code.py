"""Whether two texts of a revision are the same code: what a formatter changes is not an edit.

The ledger keeps the source that was applied. A hash tells quickly that nothing changed; where it differs, the syntax
trees decide.
"""

from __future__ import annotations

import ast
import hashlib
import warnings

__all__ = ["same_code", "source_hash"]


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
    docstring do not count. Sources that are not valid Python are the same only when their text is.

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
    try:
        return _shape(old_source) == _shape(new_source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False


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
