"""Rows that are made from the catalog: they respect what each table demands, whatever that is."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest

from erm_alembic.postgres.seeding import table_facts
from erm_alembic.shadow.seeds.seed import seed_rows
from tests.support.databases import RunningServer, fresh_database

PREPARED = r"""
    CREATE TYPE mood AS ENUM ('sad', 'ok', 'it''s "fine"');
    CREATE TYPE pair AS (a int, b text);
    CREATE DOMAIN email AS text CHECK (VALUE ~ '^[^@ ]+@[^@ ]+[.][a-z]+$');
    CREATE DOMAIN large AS int NOT NULL CHECK (VALUE > 1000);
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no % here', NEW; END $$;
"""
TYPES = """
    smallint int bigint real float8 numeric numeric(6,2) numeric(3,3) money bool text varchar varchar(1)
    varchar(7) char char(3) name bytea date time timetz timestamp timestamp(0) timestamptz interval uuid json
    jsonb jsonpath inet cidr macaddr macaddr8 bit bit(5) varbit(3) tsvector tsquery point line lseg box path
    polygon circle oid pg_lsn int4range numrange daterange tstzrange mood pair email large int[] text[] mood[]
    pair[] email[] numeric(4,1)[] xid tid regclass
"""

# A table, and how many of its rows are written at least; the ordinary one, one at the edges, one of NULLs, a twin.
TABLES = {
    "a check with a list": "status text NOT NULL CHECK (status IN ('active', 'gone'))",
    "a check with bounds": "age smallint CHECK (age BETWEEN 18 AND 120)",
    "a check with a length": "code char(3) NOT NULL CHECK (length(code) = 3 AND upper(code) = code)",
    "a check on two columns": "low int NOT NULL, high int NOT NULL, CHECK (low < high)",
    "a check that divides by zero": "a int NOT NULL, b int NOT NULL, CHECK (a / b > 1)",
    "a check on the kind of a JSON value": "meta jsonb NOT NULL CHECK (jsonb_typeof(meta) = 'object')",
    "a check with a pattern": "nick text NOT NULL CHECK (nick LIKE '@%')",
    "a check on NULLs": "a int, b int, CHECK (num_nonnulls(a, b) = 1)",
    "a column that is computed": "a int, b int GENERATED ALWAYS AS (a / 2) STORED",
    "an identity": "id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
    "a serial key": "id serial PRIMARY KEY, n int NOT NULL UNIQUE",
    "a domain as a key": "id email PRIMARY KEY, n large",
    "ranges that must not overlap": "during tstzrange NOT NULL, EXCLUDE USING gist (during WITH &&)",
    "no column at all": "",
}


@contextlib.contextmanager
def _cursor(server: RunningServer, *statements: str) -> Iterator[Any]:
    with (
        fresh_database(server) as database,
        contextlib.closing(database.connect()) as connection,
        connection.cursor() as cursor,
    ):
        for statement in (PREPARED, *statements):
            cursor.execute(statement)
        yield cursor


def _rows(cursor: Any, table: str) -> int:
    cursor.execute(f"SELECT count(*) FROM {table}")
    return int(cursor.fetchone()[0])


def test_every_type_has_ordinary_values_and_edges(postgres_server: RunningServer) -> None:
    """A table with a column of each type takes all the rows; every column has a value that is no NULL."""
    types = TYPES.split()
    columns = ", ".join(f"c{number} {type}" for number, type in enumerate(types))
    with _cursor(postgres_server, f"CREATE TABLE t ({columns})") as cursor:
        seeded = seed_rows(cursor, table_facts(cursor, ["public.t"]))
        assert (seeded.refused, _rows(cursor, "t")) == ({}, 8)
        cursor.execute("SELECT " + ", ".join(f"count(DISTINCT c{n}::text)" for n in range(len(types))) + " FROM t")
        found = dict(zip(types, cursor.fetchone(), strict=True))
        few = {"bool", "char", "varchar(1)", "bit", "regclass", "mood", "email", "line", "lseg"}
        assert {type for type, count in found.items() if count < 2} <= few | {"macaddr", "macaddr8", "jsonpath"}


@pytest.mark.parametrize("name", TABLES)
def test_what_a_table_demands_is_respected(newest_server: RunningServer, name: str) -> None:
    """The ordinary row and more are written, twice, in a table of this kind."""
    with _cursor(newest_server, f"CREATE TABLE t ({TABLES[name]})") as cursor:
        facts = table_facts(cursor, ["public.t"])
        assert seed_rows(cursor, facts).refused == {}
        first = _rows(cursor, "t")
        assert first >= 2
        assert seed_rows(cursor, facts, start=101).refused == {}
        assert _rows(cursor, "t") >= first + 2


REFERRING = """
    CREATE TABLE tenants (id uuid PRIMARY KEY);
    CREATE TABLE orgs (tenant uuid NOT NULL REFERENCES tenants, id int, PRIMARY KEY (tenant, id));
    CREATE TABLE "Odd ""na.me"" %s" (
        tenant uuid NOT NULL REFERENCES tenants, org int NOT NULL, "x %% y" text,
        FOREIGN KEY (tenant, org) REFERENCES orgs);
    CREATE TABLE one (tenant uuid NOT NULL UNIQUE REFERENCES tenants);
    CREATE TABLE tree (id int PRIMARY KEY, parent int NOT NULL REFERENCES tree);
    CREATE TABLE a (id int PRIMARY KEY, b int);
    CREATE TABLE b (id int PRIMARY KEY, a int NOT NULL REFERENCES a);
    ALTER TABLE a ADD FOREIGN KEY (b) REFERENCES b;
"""


def test_parents_come_first_and_circles_are_broken_where_a_reference_may_be_null(newest_server: RunningServer) -> None:
    """Rows refer to rows that are there, over several columns, to themselves, and around a circle."""
    with _cursor(newest_server, REFERRING.replace("%%", "%")) as cursor:
        names = ['public."Odd ""na.me"" %s"', "public.one", "public.tree", "public.b"]
        seeded = seed_rows(cursor, table_facts(cursor, names))
        assert seeded.refused == {}
        assert set(seeded.rows) == {*names, "public.a", "public.orgs", "public.tenants"}
        assert all(count >= 2 for count in seeded.rows.values())


PARTITIONED = """
    CREATE TABLE ranges (id int, day date NOT NULL, kind text) PARTITION BY RANGE (day);
    CREATE TABLE ranges_1 PARTITION OF ranges FOR VALUES FROM ('2024-01-01') TO ('2024-02-01');
    CREATE TABLE ranges_2 PARTITION OF ranges FOR VALUES FROM ('2024-02-01') TO ('2024-03-01') PARTITION BY LIST (kind);
    CREATE TABLE ranges_2x PARTITION OF ranges_2 FOR VALUES IN ('x', 'y');
    CREATE TABLE hashed (id int PRIMARY KEY, v text) PARTITION BY HASH (id);
    CREATE TABLE hashed_2 PARTITION OF hashed FOR VALUES WITH (modulus 4, remainder 2);
    CREATE TABLE none_yet (id int) PARTITION BY RANGE (id);
"""


def test_rows_find_a_partition(newest_server: RunningServer) -> None:
    """A value within the bounds of one; a partition stands for its whole table, a table without one has no row."""
    with _cursor(newest_server, PARTITIONED) as cursor:
        seeded = seed_rows(cursor, table_facts(cursor, ["public.ranges_2x", "public.hashed", "public.none_yet"]))
        assert seeded.refused == {}
        assert set(seeded.rows) == {"public.ranges", "public.hashed"}
        assert _rows(cursor, "ranges") >= 4 and _rows(cursor, "hashed") >= 2


def test_a_table_that_refuses_every_row_says_why(newest_server: RunningServer) -> None:
    """A trigger runs as it is; of what it raises only the place is told, for it may quote a row."""
    trigger = "CREATE TRIGGER refused BEFORE INSERT ON closed FOR EACH ROW EXECUTE FUNCTION refuse()"
    with _cursor(newest_server, "CREATE TABLE closed (id int)", trigger) as cursor:
        seeded = seed_rows(cursor, table_facts(cursor, ["public.closed"]))
        assert seeded.refused == {"public.closed": "raise exception (PL/pgSQL function refuse() line 1 at RAISE)"}


def test_what_a_revision_will_demand_is_respected_before_it_runs(newest_server: RunningServer) -> None:
    """Rows that stand before a revision pass its new NOT NULL, foreign key, check and type."""
    now = "CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE t (id int PRIMARY KEY, p int, kind text, n text)"
    after = """ALTER TABLE t ALTER p SET NOT NULL, ADD FOREIGN KEY (p) REFERENCES p,
               ADD CHECK (kind IN ('a', 'b')), ALTER n TYPE int USING n::int"""
    with _cursor(newest_server, now, "BEGIN; " + after) as cursor:
        later = table_facts(cursor, ["public.t"])
        cursor.execute("ROLLBACK")
        facts = table_facts(cursor, ["public.t", "public.p"])
        seeded = seed_rows(cursor, facts, likeness="plain", later=later)
        assert (seeded.refused, seeded.rows["public.t"]) == ({}, 2)
        cursor.execute(after)
