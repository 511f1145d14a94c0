"""Whether a revision file names its place in the graph in plain words: constants, bound once, that nothing can change.

Of such a file the graph is known from its text, whatever else is on the machine. Any other one (ids that are computed,
imported, or depend on a variable) is odd: it is loaded each time anew.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from typing import Any

__all__ = ["NAMES", "plain_names"]

NAMES = ("revision", "down_revision", "branch_labels", "depends_on")

# What stands at the beginning of a line can only be a statement of the module (or text within a string). The head of
# a file ends with its first function; after it only functions, and what closes a bracket or a string, are expected.
_FIRST_FUNCTION = re.compile(rb"^(?:async def|def|class|@)", re.MULTILINE)
_OTHER_STATEMENT = re.compile(
    rb"^(?!(?:def|async def|class) (?!(?:revision|down_revision|branch_labels|depends_on)\b)\w+[(:]|[ \t\r\n#)\]}]|\Z)",
    re.MULTILINE,
)
# What reaches the module's names other than by naming them. Plain substrings: a pattern of them all is slow.
_BACK_DOORS = (
    *(b"global", b"locals(", b"vars(", b"setattr", b"__dict__", b"exec(", b"eval("),
    *(b"importlib", b"__import__", b"import inspect", b"import *", b"import sys", b"sys.modules", b":="),
)
_DECLARED_ENCODING = re.compile(rb"coding[:=][ \t]*([-\w.]+)")


def plain_names(content: bytes) -> Mapping[str, Any] | None:
    """The constants that a file gives to Alembic's names; None when the file is odd.

    Args:
        content: the bytes of a file that Python can load.

    Example:
        >>> plain_names(b"revision = 'b'\\ndown_revision = 'a'\\ndef upgrade(): pass\\n")
        {'revision': 'b', 'down_revision': 'a'}
        >>> plain_names(b"import os\\nrevision = os.environ['REVISION']\\ndef upgrade(): pass\\n") is None
        True
    """
    if any(word in content for word in _BACK_DOORS) or not _reads_as_utf8(content):
        return None
    first = _FIRST_FUNCTION.search(content)
    head = content if first is None else content[: first.start()]
    if first is not None and _OTHER_STATEMENT.search(content, first.start()):
        head = content
    try:
        tree = ast.parse(head)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        if head is content:
            return None
        try:  # a line of a string looked like a function
            tree = ast.parse(content)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None
    return _bound(tree)


def _reads_as_utf8(content: bytes) -> bool:
    """Whether the lines that the patterns see are the lines that Python sees."""
    encoding = _DECLARED_ENCODING.search(content, 0, 300)
    if encoding is not None and encoding[1].lower() not in (b"utf-8", b"utf8"):
        return False
    return b"\f" not in content and content.count(b"\r") == content.count(b"\r\n")


def _bound(tree: ast.Module) -> Mapping[str, Any] | None:
    found: dict[str, Any] = {}
    for statement in tree.body:
        name, value = _assigned(statement)
        if name is not None and value is not None:
            if name in found or not _keep(found, name, value):
                return None
        elif _may_bind(statement):
            return None
    return found


def _assigned(statement: ast.stmt) -> tuple[str | None, ast.expr | None]:
    """Which of the names a statement gives a value, and which one; (None, None) for any other statement."""
    if isinstance(statement, ast.AnnAssign):
        target: ast.expr = statement.target
    elif isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        target = statement.targets[0]
    else:
        return None, None
    if isinstance(target, ast.Name) and target.id in NAMES:
        return target.id, statement.value
    return None, None


def _keep(found: dict[str, Any], name: str, value: ast.expr) -> bool:
    if isinstance(value, ast.Constant):
        found[name] = value.value
        return True
    try:
        found[name] = ast.literal_eval(value)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return False
    return True


def _may_bind(statement: ast.stmt) -> bool:
    """Whether a statement may bind one of the names when the module is loaded, or runs what is not known."""
    match statement:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            # Its body binds names of its own; its decorators and defaults are run.
            return statement.name in NAMES or bool(statement.decorator_list)
        case ast.Import() | ast.ImportFrom():
            return any((alias.asname or alias.name.partition(".")[0]) in NAMES for alias in statement.names)
        case ast.Assign() | ast.AnnAssign() | ast.If() | ast.Try():
            return any(_binds_or_runs(node) for node in ast.walk(statement))
        case _:
            return not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant))


def _binds_or_runs(node: ast.AST) -> bool:
    if isinstance(node, ast.Name) and node.id in NAMES:
        return not isinstance(node.ctx, ast.Load)
    if isinstance(node, ast.ImportFrom | ast.Import | ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
        return _may_bind(node)
    if isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar):
        return node.name in NAMES
    return False
