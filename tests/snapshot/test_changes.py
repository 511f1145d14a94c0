"""Each change by hand is told as exactly what it is."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import psycopg2
import pytest

from erm_alembic.postgres.snapshot import KINDS, Snapshot, catalog_fingerprint, differences, take_snapshot
from tests.snapshot.change import Change
from tests.snapshot.changes import BATCHES, CHANGES
from tests.support.databases import Database


@dataclass(frozen=True)
class Rich:
    """A connection to the rich database, and how it is."""

    connection: psycopg2.extensions.connection
    snapshot: Snapshot
    fingerprint: str


@pytest.fixture(scope="module")
def rich(rich_database: Database) -> Iterator[Rich]:
    """One connection for all changes; each is rolled back."""
    with closing(rich_database.connect()) as connection, connection.cursor() as cursor:
        yield Rich(connection, take_snapshot(cursor), catalog_fingerprint(cursor))


@pytest.mark.parametrize("batch", BATCHES, ids=lambda batch: batch[0].name)
def test_a_change_by_hand_is_told_as_what_it_is(rich: Rich, batch: tuple[Change, ...]) -> None:
    """One difference for each object and property, none besides, and another fingerprint."""
    major = rich.connection.server_version // 10_000
    changes = [change for change in batch if change.since <= major]
    if not changes:
        pytest.skip(f"PostgreSQL {major} does not have it")
    with rich.connection.cursor() as cursor:
        cursor.execute("SELECT quote_ident(current_user)")
        superuser = cursor.fetchone()[0]
        cursor.execute("BEGIN")
        try:
            for change in changes:
                cursor.execute(change.sql)
            found, fingerprint = take_snapshot(cursor), catalog_fingerprint(cursor)
        finally:
            cursor.execute("ROLLBACK")
    told = differences(rich.snapshot, found)
    expected = [
        (kind, name.replace("{superuser}", superuser), property)
        for change in changes
        for kind, name, property in change.told
    ]
    assert sorted((one.kind, one.object, one.property) for one in told) == sorted(expected)
    assert fingerprint != rich.fingerprint
    assert all((one.expected is None or one.found is None) == (not one.property) for one in told)
    assert all(one.expected != one.found for one in told)
    # Told the other way round, it is the same; but a view that was filled since is none.
    assert {(one.object, one.found, one.expected) for one in differences(found, rich.snapshot)} == {
        (one.object, one.expected, one.found) for one in told if one.property != "populated"
    }


def test_there_is_a_change_of_each_kind() -> None:
    """No kind goes untried; a kind without its own name in the registry does not either."""
    # What belongs to the database as a whole is no part of its schema; it is tried where two databases are compared.
    of_database = {"database-setting"}
    assert {kind for change in CHANGES for kind, _, _ in change.told} == {kind.name for kind in KINDS} - of_database


def test_what_is_set_of_a_subscription_is_told(rich: Rich) -> None:
    """Its options, its owner and its comment: each once, and as far as anybody may read them."""
    major = rich.connection.server_version // 10_000
    steps = (
        ("ALTER SUBSCRIPTION sub OWNER TO snapshot_owner", "owner", 13),
        ("ALTER SUBSCRIPTION sub SET PUBLICATION q WITH (refresh = false)", "publications", 13),
        ("ALTER SUBSCRIPTION sub SET (slot_name = 'other')", "slot", 13),
        ("ALTER SUBSCRIPTION sub SET (synchronous_commit = 'local')", "synchronous commit", 14),
        ("ALTER SUBSCRIPTION sub SET (binary = true)", "binary", 14),
        ("ALTER SUBSCRIPTION sub SET (disable_on_error = true)", "disable on error", 15),
        ("ALTER SUBSCRIPTION sub SET (origin = none)", "origin", 16),
        ("ALTER SUBSCRIPTION sub SET (password_required = false)", "password required", 16),
        ("COMMENT ON SUBSCRIPTION sub IS 'x'", "comment", 14),
    )
    with rich.connection.cursor() as cursor:
        cursor.execute("BEGIN; GRANT snapshot_owner TO CURRENT_USER; ALTER ROLE snapshot_owner SUPERUSER")
        cursor.execute("CREATE SUBSCRIPTION sub CONNECTION 'host=h' PUBLICATION p WITH (connect = false)")
        try:
            before = take_snapshot(cursor)
            for statement, property, since in steps:
                if since <= major:
                    cursor.execute(f"{statement}; SET LOCAL ROLE snapshot_reader")
                    found = take_snapshot(cursor)
                    cursor.execute("RESET ROLE")
                    assert [each.property for each in differences(before, found)] == [property]
                    before = found
        finally:
            cursor.execute("ROLLBACK")


def test_another_tablespace_is_told(rich: Rich) -> None:
    """Of a table, of a materialised view and of an index."""
    with rich.connection.cursor() as cursor:
        name = f"space_{uuid.uuid4().hex}"
        cursor.execute("SET allow_in_place_tablespaces = on")
        cursor.execute(f"CREATE TABLESPACE {name} LOCATION ''")
        try:
            cursor.execute("BEGIN")
            cursor.execute(f"ALTER TABLE app.plain SET TABLESPACE {name}")
            cursor.execute(f"ALTER INDEX app.users_moods SET TABLESPACE {name}")
            cursor.execute(f"ALTER MATERIALIZED VIEW app.filled SET TABLESPACE {name}")
            told = differences(rich.snapshot, take_snapshot(cursor))
        finally:
            cursor.execute("ROLLBACK")
            cursor.execute(f"DROP TABLESPACE {name}")
    assert [(one.kind, one.object, one.expected, one.found) for one in told] == [
        (kind, name_of, "tablespace: the default", f"tablespace: {name}")
        for kind, name_of in (("table", "app.plain"), ("materialized-view", "app.filled"), ("index", "app.users_moods"))
    ]
