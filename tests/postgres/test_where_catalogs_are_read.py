"""PostgreSQL's catalogs differ between its versions: one package reads them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import erm_alembic

PACKAGE = Path(erm_alembic.__file__).parent
CATALOG = re.compile(
    r"\b(?:FROM|JOIN|UPDATE)\s+(?:pg_catalog\.)?pg_(?!catalog\.)\w+\b(?!\s*\()|information_schema|\bto_reg\w+", re.I
)
# What a person is told to type; erm does not send it.
ADVICE = {
    ("target.py", "SELECT * FROM pg_stat_activity"),
    ("backup/process.py", "SELECT * FROM pg_stat_activity"),
}


def test_only_postgres_reads_the_catalogs() -> None:
    """Elsewhere no text of SQL names a catalog; settings and functions (`set_config`) anybody may ask for."""
    found = {
        (path.relative_to(PACKAGE).as_posix(), text)
        for path in PACKAGE.rglob("*.py")
        if not path.is_relative_to(PACKAGE / "postgres")
        for text in _texts(path)
        if CATALOG.search(text)
    }
    allowed = {(path, text) for path, text in found for where, words in ADVICE if path == where and words in text}
    assert found - allowed == set()
    assert len(allowed) == len(ADVICE)


def test_the_rule_sees_what_it_forbids() -> None:
    """The catalogs' own package is full of it."""
    assert any(CATALOG.search(text) for text in _texts(PACKAGE / "postgres" / "catalog.py"))


def _texts(path: Path) -> Iterator[str]:
    """The texts of a module that are no docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    told = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in told:
            yield node.value
