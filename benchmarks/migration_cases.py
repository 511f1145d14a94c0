"""Histories whose second revision has a wrong downgrade, from the tests of proofs; and right ones beside them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.downgrade.test_forms_that_do_nothing import EMPTY
from tests.downgrade.test_forms_that_do_nothing import HEAD as EMPTY_HEAD
from tests.proof import test_values, test_wrong_downgrades
from tests.proof.conftest import HISTORY

__all__ = ["CASE", "KINDS", "Case", "cases", "write_project"]

# The revision that is looked at.
CASE = "b2"
LEAVES, FAILS, NOTHING, ROWS, LOSES, RIGHT = KINDS = (
    "leaves or changes something",
    "fails",
    "does nothing, or always fails",
    "fails on rows that may have been written",
    "loses values",
    "right",
)
# A few of the forms in which people write that.
FORMS = ("bare pass", "ellipsis", "bare return", "raise", "print, then raise", "work, then always raise", "raise first")

BACK_TO_NOTHING = """
    DROP VIEW IF EXISTS codes; DROP TABLE events, orders, users, countries CASCADE; DROP FUNCTION double(int), stamp();
    DROP TYPE mood CASCADE
"""
INI = "[alembic]\nscript_location = migrations\npath_separator = os\nprepend_sys_path = .\n"
ENV_PY = """
from alembic import context
from sqlalchemy import create_engine

connectable = context.config.attributes.get("connection") or create_engine("postgresql://nobody@nowhere.invalid/")
with connectable.connect() as connection:
    context.configure(connection=connection, target_metadata=None)
    with context.begin_transaction():
        context.run_migrations()
"""
HEAD = "import sqlalchemy as sa\nfrom alembic import context, op\n\nrevision, down_revision = {!r}, {!r}\n\n"
IMPORTED = "from {} import {} as cases\n\n"


@dataclass(frozen=True)
class Case:
    """One history.

    Args:
        kind: what is the matter with its downgrade; one of KINDS.
        name: which of that kind.
        source: the text of its revision below the head.
    """

    kind: str
    name: str
    source: str


def cases() -> Iterator[Case]:
    """All of them, the wrong ones first."""
    yield from _from_table(LEAVES, test_wrong_downgrades, "WRONG")
    yield from _from_table(FAILS, test_wrong_downgrades, "FAILING")
    head = EMPTY_HEAD.partition("logger = ")[2].partition("\n")
    for form in FORMS:
        yield Case(NOTHING, form, f"import logging\nimport warnings\nlogger = {head[0]}\n{head[2]}{EMPTY[form][0]}\n")
    yield from _from_table(ROWS, test_values, "IMPOSSIBLE")
    yield from _from_table(LOSES, test_values, "LOSSY")
    yield from _from_table(RIGHT, test_values, "LOSSLESS")


def write_project(case: Case, folder: Path) -> None:
    """Write the history of a case: the tables of the tests, its revision, and one that does nothing after it."""
    versions = folder / "migrations" / "versions"
    versions.mkdir(parents=True)
    (folder / "alembic.ini").write_text(INI)
    (folder / "migrations" / "env.py").write_text(ENV_PY)
    (versions / "a1.py").write_text(HEAD.format("a1", None) + _both(_sent(HISTORY), _sent(BACK_TO_NOTHING)))
    (versions / f"{CASE}.py").write_text(HEAD.format(CASE, "a1") + case.source)
    (versions / "c3.py").write_text(HEAD.format("c3", CASE) + _both(_sent("SELECT 1"), _sent("SELECT 1")))


def _from_table(kind: str, module: Any, table: str) -> Iterator[Case]:
    found: Mapping[str, Any] = getattr(module, table)
    for name, (up, down, *_) in found.items():
        halves = [
            _sent(half) if isinstance(half, str) else f"cases[{name!r}][{place}](op)"
            for place, half in enumerate((up, down))
        ]
        yield Case(kind, name, IMPORTED.format(module.__name__, table) + _both(*halves))


def _both(up: str, down: str) -> str:
    return f"def upgrade():\n    {up}\n\ndef downgrade():\n    {down}\n"


def _sent(statements: str) -> str:
    """The call that sends SQL as it is; whatever stands in it is no parameter."""
    return f"op.execute(sa.text({statements.replace(':', chr(92) + ':')!r}))"
