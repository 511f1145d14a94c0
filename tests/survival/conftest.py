"""A run that nothing disturbs, and what every other one must come to in the end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults.deploying import Project
from tests.support.databases import Database, RunningServer, fresh_database
from tests.survival.history import revisions, write_history
from tests.survival.killing import APPLY, converse
from tests.survival.state import State, state_of


@dataclass(frozen=True)
class Clean:
    """A run that nothing disturbed.

    Args:
        root: the project.
        state: what the database holds in the end.
        first: the number of the first message under the deploy lock.
        last: the number of the last message.
    """

    root: Path
    state: State
    first: int
    last: int


@pytest.fixture(scope="session")
def clean(newest_server: RunningServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clean]:
    """The history, deployed once, and left alone."""
    if not newest_server.binaries.program("pg_dump").exists():
        pytest.skip("this PostgreSQL has no pg_dump to compare catalogs with")
    root = tmp_path_factory.mktemp("history")
    with fresh_database(newest_server) as database:
        project = Project(root, database)
        write_history(project)
        ended, heard = converse(project, database, None)
        assert ended.code == 0, ended
        yield Clean(root, state_of(database), heard.locked_at, heard.sent)


def ends_like_a_clean_run(project: Project, database: Database, clean: Clean) -> None:
    """A plain apply ends at head, with the same catalog and rows, each revision done once, each run with an end, and
    nothing left over."""
    done = project.apply(*APPLY)
    assert done.returncode == 0, done.stdout + done.stderr
    assert state_of(database) == clean.state
    applied = database.execute(
        "SELECT revision, count(*) FROM erm.revision WHERE outcome = 'done' GROUP BY 1 ORDER BY 1"
    )
    assert applied == [(revision, 1) for revision in sorted(revisions())]
    assert database.execute("SELECT id FROM erm.run WHERE outcome IS NULL") == []
    assert database.execute("SELECT * FROM erm.progress") == []
