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


def test_only_the_console_writes_for_the_command_line() -> None:
    """What goes through console.py is made visible, and its secrets hidden; no command writes around it."""
    writing = {path.name for path in (PACKAGE / "cli").glob("*.py") if _writes(ast.parse(path.read_text("utf-8")))}
    assert writing == {"console.py"}


def _writes(tree: ast.Module) -> bool:
    """Whether something is written to a stream, by whatever name."""
    called = [ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)]
    streams = [f"sys.{under}{name}{under}" for name in ("stdout", "stderr") for under in ("", "__")]
    words = {f"{stream}.{way}" for stream in streams for way in ("write", "writelines", "buffer.write")}
    return any(name in words or name.split(".")[-1] in ("echo", "secho") or name == "print" for name in called)


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
