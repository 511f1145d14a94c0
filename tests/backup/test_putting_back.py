"""A lossy way down and back: lost columns and rows are put back by their primary keys."""

from __future__ import annotations

import contextlib
import uuid
from pathlib import Path

import pytest

import erm_alembic
from erm_alembic.backup.putting_back import PutBackTable
from erm_alembic.errors import BackupError, LockNotHad
from erm_alembic.postgres.deploy_lock import acquire_deploy_lock
from tests.backup.conftest import Shop, shop_on
from tests.support.databases import Database, RunningServer

USERS = (
    "CREATE TABLE users (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL,"
    " email text NOT NULL DEFAULT '', size int, twice int GENERATED ALWAYS AS (size * 2) STORED)"
)


def lose_email(shop: Shop, rows: int = 10) -> None:
    """A column with values is dropped, and the rollback makes it again, empty."""
    shop.revision("a1", USERS, "DROP TABLE users")
    shop.apply()
    shop.sql(
        "INSERT INTO users (name, email, size) SELECT 'n' || i, 'e' || i, i FROM generate_series(1, %s) AS i", rows
    )
    shop.revision(
        "b2",
        "ALTER TABLE users DROP COLUMN email",
        "ALTER TABLE users ADD COLUMN email text NOT NULL DEFAULT ''",
        after="a1",
    )
    assert shop.apply().outcome.result == "done"


def test_a_rollback_says_which_backup_holds_what_was_lost_and_it_is_put_back(shop: Shop) -> None:
    """Rows that stayed get their values; those that went, came or were written since are counted, and left alone."""
    lose_email(shop)
    shop.sql("DELETE FROM users WHERE id <= 3")
    shop.sql("UPDATE users SET name = 'other' WHERE id = 4")
    shop.sql("INSERT INTO users (name) VALUES ('late'), ('later')")
    planned = erm_alembic.plan_rollback("dev").backup
    assert planned is not None and not planned.demanded
    (held,) = planned.held
    assert held.command == f"erm restore --env dev --to {held.id} --lost"
    assert [(each.table, each.column) for each in held.holds] == [("public.users", "email")]
    shop.rollback()
    shop.sql("UPDATE users SET email = 'mine' WHERE id = 5")
    counts = PutBackTable(
        "public.users", ("email",), 10, set=6, left=1, inserted=0, gone=3, new=2, changed=1, triggers=0
    )
    tried = shop.put_back(backup=held.id, really=False)
    assert (tried.really, tried.run_id, tried.tables) == (False, None, (counts,))
    assert shop.sql("SELECT count(*) FROM users WHERE email LIKE 'e%%'") == [(0,)]
    assert shop.put_back(backup=held.id).tables == (counts,)
    assert shop.sql("SELECT array_agg(id || email ORDER BY id) FROM users") == [
        (["4e4", "5mine", "6e6", "7e7", "8e8", "9e9", "10e10", "11", "12"],)
    ]
    assert [(run.mode, run.outcome) for run in erm_alembic.history("dev", limit=1)] == [("restore", "done")]
    again = shop.put_back(backup=held.id, overwrite=True).tables[0]
    assert (again.set, again.left) == (1, 0)
    assert shop.sql("SELECT email FROM users WHERE id = 5") == [("e5",)]


def test_rows_of_a_dropped_table_come_back_with_their_numbers(shop: Shop) -> None:
    """A table is dropped and made again: its rows come back whole, and new ones go on after them."""
    shop.revision("a1", USERS, "DROP TABLE users")
    shop.apply()
    shop.sql("INSERT INTO users (name, size) SELECT 'n' || i, i FROM generate_series(1, 5) AS i")
    shop.revision("b2", "DROP TABLE users", USERS, after="a1")
    shop.apply()
    shop.rollback()
    shop.sql("INSERT INTO users (name) VALUES ('first again')")
    (table,) = shop.put_back().tables
    assert (table.columns, table.inserted, table.gone, table.new, table.changed) == ((), 4, 0, 0, 1)
    assert shop.sql("SELECT id, name, twice FROM users ORDER BY id")[:2] == [(1, "first again", None), (2, "n2", 4)]
    assert shop.sql("INSERT INTO users (name) VALUES ('next') RETURNING id") == [(6,)]


def test_rows_that_an_upgrade_deleted_come_back_but_for_those_whose_place_is_taken(shop: Shop) -> None:
    """What DELETE took is there again; a row stays away where another one holds a unique value of it."""
    shop.revision("a1", "CREATE TABLE tags (id int PRIMARY KEY, word text UNIQUE)", "DROP TABLE tags")
    shop.apply()
    shop.sql("INSERT INTO tags VALUES (1, 'a'), (2, 'b'), (3, 'c')")
    shop.revision("b2", "DELETE FROM tags WHERE id > 1", after="a1")
    shop.apply()
    shop.sql("INSERT INTO tags VALUES (9, 'c')")
    (table,) = shop.put_back().tables
    assert (table.inserted, table.gone, table.new) == (1, 1, 1)
    assert shop.sql("SELECT id FROM tags ORDER BY id") == [(1,), (2,), (9,)]


def test_composite_keys_and_partitions_match_across_partitions(every_shop: Shop) -> None:
    """A column of a partitioned table comes back in every partition, also in one whose columns stand otherwise."""
    shop = every_shop
    shop.revision(
        "a1",
        "CREATE TABLE events (region text, at date, note text, PRIMARY KEY (region, at)) PARTITION BY LIST (region);"
        "CREATE TABLE events_eu PARTITION OF events FOR VALUES IN ('eu');"
        "CREATE TABLE events_us (note text, at date NOT NULL, region text NOT NULL);"
        "ALTER TABLE events ATTACH PARTITION events_us FOR VALUES IN ('us')",
        "DROP TABLE events",
    )
    shop.apply()
    shop.sql(
        "INSERT INTO events SELECT r, '2026-01-01'::date + i, r || i FROM unnest('{eu,us}'::text[]) r,"
        " generate_series(1, 3) i"
    )
    shop.revision("b2", "ALTER TABLE events DROP COLUMN note", "ALTER TABLE events ADD COLUMN note text", after="a1")
    backup = shop.apply().outcome.backup
    assert backup is not None
    shop.rollback()
    (table,) = shop.put_back(backup=backup.id).tables
    assert (table.table, table.set, table.in_backup) == ("public.events", 6, 6)
    assert shop.sql("SELECT count(*) FROM events WHERE note = region || (at - '2026-01-01'::date)") == [(6,)]


def test_heirs_get_their_own_values_back(shop: Shop) -> None:
    """A column that is dropped with those of its heirs comes back in each of them, by the key of each."""
    shop.revision(
        "a1",
        "CREATE TABLE base (id int PRIMARY KEY, note text);"
        "CREATE TABLE heir (CONSTRAINT heir_key PRIMARY KEY (id)) INHERITS (base)",
        "DROP TABLE heir; DROP TABLE base",
    )
    shop.apply()
    shop.sql("INSERT INTO base VALUES (1, 'b')")
    shop.sql("INSERT INTO heir VALUES (1, 'h')")
    shop.revision("b2", "ALTER TABLE base DROP COLUMN note", "ALTER TABLE base ADD COLUMN note text", after="a1")
    shop.apply()
    shop.rollback()
    assert {each.table: each.set for each in shop.put_back().tables} == {"public.base": 1, "public.heir": 1}
    assert shop.sql("SELECT tableoid::regclass::text, note FROM base ORDER BY 1") == [("base", "b"), ("heir", "h")]


def test_a_narrowed_column_is_put_back_only_over_what_stands_there(shop: Shop) -> None:
    """After a change of type every row holds another value: it stays until --overwrite is said."""
    shop.revision("a1", "CREATE TABLE prices (id int PRIMARY KEY, price numeric)", "DROP TABLE prices")
    shop.apply()
    shop.sql("INSERT INTO prices VALUES (1, 1.25), (2, 3)")
    shop.revision(
        "b2",
        "ALTER TABLE prices ALTER COLUMN price TYPE int",
        "ALTER TABLE prices ALTER COLUMN price TYPE numeric",
        after="a1",
    )
    shop.apply()
    shop.rollback()
    (table,) = shop.put_back(really=False).tables
    assert (table.set, table.left) == (0, 1)
    shop.put_back(overwrite=True)
    assert shop.sql("SELECT price::text FROM prices ORDER BY id") == [("1.25",), ("3",)]


def test_what_an_update_overwrote_is_put_back(shop: Shop) -> None:
    """Values that a revision overwrites are at risk; those of a column that it has added itself are not."""
    shop.revision("a1", "CREATE TABLE users (id int PRIMARY KEY, name text)", "DROP TABLE users")
    shop.apply()
    shop.sql("INSERT INTO users VALUES (1, 'Ann'), (2, 'Bob')")
    shop.revision(
        "b2", "ALTER TABLE users ADD COLUMN lower text; UPDATE users SET lower = name, name = upper(name)", after="a1"
    )
    result = shop.apply()
    assert result.plan.backup is not None
    assert [(each.kind, each.column) for each in result.plan.backup.at_risk] == [("update", "name")]
    shop.put_back(overwrite=True)
    assert shop.sql("SELECT name FROM users ORDER BY id") == [("Ann",), ("Bob",)]


def test_without_a_primary_key_it_is_refused(shop: Shop) -> None:
    """Nothing tells which row is which; a table that is empty takes its rows back all the same."""
    shop.revision("a1", "CREATE TABLE log (line text, extra text)", "DROP TABLE log")
    shop.apply()
    shop.sql("INSERT INTO log VALUES ('a', 'x'), ('a', 'y')")
    shop.revision("b2", "ALTER TABLE log DROP COLUMN extra", "ALTER TABLE log ADD COLUMN extra text", after="a1")
    shop.apply()
    shop.rollback()
    with pytest.raises(BackupError) as caught:
        shop.put_back()
    assert caught.value.what == (
        "public.log has no primary key: nothing tells which row of the backup is which row of today."
    )
    assert caught.value.effect == "Nothing was changed."
    backup = shop.take().id
    shop.sql("TRUNCATE log")
    assert shop.put_back("log", backup=backup).tables[0].inserted == 2
    assert shop.sql("SELECT count(*) FROM log") == [(2,)]


def test_what_is_not_there_is_refused_with_the_way_to_it(shop: Shop) -> None:
    """A column or a table that is still dropped takes nothing; a name that the backup does not have is told."""
    lose_email(shop)
    with pytest.raises(BackupError, match=r"There is no column public\.users\.email now"):
        shop.put_back()
    with pytest.raises(BackupError, match=r"has no users\.emial; users\.email is close to it"):
        shop.put_back("users.emial")
    shop.sql("DROP TABLE users")
    with pytest.raises(BackupError, match=r"There is no table public\.users now") as caught:
        shop.put_back()
    assert "roll back the revision" in caught.value.cure


def test_a_value_that_does_not_fit_undoes_all_of_it_and_is_not_quoted(shop: Shop) -> None:
    """One transaction: a value that the column does not take any more changes nothing, and stands in no message."""
    lose_email(shop, 2)
    shop.sql("ALTER TABLE users ADD COLUMN email int NOT NULL DEFAULT 0")
    with pytest.raises(BackupError) as caught:
        shop.put_back()
    assert "e1" not in caught.value.what and "invalid input syntax" in caught.value.what
    assert shop.sql("SELECT sum(email) FROM users") == [(0,)]
    assert [(run.mode, run.outcome) for run in erm_alembic.history("dev", limit=1)] == [("restore", "failed")]


def test_while_somebody_deploys_nothing_is_put_back(shop: Shop) -> None:
    """It waits for the deploy lock as a deployment does."""
    lose_email(shop)
    shop.rollback()
    with contextlib.closing(shop.database.connect()) as other:
        acquire_deploy_lock(other, 0, print)
        with pytest.raises(LockNotHad):
            shop.put_back(wait=0)


AWKWARD = 'od"d. *?\n\\.ü'


def test_hostile_names_are_names(every_shop: Shop) -> None:
    """Quotes, dots, line feeds and patterns in the names of schema, table and column change nothing of what is done."""
    shop = every_shop
    quoted = '"' + AWKWARD.replace('"', '""') + '"'
    table = f"{quoted}.{quoted}"
    shop.revision(
        "a1",
        f'CREATE SCHEMA {quoted}; CREATE TABLE {table} ({quoted} int PRIMARY KEY, "no%te" text);'
        f'CREATE TABLE {quoted}."odd. x" (id int PRIMARY KEY)',
        f"DROP SCHEMA {quoted} CASCADE",
    )
    shop.apply()
    shop.sql(f"INSERT INTO {table} VALUES (1, 'ä' || chr(10) || '\\.'), (2, NULL)")
    shop.revision(
        "b2", f'ALTER TABLE {table} DROP COLUMN "no%te"', f'ALTER TABLE {table} ADD COLUMN "no%te" text', after="a1"
    )
    result = shop.apply()
    assert result.outcome.result == "done" and result.plan.backup is not None
    assert result.plan.backup.tables == (table,)
    shop.rollback()
    (put,) = shop.put_back().tables
    assert (put.table, put.set) == (table, 1)
    assert shop.sql(f'SELECT "no%%te" FROM {table} ORDER BY 1 NULLS LAST'.replace("%%", "%")) == [("ä\n\\.",), (None,)]


WIDE = (
    "CREATE SCHEMA kinds; CREATE TYPE kinds.mood AS ENUM ('a', 'b'); CREATE TYPE kinds.pair AS (a int, b text);"
    " CREATE TABLE kinds.wide (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), {});"
    " CREATE TABLE parent (id int PRIMARY KEY); CREATE TABLE child (id int PRIMARY KEY, up int REFERENCES parent);"
    " CREATE TABLE numbered (k text PRIMARY KEY, n int GENERATED ALWAYS AS IDENTITY, s serial)"
)
KINDS = {
    "m": ("kinds.mood", "'a'"),
    "p": ("kinds.pair", r"ROW(1, E'x\\ty\\\\')::kinds.pair"),
    "j": ("jsonb", "'{\"a\": [1, null]}'"),
    "js": ("json", "'{\"a\":  1}'"),
    "ar": ("text[]", "ARRAY['a,b', NULL, '\"']"),
    "by": ("bytea", "'\\x00ff'"),
    "nu": ("numeric(10,3)", "1.5"),
    "tz": ("timestamptz NOT NULL DEFAULT now()", "'2020-02-29 12:00+02'"),
    "iv": ("interval", "'1 mon -2 days'"),
    "fl": ("float8", "1.0 / 3"),
    "rg": ("int4range", "'[1,5)'"),
    "vc": ("varchar(5) NOT NULL DEFAULT 'x'", "'abc'"),
    "ne": ("int NOT NULL DEFAULT -1", "7"),
}


def test_values_of_every_kind_numbers_and_references_come_back(shop: Shop) -> None:
    """Types of their own, values that COPY escapes, numbers of the server, rows that refer to others."""
    columns = [f"{name} {type_}" for name, (type_, _) in KINDS.items()]
    shop.revision("a1", WIDE.format(", ".join(columns)))
    shop.apply()
    values = ", ".join(value for _, value in KINDS.values())
    shop.sql(f"INSERT INTO kinds.wide ({', '.join(KINDS)}) SELECT {values} FROM generate_series(1, 3)")
    shop.sql("INSERT INTO parent VALUES (1), (2)")
    shop.sql("INSERT INTO child VALUES (1, 2)")
    shop.sql("INSERT INTO numbered (k) VALUES ('gone'), ('b'), ('a')")
    shop.sql("DELETE FROM numbered WHERE k = 'gone'")
    drops = ", ".join(f"DROP {name}" for name in KINDS)
    adds = ", ".join(f"ADD {column}" for column in columns)
    shop.revision(
        "b2",
        f"ALTER TABLE kinds.wide {drops}; DELETE FROM child; DELETE FROM parent WHERE id = 2;"
        " ALTER TABLE numbered DROP n, DROP s",
        f"ALTER TABLE kinds.wide {adds}; ALTER TABLE numbered ADD n int GENERATED ALWAYS AS IDENTITY, ADD s serial",
        after="a1",
    )
    look = "SELECT array_agg(w::text ORDER BY id)::text FROM kinds.wide w"
    before = shop.sql(look)
    shop.apply()
    shop.rollback()
    assert shop.sql(look) != before
    put = {each.table: each for each in shop.put_back().tables}
    assert shop.sql(look) == before and put["kinds.wide"].left == 0
    assert (put["public.parent"].inserted, put["public.child"].inserted) == (1, 1)
    assert put["public.numbered"].left == 2
    shop.put_back(overwrite=True)
    assert shop.sql("SELECT k, n, s FROM numbered ORDER BY k") == [("a", 3, 3), ("b", 2, 2)]
    assert shop.sql("INSERT INTO numbered (k) VALUES ('next') RETURNING n, s") == [(4, 4)]


def test_a_database_of_another_encoding_has_its_names_and_values_back(
    newest_server: RunningServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names of a LATIN1 database reach pg_dump and the server as they are."""
    name = f"latin_{uuid.uuid4().hex[:8]}"
    provider = "LOCALE_PROVIDER libc" if newest_server.major >= 15 else ""
    make = f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'LATIN1' {provider} LC_COLLATE 'C' LC_CTYPE 'C'"
    Database("postgres", newest_server).execute(make)
    try:
        shop = shop_on(Database(name, newest_server), tmp_path / "latin", monkeypatch)
        shop.revision("a1", 'CREATE TABLE "t\u00e4ble" (id int PRIMARY KEY, "c\u00e9" text)')
        shop.apply()
        shop.sql("INSERT INTO \"t\u00e4ble\" VALUES (1, '\u00df')")
        shop.revision(
            "b2",
            'ALTER TABLE "t\u00e4ble" DROP "c\u00e9"',
            'ALTER TABLE "t\u00e4ble" ADD "c\u00e9" text',
            after="a1",
        )
        shop.apply()
        shop.rollback()
        assert shop.put_back().tables[0].set == 1
        assert shop.sql('SELECT "c\u00e9" FROM "t\u00e4ble"') == [("\u00df",)]
    finally:
        Database("postgres", newest_server).execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_a_backup_by_hand_that_a_run_found_fresh_gives_back_what_that_run_lost(shop: Shop) -> None:
    """The run tells its guard what it is to lose; one that guards nothing says how the data is named instead."""
    shop.revision("a1", USERS, "DROP TABLE users")
    shop.apply()
    shop.sql("INSERT INTO users (name, email) VALUES ('n1', 'e1'), ('n2', 'e2')")
    by_hand = shop.take()
    with pytest.raises(BackupError, match="it is not known that it guards a run") as caught:
        shop.put_back(backup=by_hand.id, really=False)
    assert "--data public.users.email" in caught.value.cure
    back = "ALTER TABLE users ADD COLUMN email text NOT NULL DEFAULT ''"
    shop.revision("b2", "ALTER TABLE users DROP COLUMN email", back, after="a1")
    guard = shop.apply().outcome.backup
    assert guard is not None and (guard.id, guard.taken) == (by_hand.id, False)
    planned = erm_alembic.plan_rollback("dev").backup
    assert planned is not None and [each.id for each in planned.held] == [by_hand.id]
    shop.rollback()
    (table,) = shop.put_back(backup=by_hand.id).tables
    assert (table.table, table.columns, table.set) == ("public.users", ("email",), 2)
    assert shop.sql("SELECT email FROM users ORDER BY id") == [("e1",), ("e2",)]
