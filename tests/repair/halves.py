"""Revisions that stop half-way, and what the database then has."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from tests.faults.deploying import Project, advisory_locks, sleeping

UP = """
with op.get_context().autocommit_block():
    op.execute("CREATE TABLE part (id int)")
    op.create_index("part_id", "part", ["id"], postgresql_concurrently=True)
op.execute("ALTER TABLE orders ALTER COLUMN note SET NOT NULL")
op.execute("CREATE TABLE last (id int)")
"""
DOWN = """
op.drop_table("last")
op.execute("ALTER TABLE orders ALTER COLUMN note DROP NOT NULL")
with op.get_context().autocommit_block():
    op.drop_index("part_id", postgresql_concurrently=True)
op.drop_table("part")
"""
NEXT = "\n    "
ALTER = 'op.execute("ALTER TABLE orders ALTER COLUMN note DROP NOT NULL")'
YES = ("--yes", "--format", "json")


def with_orders(project: Project) -> None:
    """Apply a revision that makes a table, and insert a row that keeps the next one from its end."""
    project.revision("a1", 'op.execute("CREATE TABLE orders (id int, note text)")', 'op.drop_table("orders")')
    applied = project.apply()
    assert applied.returncode == 0, applied.stderr
    execute(project, "INSERT INTO orders VALUES (1, NULL)")


def half_done(project: Project, up: str = UP, down: str = DOWN, revision: str = "b2", parent: str = "a1") -> None:
    """Let a revision fail half-way, beside others that may have."""
    project.revision(revision, up, down, down=parent)
    failed = project.apply("--to", revision, "--override", "half-done-revision", "--reason", "to have two of them")
    assert failed.returncode == 1, failed.stderr
    assert "FAILED" in failed.stdout


def mend(project: Project) -> None:
    """Take away what the revision failed on."""
    execute(project, "UPDATE orders SET note = ''")


def execute(project: Project, sql: str, *params: object) -> list[tuple[Any, ...]]:
    """Run one statement on the project's database."""
    assert project.database is not None
    return project.database.execute(sql, *params)


def current(project: Project) -> list[str]:
    """What Alembic's version table records."""
    return sorted(row[0] for row in execute(project, "SELECT version_num FROM alembic_version"))


def progress(project: Project) -> int:
    """How many notes the ledger has of half-done revisions."""
    return int(execute(project, "SELECT count(*) FROM erm.progress")[0][0])


def present(project: Project, *names: str) -> list[str]:
    """Those of these relations that exist."""
    return [name for name in names if execute(project, f"SELECT to_regclass('{name}')") != [(None,)]]


def not_null(project: Project) -> bool:
    """Whether orders.note is NOT NULL."""
    column = "SELECT attnotnull FROM pg_attribute WHERE attrelid = 'orders'::regclass AND attname = 'note'"
    return bool(execute(project, column)[0][0])


def status(project: Project) -> dict[str, Any]:
    """`erm status --format json`."""
    done = project.erm("status", "--format", "json")
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def report(project: Project, *args: str) -> dict[str, Any]:
    """`erm repair --format json`, as a dictionary; the ways by their action."""
    done = project.erm("repair", *args, "--format", "json")
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    for half in document["half_done"]:
        half["ways"] = {way["action"]: way for way in half["ways"]}
    return document


def line_of(project: Project, text: str, revision: str = "b2") -> int:
    """The line of a revision file that has a text."""
    lines = (project.versions / f"{revision}.py").read_text(encoding="utf-8").splitlines()
    (found,) = (number for number, line in enumerate(lines, start=1) if text in line)
    return found


def end_sleepers(project: Project) -> bool:
    """End what a killed deployer left running in the server; whether nothing is left of it."""
    execute(
        project,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event = 'PgSleep'",
    )
    assert project.database is not None
    return not sleeping(project.database) and advisory_locks(project.database) == 0


def repaired(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """What a repair that ended well prints as JSON."""
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    assert document["outcome"]["result"] == "done"
    return document


def last_run(project: Project) -> dict[str, Any]:
    """The latest run in the ledger."""
    return project.runs()[-1]
