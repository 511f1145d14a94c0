"""What is the same gives the same snapshot: no false alarm, whoever asks, and however the schema came to be."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import closing

import psycopg2
import pytest

from erm_alembic.postgres.snapshot import (
    Snapshot,
    catalog_fingerprint,
    differences,
    snapshot_from_json,
    snapshot_to_json,
    take_snapshot,
)
from tests.snapshot.schema import OWNER, READER, SECRET, fill
from tests.support.databases import Database, RunningServer, fresh_database


def _read(database: Database, *settings: str) -> tuple[Snapshot, str]:
    """What a session with these settings sees."""
    with closing(database.connect()) as connection, connection.cursor() as cursor:
        for setting in settings:
            cursor.execute(setting)
        return take_snapshot(cursor), catalog_fingerprint(cursor)


@pytest.fixture(scope="module")
def seen(rich_database: Database) -> tuple[Snapshot, str]:
    """What an ordinary session sees of the rich database."""
    return _read(rich_database)


@pytest.fixture(scope="module")
def same_again(postgres_server: RunningServer) -> Iterator[Database]:
    """Another database that the same statements made, with other OIDs."""
    with fresh_database(postgres_server) as database:
        database.execute("CREATE TABLE unrelated (a serial PRIMARY KEY); DROP TABLE unrelated")
        with closing(database.connect()) as connection, connection.cursor() as cursor:
            fill(cursor)
        yield database


def test_a_schema_made_by_the_same_statements_is_equal(seen: tuple[Snapshot, str], same_again: Database) -> None:
    """No difference, and the same fingerprint, although every OID is another."""
    snapshot, fingerprint = _read(same_again)
    assert differences(seen[0], snapshot) == ()
    assert (snapshot, fingerprint) == seen


def test_a_dump_that_was_loaded_is_equal(seen: tuple[Snapshot, str], rich_database: Database) -> None:
    """What pg_dump and psql carry into another database gives no difference."""
    server = rich_database.server
    programs = server.binaries.bin_dir  # type: ignore[union-attr]
    environment = {**os.environ, "PGCLIENTENCODING": "UTF8"}
    dumped = subprocess.run(
        [programs / "pg_dump", rich_database.url], check=True, capture_output=True, env=environment
    ).stdout
    with fresh_database(server) as loaded:  # type: ignore[arg-type]
        subprocess.run(
            [programs / "psql", "-q", "-X", "-v", "ON_ERROR_STOP=1", "-d", loaded.url],
            input=dumped,
            check=True,
            capture_output=True,
            env=environment,
        )
        snapshot, fingerprint = _read(loaded)
    assert differences(seen[0], snapshot) == ()
    assert fingerprint == seen[1]


@pytest.mark.parametrize(
    "setting",
    [
        "SET search_path = app, public",
        'SET search_path = "We""ird.Sch%ema"',
        "SET quote_all_identifiers = on",
        "SET DateStyle = 'SQL, DMY'; SET IntervalStyle = sql_standard; SET TimeZone = 'Asia/Kolkata'",
        "SET extra_float_digits = -15; SET bytea_output = escape; SET standard_conforming_strings = off",
        "CREATE TEMPORARY TABLE users (a int); CREATE TEMPORARY TABLE pg_class (a int)",
        f"SET ROLE {READER}",
    ],
)
def test_the_session_does_not_matter(rich_database: Database, seen: tuple[Snapshot, str], setting: str) -> None:
    """Settings, temporary tables that hide others, a role with hardly a right: the same snapshot and fingerprint."""
    assert _read(rich_database, setting) == seen


def test_a_role_that_logs_in_without_a_right_sees_the_same(rich_database: Database, seen: tuple[Snapshot, str]) -> None:
    """The catalog is open to everybody who may connect."""
    with closing(psycopg2.connect(rich_database.url, user=OWNER)) as connection, connection.cursor() as cursor:
        assert take_snapshot(cursor) == seen[0]
        assert catalog_fingerprint(cursor) == seen[1]


def test_data_and_statistics_do_not_count(rich_database: Database, seen: tuple[Snapshot, str]) -> None:
    """Rows, a sequence that has counted, gathered statistics and another file node change nothing."""
    with closing(rich_database.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("INSERT INTO app.base VALUES (2, 'x'), (3, 'y'); SELECT nextval('app.counter')")
        cursor.execute("ANALYZE app.base; REINDEX TABLE app.users; TRUNCATE app.base")
        cursor.execute("VACUUM FULL app.users")
        assert (take_snapshot(cursor), catalog_fingerprint(cursor)) == seen


def test_a_privilege_that_was_given_and_taken_again_is_none(
    rich_database: Database, seen: tuple[Snapshot, str]
) -> None:
    """An access list that says what holds without one is no difference."""
    with closing(rich_database.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute(f"GRANT SELECT ON app.cache TO {READER}; REVOKE SELECT ON app.cache FROM {READER}")
        cursor.execute("SELECT relacl FROM pg_class WHERE oid = 'app.cache'::regclass")
        assert cursor.fetchone()[0] is not None
        assert (take_snapshot(cursor), catalog_fingerprint(cursor)) == seen
        cursor.execute("ROLLBACK")


def test_no_secret_is_read(seen: tuple[Snapshot, str]) -> None:
    """Of an option that may be a password, the name counts."""
    text = snapshot_to_json(seen[0])
    assert SECRET not in text
    assert "password=(not read)" in text


def test_a_snapshot_comes_back_from_json(seen: tuple[Snapshot, str]) -> None:
    """What a cache keeps is what was taken; what another version kept is not taken for it."""
    text = snapshot_to_json(seen[0])
    assert snapshot_from_json(text) == seen[0]
    assert snapshot_from_json(text.replace('"shape": 1', '"shape": 0', 1)) is None
