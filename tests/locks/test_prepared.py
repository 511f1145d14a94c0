"""A prepared transaction holds its locks without a session: it is named, and the cure ends it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest

from erm_alembic.postgres.embedded.binaries import PostgresBinaries
from tests.faults.deploying import Project
from tests.locks.blocking import Deployment
from tests.support.servers import PrivateServer, private_server


@pytest.fixture
def server(pg_bin: PostgresBinaries) -> Iterator[PrivateServer]:
    """A server that takes prepared transactions."""
    with private_server(pg_bin, max_prepared_transactions="5") as server:
        yield server


@pytest.mark.parametrize("body", ["ALTER TABLE orders ADD COLUMN total int", "UPDATE orders SET id = 2"])
def test_a_prepared_transaction_is_named_by_its_gid(
    body: str, server: PrivateServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pg_blocking_pids() knows no pid for it: its name is looked up, for a table's lock and for a row's."""
    server.execute("CREATE TABLE orders (id int)")
    server.execute("INSERT INTO orders VALUES (1)")
    connection = psycopg2.connect(server.url())
    with connection.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("UPDATE orders SET id = id")
        cursor.execute("PREPARE TRANSACTION 'it''s mine'")
    connection.close()
    project = Project(tmp_path, url=server.url())
    project.config("execution: {lock_timeout: 400ms, lock_retries: 1, retry_delay: 100ms}\n")
    project.revision("a1", f'op.execute("{body}")')
    deployment = Deployment(project, monkeypatch)
    outcome = deployment.apply()
    assert outcome.result == "failed"
    named = deployment.notes.saying("        the prepared transaction 'it''s mine' (of postgres): prepared since ")
    assert len(named) == 2, deployment.notes.told
    assert named[0].endswith("s), and no session holds it")
    assert outcome.cure is not None
    assert outcome.cure.startswith(
        "Let the prepared transaction 'it''s mine' (of postgres) finish, or end it: "
        "COMMIT PREPARED 'it''s mine'; or ROLLBACK PREPARED 'it''s mine'; Then run `erm migrate` again."
    )
    deployment.notes.when("was undone", lambda: server.execute("ROLLBACK PREPARED 'it''s mine'"))
    assert deployment.apply().result == "done"
