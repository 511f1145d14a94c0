"""Who is in the way, in words; and how seldom the server is asked for it."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from erm_alembic.config.settings import ExecutionSettings
from erm_alembic.execute.session import SessionLimits
from erm_alembic.execute.watch import LockWatch
from erm_alembic.planning.model import Statement, Step
from erm_alembic.postgres.activity import Held, Session, wait_of
from tests.faults.deploying import until
from tests.locks.blocking import open_transaction, pid_of
from tests.support.databases import Database

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
WEB = Session(
    pid=7,
    application="web",
    role="app",
    address="10.0.0.7/32",
    kind="client backend",
    state="active",
    since=NOON,
    seconds=70.4,
    query="SELECT 'x'",
    waits=False,
    prepared=None,
)
SINCE = "since 2026-11-23 12:00:00 UTC (1m10s)"


@pytest.mark.parametrize(
    ("session", "words"),
    [
        (WEB, f"pid 7 (web, app from 10.0.0.7/32): in a transaction {SINCE}; it runs: SELECT '...'"),
        (
            replace(WEB, application="", address=None, state="idle in transaction (aborted)", waits=None),
            f"pid 7 (no application name, app): idle in a transaction {SINCE}; its last statement: SELECT '...'",
        ),
        (
            replace(WEB, waits=True, query=None),
            f"pid 7 (web, app from 10.0.0.7/32): in a transaction {SINCE}; it waits for a lock itself",
        ),
        (replace(WEB, state="idle", query=""), "pid 7 (web, app from 10.0.0.7/32): idle"),
        (
            Session(9, "", None, None, "autovacuum worker", "active", NOON, 0.2, "autovacuum: VACUUM t", False, None),
            "pid 9 (autovacuum worker, no role): in a transaction since 2026-11-23 12:00:00 UTC (1s); it runs: "
            "autovacuum: VACUUM t",
        ),
    ],
)
def test_a_session_in_words(session: Session, words: str) -> None:
    """Each session says who it is, since when it is there, and what it does, without values."""
    assert str(session) == words


def test_an_advisory_lock_and_its_holder(database: Database) -> None:
    """On every major, who waits for an advisory lock is seen, with its holder."""
    take = "SELECT pg_advisory_xact_lock(42)"
    with (
        open_transaction(database, take) as holder,
        open_transaction(database, "SELECT 1") as first,
        database.connect().cursor() as cursor,
    ):
        assert wait_of(cursor, pid_of(first)) is None
        waiting = threading.Thread(target=lambda: first.cursor().execute(take))
        waiting.start()
        until(lambda: wait_of(cursor, pid_of(first)) is not None)
        wait = wait_of(cursor, pid_of(first))
        assert wait is not None
        assert (wait.lock, [each.pid for each in wait.blockers]) == ("an advisory lock", [pid_of(holder)])
        holder.commit()
        waiting.join(10)


def test_the_server_is_asked_once_a_second_at_most(one_database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before each of a thousand revisions nothing is asked again within a second, and nothing while nobody lingers."""
    asked: list[Any] = []
    now = [100.0]

    def asking(*arguments: Any) -> tuple[Held, ...]:
        asked.append(arguments)
        return ()

    monkeypatch.setattr("erm_alembic.execute.watch.held_for_long", asking)
    monkeypatch.setattr("erm_alembic.execute.watch.time.monotonic", lambda: now[0])
    connection = one_database.connect()
    locks = LockWatch(connection, SessionLimits(ExecutionSettings(), print), print)
    step = Step("a1", (), "", "a1.py", "upgrade", "ok", statements=(Statement("CREATE TABLE a (id int)"),))
    for _ in range(1_000):
        now[0] += 0.01
        locks.tell_before(step, 1)
    connection.close()
    assert 9 <= len(asked) <= 11
