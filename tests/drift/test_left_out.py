"""drift.ignore and drift.severity: names, kinds, and what belongs to what is named."""

from __future__ import annotations

import contextlib

import pytest

from erm_alembic.config.settings import DriftIgnore, HeartbeatSettings
from erm_alembic.drift.database import as_drift
from erm_alembic.drift.left_out import leave_out, unused_items, without_left_out
from erm_alembic.planning.comparison import Comparison, LeftOut
from erm_alembic.planning.model import Drift
from erm_alembic.postgres.snapshot import Snapshot, differences, take_snapshot
from tests.support.databases import Database


def _drift(kind: str, name: str) -> Drift:
    return Drift(kind, name, "database", "absent", "there")


@pytest.mark.parametrize(
    ("item", "kind", "name", "left_out"),
    [
        (DriftIgnore(name="public.legacy"), "column", "public.legacy.note", True),
        (DriftIgnore(name="public.legacy"), "table", "public.legacy_more", False),
        (DriftIgnore(name="public.legacy*"), "table", "public.legacy_more", True),
        (DriftIgnore(name="audit"), "table", "audit.log", True),
        (DriftIgnore(name='public."a.b"'), "column", 'public."a.b".c', True),
        (DriftIgnore(name='public."a'), "table", 'public."a.b"', False),
        (DriftIgnore(name="public.f"), "function", "public.f(integer, text)", True),
        (DriftIgnore(kind="grant"), "grant", "table public.users to reader", True),
        (DriftIgnore(kind="grant"), "table", "public.users", False),
        (DriftIgnore(name="public.users"), "grant", "table public.users to reader", True),
        (DriftIgnore(name='public."my users"'), "owner", 'materialized view public."my users"', True),
        (DriftIgnore(name="public.f*"), "grant", "function public.f(integer, text) to PUBLIC", True),
        (DriftIgnore(name="public.users"), "publication-table", "pub: public.users", True),
        (DriftIgnore(kind="index", name="public.tmp_?"), "index", "public.tmp_1", True),
        (DriftIgnore(kind="index", name="public.tmp_?"), "table", "public.tmp_1", False),
    ],
)
def test_an_item_names_objects_and_what_belongs_to_them(
    item: DriftIgnore, kind: str, name: str, left_out: bool
) -> None:
    """A table's name covers its columns; quotes hold a name together; a kind and a name must both fit."""
    kept, counted = leave_out([_drift(kind, name)], [item])
    assert (kept == ()) is left_out
    assert counted == ((LeftOut(str(item), 1),) if left_out else ())


def test_each_difference_is_counted_once_and_unused_items_are_told() -> None:
    """The first item that names it counts it."""
    items = [DriftIgnore(name="public.*"), DriftIgnore(kind="table"), DriftIgnore(kind="view")]
    kept, counted = leave_out([_drift("table", "public.a"), _drift("table", "other.a")], items)
    assert kept == ()
    assert counted == (LeftOut("public.*", 1), LeftOut("table", 1))
    assert unused_items(counted, items) == ("view",)


def test_a_comparison_of_which_all_is_left_out_ends_as_the_same() -> None:
    """What is not known stays so."""
    differs, unknown = Comparison("database", "differs"), Comparison("models", "unknown", "no server")
    assert without_left_out(differs, ()).verdict == "same"
    assert without_left_out(differs, [_drift("table", "public.a")]).verdict == "differs"
    assert without_left_out(unknown, ()).verdict == "unknown"


BEATS = """
    CREATE SCHEMA "Our beats";
    CREATE TABLE "Our beats"."a.b" (writer text PRIMARY KEY, beat bigint NOT NULL, at timestamptz NOT NULL);
    GRANT USAGE ON SCHEMA "Our beats" TO pg_monitor;
    GRANT SELECT ON "Our beats"."a.b" TO pg_monitor;
"""


def test_the_heartbeat_of_routing_is_left_out_and_counted(one_database: Database) -> None:
    """With its schema, owner and grants, whatever they are called; what else is in that schema is told."""
    one_database.execute(BEATS)
    heartbeat = HeartbeatSettings("Our beats", "a.b")
    kept, (counted,) = leave_out(_all_that_is_there(one_database), [], [None, heartbeat])
    assert [f"{each.kind} {each.object}" for each in kept if "beats" in each.object] == []
    assert counted.item == "table Our beats.a.b, the heartbeat of routing"
    assert counted.count >= 2
    one_database.execute('CREATE TABLE "Our beats".a (b int); CREATE SCHEMA a; CREATE TABLE a.b (c int)')
    kept, _ = leave_out(_all_that_is_there(one_database), [], [heartbeat])
    tables = [each.object for each in kept if each.kind in ("table", "schema") and each.object != "public"]
    assert tables == ["a", '"Our beats".a', "a.b"]
    drift = [_drift("grant", 'schema "Our beats" to x'), _drift("owner", 'schema "Our beats"')]
    assert leave_out([*drift, _drift("owner", "table a.b")], [], [heartbeat])[0] == (_drift("owner", "table a.b"),)


def _all_that_is_there(database: Database) -> list[Drift]:
    connection = database.connect()
    connection.autocommit = False
    with contextlib.closing(connection), connection.cursor() as cursor:
        found = take_snapshot(cursor, (), ())
    return [as_drift(each, Snapshot({}), found) for each in differences(Snapshot({}), found)]


HISTORIES = """
    CREATE TABLE schema_migrations (version bigint PRIMARY KEY, dirty boolean NOT NULL);
    CREATE SCHEMA "s %.x";
    CREATE TABLE "s %.x".schema_migrations (version varchar PRIMARY KEY);
    CREATE TABLE erm_schema_migrations (version text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now());
    CREATE TABLE others (version_num varchar(32) PRIMARY KEY);
    CREATE TABLE "s %.x".erm_schema_migrations (version text, notes text);
    CREATE TABLE numbers (version_num int)
"""


def test_tables_in_which_other_tools_keep_their_history_are_told_by_name_and_columns(one_database: Database) -> None:
    """One of another shape, and a table that only has such a column, is drift as any other."""
    one_database.execute(HISTORIES)
    connection = one_database.connect()
    connection.autocommit = False
    with contextlib.closing(connection), connection.cursor() as cursor:
        found = take_snapshot(cursor, (), ())
    drift = [as_drift(each, Snapshot({}), found) for each in differences(Snapshot({}), found)]
    kept, left_out = leave_out(drift, [DriftIgnore(name="public.numbers")])
    assert [each.object for each in kept if each.kind == "table"] == ['"s %.x".erm_schema_migrations']
    assert left_out == (
        LeftOut('table "s %.x".schema_migrations, the history of dbmate', 1),
        LeftOut("table public.erm_schema_migrations, the history of erm (Go)", 1),
        LeftOut("table public.others, the history of Alembic", 1),
        LeftOut("table public.schema_migrations, the history of golang-migrate", 1),
        LeftOut("public.numbers", 1),
    )
