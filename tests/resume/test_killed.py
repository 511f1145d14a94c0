"""Killed between two statements, inside one, or in its last transaction: the next apply goes on where it was."""

from __future__ import annotations

import signal

import pytest

from tests.faults.deploying import Project
from tests.resume.killing import kill_at
from tests.support.databases import Database

BATCHES = f"""
bind = op.get_bind()
op.execute("CREATE TABLE item (id int PRIMARY KEY, state text)")
{kill_at("created")}
op.execute("INSERT INTO item SELECT n, 'new' FROM generate_series(1, 10) n")
with op.get_context().autocommit_block():
    {kill_at("filled")}
    op.execute("CREATE INDEX CONCURRENTLY item_state ON item (state)")
    {kill_at("indexed")}
    low = 0
    while low < 10:
        bind.execute(sa.text("UPDATE item SET state = state || '!' WHERE id > :low AND id <= :high"),
            dict(low=low, high=low + 3))
        {kill_at("batch-%d", "% low")}
        low += 3
    op.execute("ALTER TABLE item ADD COLUMN more int")
    {kill_at("altered")}
op.execute("INSERT INTO item VALUES (11, 'last', 1)")
{kill_at("inserted")}
"""


@pytest.mark.parametrize("at", ["created", "filled", "indexed", "batch-0", "batch-3", "batch-9", "altered", "inserted"])
def test_killed_between_statements(at: str, project: Project, one_database: Database) -> None:
    """Wherever it was killed, a plain apply ends with each statement's effect there once."""
    project.revision("a1", BATCHES, 'op.drop_table("item")')
    killed = project.erm("migrate", KILL_AT=at)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    done = project.apply()
    assert done.returncode == 0, done.stdout + done.stderr
    rows = one_database.execute("SELECT id, state, more FROM item ORDER BY id")
    assert rows == [*((number, "new!", None) for number in range(1, 11)), (11, "last", 1)]
    assert one_database.execute("SELECT indisvalid FROM pg_index WHERE indexrelid = 'item_state'::regclass") == [
        (True,)
    ]
    assert one_database.execute("SELECT count(*) FROM erm.progress") == [(0,)]
    assert [run["outcome"] for run in project.runs()] == ["died", "done"]
