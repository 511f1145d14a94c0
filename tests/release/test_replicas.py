"""A release waits until every replica has replayed what it has applied."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from erm_alembic.postgres.embedded.binaries import PostgresBinaries
from erm_alembic.release import api
from tests.faults.deploying import Project
from tests.release.conftest import release_config
from tests.support.standbys import Replicated, has_basebackup, replicated


@pytest.fixture(scope="module")
def pair(pg_bin: PostgresBinaries) -> Iterator[Replicated]:
    """A primary with a standby, both of the newest major."""
    if not has_basebackup(pg_bin):
        pytest.skip("no pg_basebackup here to make a standby with")
    with replicated(pg_bin) as found:
        yield found


def _configured(pair: Replicated, root: Path, *replicas: dict[str, str], wait: str = "30s") -> Path:
    """A project with one revision and these replicas."""
    pair.primary.execute(f"CREATE DATABASE {root.name}")
    pair.catch_up()
    project = Project(root, url=pair.primary.url(root.name))
    project.table("a1", "first")
    database = {"url": pair.primary.url(root.name), "replicas": list(replicas)}
    return release_config(root, database, {"wait_for_replicas": wait})


def _replayed(result: api.Result) -> tuple[str | None, dict[str, Any]]:
    stage = result.record.last("replicas")
    assert stage is not None
    return stage.outcome, dict(stage.details)


def test_it_waits_until_the_standby_has_it(pair: Replicated, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A standby whose replay stands still holds the release; what it has replayed then is told."""
    root = tmp_path_factory.mktemp("waits", numbered=True)
    config = _configured(pair, root, {"name": "east", "url": pair.standby.url(root.name)}, wait="1s")
    pair.standby.execute("SELECT pg_wal_replay_pause()")
    stopped = api.release("prod", config=config)
    outcome, details = _replayed(stopped)
    assert (stopped.record.outcome, outcome, list(details["behind"])) == ("stopped", "failed", ["east"])
    pair.standby.execute("SELECT pg_wal_replay_resume()")
    result = api.resume("prod", config=config)
    assert (result.record.outcome, _replayed(result)[0]) == ("done", "done")
    assert pair.standby.execute("SELECT to_regclass('first')", dbname=root.name) == [("first",)]


def test_a_replica_that_is_none_is_not_waited_for(pair: Replicated, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The primary's own address under a replica's name will never follow: the release stops at once, and says so."""
    root = tmp_path_factory.mktemp("none", numbered=True)
    config = _configured(pair, root, {"name": "west", "url": pair.primary.url(root.name)}, wait="10m")
    result = api.release("prod", config=config)
    stage = result.record.last("replicas")
    assert stage is not None and (result.record.outcome, stage.outcome) == ("stopped", "failed")
    assert "not replayed by west (" in stage.reason
    assert "--skip replicas --reason TEXT" in stage.cure
