"""The ledger's tables are locked by somebody else: who that is is told, and a signal ends the waiting."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator

import psycopg2
import pytest

from erm_alembic import inspection, migrate
from erm_alembic.errors import TargetError
from erm_alembic.ledger import store
from tests.faults.deploying import Project, until
from tests.support.databases import Database

LOCK = "LOCK TABLE erm.run, erm.revision, erm.progress"
WAITING = "SELECT FROM pg_stat_activity WHERE application_name = 'erm ledger' AND wait_event_type = 'Lock'"


@pytest.fixture
def locked(project: Project, one_database: Database) -> Iterator[Project]:
    """A project of two revisions, the first one applied, and somebody who has locked the ledger."""
    project.table("a1", "first")
    assert project.apply().returncode == 0
    project.table("b2", "second", down="a1")
    with contextlib.closing(psycopg2.connect(one_database.url, application_name="backup")) as other:
        other.cursor().execute(LOCK)
        yield project


@pytest.mark.parametrize("read", [migrate.plan, inspection.status, inspection.history, migrate.apply])
def test_who_has_locked_it(
    locked: Project, one_database: Database, monkeypatch: pytest.MonkeyPatch, read: Callable[[], object]
) -> None:
    """Whoever holds it up is named; nobody waits for long."""
    monkeypatch.chdir(locked.root)
    monkeypatch.setenv("ERM_DATABASE_URL", one_database.url)
    monkeypatch.setattr(store, "LOCK_TIMEOUT", "100ms")
    with pytest.raises(TargetError, match=r"The ledger in the schema 'erm' is locked by pid \d+ \(backup"):
        read()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_waiting(locked: Project, one_database: Database, number: int, code: int) -> None:
    """The statement on the ledger's own connection is cancelled while a plan waits there."""
    with locked.deploying() as deployer:
        until(lambda: bool(one_database.execute(WAITING)))
        deployer.signal(number)
        got, _, said = deployer.ended()
    assert got == code
    assert "while planning" in said
