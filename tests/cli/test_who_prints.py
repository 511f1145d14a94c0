"""Whoever calls erm from Python gets values: what is printed, the command line prints."""

from __future__ import annotations

import ast
from pathlib import Path

import erm_alembic

PACKAGE = Path(erm_alembic.__file__).parent
# `python -m` of these writes a generated file of docs/; imported, they print nothing.
GENERATORS = {"config/schema.py", "render/schema.py"}


def test_only_the_command_line_prints() -> None:
    """No other module names stdout or calls print(), but for two generators when they are run as programs."""
    printing = {}
    for path in PACKAGE.rglob("*.py"):
        if not path.is_relative_to(PACKAGE / "cli") and (lines := _prints(ast.parse(path.read_text("utf-8")))):
            printing[path.relative_to(PACKAGE).as_posix()] = lines
    assert set(printing) == GENERATORS
    for name, lines in printing.items():
        last = ast.parse((PACKAGE / name).read_text("utf-8")).body[-1]
        assert isinstance(last, ast.If) and ast.unparse(last.test) == "__name__ == '__main__'"
        assert min(lines) > last.lineno


def _prints(tree: ast.Module) -> list[int]:
    """The lines on which something is printed."""
    return [
        node.lineno
        for node in ast.walk(tree)
        if (
            isinstance(node, ast.Attribute)
            and node.attr in ("stdout", "__stdout__")
            and ast.unparse(node.value) == "sys"
        )
        or (isinstance(node, ast.Call) and ast.unparse(node.func) == "print")
    ]
