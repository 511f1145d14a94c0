"""Let a revision file build on another revision: one value and one line of it change, everything else stays.

The syntax tree says where `down_revision` gets its value; comments, formatting, line ends and the encoding are kept.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from typing import NamedTuple

from erm_alembic.errors import ProjectError

__all__ = ["with_parent"]

NAME = "down_revision"
REVISES = re.compile(r"^([ \t]*Revises:)[ \t]*(.*?)([ \t]*)(\r?\n|\r|$)")


class _Place(NamedTuple):
    """Where an expression stands: lines from 1, columns in bytes of UTF-8 from 0."""

    line: int
    column: int
    end_line: int
    end_column: int


def with_parent(content: bytes, parent: str, shown: str) -> bytes:
    """The file with another revision in `down_revision`, and in the line `Revises:` of its docstring.

    Args:
        content: the file's bytes.
        parent: the id of the revision that it is to build on.
        shown: the file's name, for what is said.

    Raises:
        ProjectError: the value is not written down as one id or None, or there are several such lines.

    Example:
        >>> text = b'down_revision: str | None = "a1"  # the first'
        >>> with_parent(text, "b2", "c3.py")
        b'down_revision: str | None = "b2"  # the first'
    """
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
        text = content.decode(encoding)
        tree = ast.parse(content)
    except (SyntaxError, ValueError) as error:
        raise _by_hand(shown, parent, "it is not valid Python") from error
    value = _value(tree, shown, parent)
    quote = '"'
    lines = list(io.StringIO(text, newline=""))
    if isinstance(value.value, str):
        written = _between(lines, _place(value))
        quote = written[-1]
        if written != f"{quote}{value.value}{quote}":
            raise _by_hand(shown, parent, f"{NAME} is not one plain string")
    lines = _replaced(lines, _place(value), f"{quote}{parent}{quote}")
    return "".join(_in_docstring(lines, tree, parent)).encode(encoding)


def _value(tree: ast.Module, shown: str, parent: str) -> ast.Constant:
    """What the file gives to `down_revision`."""
    found: list[ast.expr | None] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            found += [node.value for target in node.targets if _is_it(target)]
        elif isinstance(node, ast.AnnAssign | ast.NamedExpr | ast.AugAssign) and _is_it(node.target):
            found.append(node.value)
    if len(found) == 1 and isinstance(found[0], ast.Constant) and isinstance(found[0].value, str | None):
        return found[0]
    if len(found) == 1 and isinstance(found[0], ast.Tuple | ast.List):
        raise _by_hand(shown, parent, "it merges several revisions")
    raise _by_hand(shown, parent, f"{NAME} is not written down as one id")


def _is_it(target: ast.expr) -> bool:
    return isinstance(target, ast.Name) and target.id == NAME


def _place(value: ast.expr) -> _Place:
    assert value.end_lineno is not None and value.end_col_offset is not None
    return _Place(value.lineno, value.col_offset, value.end_lineno, value.end_col_offset)


def _between(lines: list[str], place: _Place) -> str:
    if place.line != place.end_line:
        return " "
    return lines[place.line - 1].encode()[place.column : place.end_column].decode()


def _replaced(lines: list[str], place: _Place, text: str) -> list[str]:
    line = lines[place.line - 1].encode()
    changed = line[: place.column] + text.encode() + line[place.end_column :]
    return [*lines[: place.line - 1], changed.decode(), *lines[place.line :]]


def _in_docstring(lines: list[str], tree: ast.Module, parent: str) -> list[str]:
    """The lines with the one changed that says what the revision builds on, where its docstring has one."""
    first = tree.body[0] if tree.body else None
    if not (
        isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)
    ):
        return lines
    changed = list(lines)
    for number in range(first.lineno - 1, first.end_lineno or first.lineno):
        if (match := REVISES.match(changed[number])) is not None:
            changed[number] = f"{match[1]} {parent}{match[3]}{match[4]}"
            break
    return changed


def _by_hand(shown: str, parent: str, why: str) -> ProjectError:
    return ProjectError(
        f"{shown}: {why}.",
        effect="Nothing was changed.",
        cure=f"Edit it by hand: it is to build on {parent}.",
    )
