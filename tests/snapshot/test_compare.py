"""Differences in the words in which they are told."""

from __future__ import annotations

from contextlib import closing

import pytest

from erm_alembic.postgres.snapshot import KINDS, Snapshot, belongs_to_environment, differences, take_snapshot
from tests.support.databases import Database

BEFORE = """
    CREATE TABLE users (id integer NOT NULL, name text, total integer CONSTRAINT positive CHECK (total > 0));
    CREATE INDEX users_name_idx ON users (name);
    CREATE TABLE gone (id integer PRIMARY KEY);
    CREATE VIEW seen AS SELECT 1 AS a;
    CREATE MATERIALIZED VIEW kept AS SELECT 1 AS a WITH NO DATA;
"""
AFTER = """
    ALTER TABLE users ALTER id DROP NOT NULL, ALTER name SET DEFAULT 'x', ALTER total TYPE bigint;
    ALTER TABLE users ALTER name SET STORAGE EXTERNAL;
    ALTER TABLE users DROP CONSTRAINT positive;
    DROP INDEX users_name_idx;
    CREATE UNIQUE INDEX users_name_idx ON users (name);
    ALTER TABLE users ADD email varchar(10) NOT NULL DEFAULT 'y', ADD CONSTRAINT even CHECK (total % 2 = 0);
    DROP TABLE gone;
    DROP VIEW seen;
    CREATE TABLE seen (a integer);
    REFRESH MATERIALIZED VIEW kept;
"""


def _taken(database: Database, sql: str) -> Snapshot:
    with closing(database.connect()) as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        return take_snapshot(cursor)


def test_a_difference_says_what_was_expected_and_what_was_found(database: Database) -> None:
    """In words that need no looking up; a whole that is gone is told once, without its parts."""
    before, after = _taken(database, BEFORE), _taken(database, AFTER)
    assert [(one.kind, one.object, one.expected, one.found) for one in differences(before, after)] == [
        ("table", "public.gone", "table", None),
        ("view", "public.seen", "view", "table"),
        ("column", "public.users.email", None, "character varying(10); NOT NULL; default: 'y'::character varying"),
        ("column", "public.users.id", "NOT NULL", "nullable"),
        ("column", "public.users.name", "no default", "default: 'x'::text"),
        ("column", "public.users.name", "storage: that of its type", "storage: external"),
        ("column", "public.users.total", "integer", "bigint"),
        ("constraint", "public.users.even", None, "CHECK (((total % (2)::bigint) = 0))"),
        ("constraint", "public.users.positive", "CHECK ((total > 0))", None),
        (
            "index",
            "public.users_name_idx",
            "CREATE INDEX users_name_idx ON public.users USING btree (name)",
            "CREATE UNIQUE INDEX users_name_idx ON public.users USING btree (name)",
        ),
    ]


def test_the_name_that_a_not_null_constraint_was_given_by_the_server_does_not_count(database: Database) -> None:
    """After a table was renamed, an upgrade of the server gives another than the history does."""
    by_history = _taken(database, "CREATE TABLE old (a integer NOT NULL); ALTER TABLE old RENAME TO new")
    upgraded = _taken(database, "DROP TABLE new; CREATE TABLE new (a integer NOT NULL)")
    assert differences(by_history, upgraded) == ()


def test_the_name_that_somebody_gave_a_not_null_constraint_counts(database: Database) -> None:
    """Where the server knows such names; the text is what ALTER TABLE ADD takes."""
    if database.server.binaries.major < 18:
        pytest.skip("its not-null constraints have no names")
    before = _taken(database, 'CREATE TABLE t ("A b" integer)')
    after = _taken(database, 'ALTER TABLE t ADD CONSTRAINT filled NOT NULL "A b" NO INHERIT NOT VALID')
    assert [(one.object, one.expected, one.found) for one in differences(before, after)] == [
        ('public.t."A b"', "nullable", 'CONSTRAINT filled NOT NULL "A b" NO INHERIT NOT VALID')
    ]


def test_the_order_of_columns_may_be_left_out(database: Database) -> None:
    """It is told for the table, of the columns that both have; a column that is gone moves nothing."""
    before = _taken(database, "CREATE TABLE t (a integer, b integer, c integer, d integer)")
    without = _taken(database, "ALTER TABLE t DROP b")
    assert [one.object for one in differences(before, without)] == ["public.t.b"]
    moved = _taken(database, "ALTER TABLE t DROP a; ALTER TABLE t ADD b integer; ALTER TABLE t ADD a integer")
    assert [(one.kind, one.object, one.expected, one.found) for one in differences(before, moved)] == [
        ("column-order", "public.t", "a, b, c, d", "c, d, b, a")
    ]
    assert differences(before, moved, column_order=False) == ()


def test_a_materialised_view_that_is_empty_may_be_left_out(database: Database) -> None:
    """A dump of a schema without its rows fills none."""
    filled = _taken(database, "CREATE MATERIALIZED VIEW m AS SELECT 1 AS a")
    empty = _taken(database, "REFRESH MATERIALIZED VIEW m WITH NO DATA")
    assert [(one.object, one.found) for one in differences(filled, empty)] == [("public.m", "populated: no")]
    assert differences(filled, empty, filling=False) == ()


def test_each_kind_is_told_apart_from_what_belongs_to_an_environment() -> None:
    """Grants, default privileges, owners, publications and partitions warn, where nobody says otherwise."""
    assert len({kind.name for kind in KINDS}) == len(KINDS)
    assert {kind.name for kind in KINDS if belongs_to_environment(kind.name)} == {
        "partition",
        "user-mapping",
        "publication",
        "publication-table",
        "publication-schema",
        "subscription",
        "owner",
        "grant",
        "default-privileges",
        "security-label",
        "database-setting",
    }
