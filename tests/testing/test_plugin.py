"""The pytest plugin as an application meets it: its page's examples, and what it costs who does not use it."""

from __future__ import annotations

import re
from pathlib import Path

from erm_alembic.postgres.embedded.binaries import find_binaries
from tests.support.cli import REPOSITORY
from tests.support.databases import one_per_major
from tests.support.standbys import has_basebackup
from tests.testing.further import FURTHER
from tests.testing.running import run_pytest, tried

# What declares fixtures, hooks and options.
OWN = {"", ".version", ".testing"} | {
    f".testing.{name}"
    for name in (
        *("asynchronous", "committing", "databases", "failing", "hooks", "options", "replicas", "sessions"),
        *("smoke", "smoke.marks"),
    )
}
PAGE = REPOSITORY / "docs" / "testing-replicas.md"


def test_the_examples_of_the_page_pass(tmp_path: Path) -> None:
    """docs/testing-replicas.md is a suite of tests, and further ones run with it; a standby wants pg_basebackup."""
    examples = re.findall(r"```python\n# (\w+\.py)\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert len(examples) == len(re.findall("```python", PAGE.read_text("utf-8"))) == 5
    for name, text in [*examples, ("test_further.py", FURTHER)]:
        (tmp_path / name).write_text(text, "utf-8")
    able = bool(one_per_major()) and has_basebackup(find_binaries())
    chosen = [] if able else ["-k", "not standby and not one_that_replays"]
    said = run_pytest(tmp_path, f"--basetemp={tmp_path / 'base'}", *chosen)
    assert re.search(r"^\d+ passed", said, re.MULTILINE) and "warning" not in said


def test_a_run_that_does_not_use_it_pays_for_nothing(tmp_path: Path) -> None:
    """No driver, no SQLAlchemy, none of erm's packages is imported; whoever names it twice has it once."""
    (tmp_path / "conftest.py").write_text("pytest_plugins = ['erm_alembic.testing']\n", "utf-8")
    (tmp_path / "test_alone.py").write_text(
        "import sys\n"
        "def test_alone(erm_driver):\n"
        "    own = {name.removeprefix('erm_alembic') for name in sys.modules if name.startswith('erm_alembic')}\n"
        f"    assert own == set({sorted(OWN)!r})\n"
        "    assert not {'sqlalchemy', 'psycopg2', 'alembic', 'typer'} & set(sys.modules)\n",
        "utf-8",
    )
    run_pytest(tmp_path, "-p", "no:asyncio")


def test_what_asyncio_needs_and_is_missing_is_told(tmp_path: Path) -> None:
    """In words, before a database is made."""
    (tmp_path / "test_alone.py").write_text(
        "import sys\n"
        "import pytest\n"
        "sys.modules['greenlet'] = None\n"
        "@pytest.fixture\n"
        "def erm_async_driver():\n"
        "    return 'asyncdb'\n"
        "@pytest.mark.asyncio\n"
        "async def test_alone(erm_async_session): ...\n",
        "utf-8",
    )
    assert tried(tmp_path).told("test_alone").splitlines() == [
        "SQLAlchemy needs greenlet and asyncdb for asyncio, which is not installed.",
        "Asynchronous sessions and engines cannot be had.",
        "Type: pip install 'erm-alembic[async]', which brings greenlet and asyncpg; erm_async_driver names another"
        " driver.",
    ]
