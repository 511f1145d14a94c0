"""What a rehearsal observes of a form of DDL is what PostgreSQL's manual says of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tests.rehearsal.seeing import Observing, bare, modes, observing
from tests.support.databases import RunningServer, fresh_database

ALL = "orders_amount orders_pkey orders_state"  # the indexes of orders


@pytest.fixture(scope="module")
def session(postgres_server: RunningServer) -> Iterator[Observing]:
    """One session of one database for all the forms; each is rolled back."""
    with fresh_database(postgres_server) as database, observing(database) as session:
        yield session


class Form(NamedTuple):
    """A form of DDL, and what the manual says of it."""

    sql: str
    locks: dict[str, str]
    rewrites: str = ""
    builds: str = ""
    scans: str = ""


def _on(mode: str, *relations: str) -> dict[str, str]:
    return dict.fromkeys(relations, mode)


def access_exclusive(*relations: str) -> dict[str, str]:
    return _on("AccessExclusive", *relations)


ORDERS = access_exclusive("orders")
WHOLE = access_exclusive("orders", *ALL.split())  # a rewrite replaces the indexes too
NOTHING: dict[str, str] = {}

FORMS = (
    # ALTER TABLE: ACCESS EXCLUSIVE unless it says otherwise.
    Form("ALTER TABLE orders ADD COLUMN x int", ORDERS),
    Form("ALTER TABLE orders ADD COLUMN x int DEFAULT 7 NOT NULL", ORDERS),
    Form("ALTER TABLE orders ADD COLUMN x timestamptz DEFAULT now()", ORDERS),
    Form("ALTER TABLE orders ADD COLUMN x float DEFAULT random()", WHOLE, "orders", ALL, "orders"),
    Form("ALTER TABLE orders ADD COLUMN x int GENERATED ALWAYS AS (amount * 2) STORED", WHOLE, "orders", ALL, "orders"),
    Form("ALTER TABLE orders ADD COLUMN x serial", WHOLE, "orders", ALL, "orders"),
    Form("ALTER TABLE orders ADD COLUMN x int GENERATED ALWAYS AS IDENTITY", WHOLE, "orders", ALL, "orders"),
    Form("ALTER TABLE orders ADD COLUMN x int UNIQUE", ORDERS, "", "orders_x_key", "orders"),
    Form("ALTER TABLE orders ADD COLUMN x int REFERENCES users", ORDERS | _on("ShareRowExclusive", "users")),
    Form("ALTER TABLE orders DROP COLUMN code", ORDERS),
    Form("ALTER TABLE orders DROP COLUMN user_id", access_exclusive("orders", "users")),
    Form("ALTER TABLE orders ALTER COLUMN amount TYPE bigint", WHOLE, "orders", ALL, "orders"),
    Form("ALTER TABLE orders ALTER COLUMN state TYPE varchar(20)", WHOLE, "orders", ALL, "orders"),
    Form("ALTER TABLE users ALTER COLUMN email TYPE varchar(40)", access_exclusive("users")),
    Form("ALTER TABLE users ALTER COLUMN email TYPE text", access_exclusive("users")),
    Form("ALTER TABLE orders ALTER COLUMN state SET DEFAULT 'new'", ORDERS),
    Form("ALTER TABLE orders ALTER COLUMN amount DROP NOT NULL", ORDERS),
    Form("ALTER TABLE orders ALTER COLUMN code SET NOT NULL", ORDERS, scans="orders"),
    Form("ALTER TABLE orders ALTER COLUMN state SET NOT NULL", ORDERS),  # a validated CHECK says so already
    Form("ALTER TABLE orders ALTER COLUMN amount ADD GENERATED ALWAYS AS IDENTITY", ORDERS),
    Form("ALTER TABLE orders ALTER COLUMN state SET STATISTICS 500", _on("ShareUpdateExclusive", "orders")),
    Form("ALTER TABLE orders ALTER COLUMN state SET STORAGE EXTERNAL", ORDERS),
    Form("ALTER TABLE orders ADD CONSTRAINT x CHECK (code <> '')", ORDERS, scans="orders"),
    Form("ALTER TABLE orders ADD CONSTRAINT x CHECK (code <> '') NOT VALID", ORDERS),
    Form("ALTER TABLE orders VALIDATE CONSTRAINT has_user", _on("ShareUpdateExclusive", "orders"), scans="orders"),
    Form("ALTER TABLE orders ADD FOREIGN KEY (amount) REFERENCES users",
         _on("ShareRowExclusive", "orders", "users"), scans="orders"),
    Form("ALTER TABLE orders ADD FOREIGN KEY (amount) REFERENCES users NOT VALID",
         _on("ShareRowExclusive", "orders", "users")),
    Form("ALTER TABLE orders VALIDATE CONSTRAINT orders_user",
         _on("ShareUpdateExclusive", "orders") | _on("RowShare", "users"), scans="orders"),
    Form("ALTER TABLE orders ADD UNIQUE (code)", ORDERS, "", "orders_code_key", "orders"),
    Form("ALTER TABLE loose ADD PRIMARY KEY (id)", access_exclusive("loose"), "", "loose_pkey", "loose"),
    Form("ALTER TABLE orders ADD CONSTRAINT x UNIQUE USING INDEX orders_amount",
         ORDERS | _on("ShareUpdateExclusive", "orders_amount")),
    Form("ALTER TABLE alone ADD EXCLUDE USING btree (id WITH =)",
         access_exclusive("alone"), "", "alone_id_excl", "alone"),
    Form("ALTER TABLE orders DROP CONSTRAINT positive", ORDERS),
    Form("ALTER TABLE orders DROP CONSTRAINT orders_user", access_exclusive("orders", "users")),
    Form("ALTER TABLE orders DISABLE TRIGGER stays", _on("ShareRowExclusive", "orders")),
    Form("ALTER TABLE orders SET (fillfactor = 70)", _on("ShareUpdateExclusive", "orders")),
    Form("ALTER TABLE orders SET (autovacuum_enabled = off)", _on("ShareUpdateExclusive", "orders")),
    Form("ALTER TABLE loose SET UNLOGGED", access_exclusive("loose"), "loose", "", "loose"),
    Form("ALTER TABLE orders CLUSTER ON orders_state", _on("ShareUpdateExclusive", "orders", "orders_state")),
    Form("ALTER TABLE orders SET WITHOUT CLUSTER", _on("ShareUpdateExclusive", "orders")),
    Form("ALTER TABLE orders REPLICA IDENTITY FULL", ORDERS),
    Form("ALTER TABLE orders ENABLE ROW LEVEL SECURITY", ORDERS),
    Form("ALTER TABLE orders OWNER TO CURRENT_USER", ORDERS),
    Form("ALTER TABLE orders RENAME COLUMN code TO codes", ORDERS),
    Form("ALTER TABLE orders RENAME CONSTRAINT positive TO above_zero", ORDERS),
    Form("ALTER TABLE orders RENAME TO purchases", ORDERS),
    Form("ALTER TABLE orders SET SCHEMA public", ORDERS),
    Form("ALTER INDEX orders_state RENAME TO orders_by_state", _on("ShareUpdateExclusive", "orders_state")),
    # Inheritance and partitions: what stands below or above is locked too.
    Form("ALTER TABLE parent ADD COLUMN x int", access_exclusive("parent", "child")),
    Form("ALTER TABLE alone INHERIT parent", access_exclusive("alone") | _on("ShareUpdateExclusive", "parent")),
    Form("ALTER TABLE events ADD COLUMN x float DEFAULT random()",
         access_exclusive("events", "events_20", "events_21"), "events_20 events_21", "", "events_20 events_21"),
    Form("ALTER TABLE events ATTACH PARTITION loose FOR VALUES FROM ('2022-01-01') TO ('2023-01-01')",
         access_exclusive("loose") | _on("ShareUpdateExclusive", "events"), scans="loose"),
    Form("ALTER TABLE events DETACH PARTITION events_20", access_exclusive("events", "events_20")),
    Form("CREATE TABLE new PARTITION OF events FOR VALUES FROM ('2022-01-01') TO ('2023-01-01')",
         access_exclusive("events")),
    Form("CREATE INDEX new ON events (id)", _on("Share", "events", "events_20", "events_21"),
         "", "events_20_id_idx events_21_id_idx", "events_20 events_21"),
    # Everything else.
    Form("CREATE TABLE new (id int REFERENCES users)", _on("ShareRowExclusive", "users")),
    Form("CREATE TABLE new (LIKE users)", _on("AccessShare", "users")),
    Form("CREATE TABLE new () INHERITS (parent)", _on("ShareUpdateExclusive", "parent")),
    Form("CREATE TABLE new (id int)", NOTHING),
    Form("DROP TABLE alone", access_exclusive("alone")),
    Form("DROP TABLE orders CASCADE", WHOLE | access_exclusive("users", "totals", "totals_id")),
    Form("TRUNCATE alone", access_exclusive("alone")),
    Form("TRUNCATE users CASCADE", WHOLE | access_exclusive("users", "users_pkey")),
    Form("CREATE INDEX new ON orders (code)", _on("Share", "orders"), "", "new", "orders"),
    Form("DROP INDEX orders_state", access_exclusive("orders", "orders_state")),
    Form("REINDEX INDEX orders_state",
         access_exclusive("orders_state") | _on("Share", "orders"), "", "orders_state", "orders"),
    Form("REINDEX TABLE orders", WHOLE | _on("Share", "orders"), "", ALL, "orders"),
    Form("CREATE TRIGGER new AFTER UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION same()",
         _on("ShareRowExclusive", "orders")),
    Form("DROP TRIGGER stays ON orders", ORDERS),
    Form("CREATE RULE new AS ON DELETE TO orders DO INSTEAD NOTHING", ORDERS),
    Form("CREATE POLICY new ON orders", ORDERS),
    Form("CREATE STATISTICS new ON code, state FROM orders", _on("ShareUpdateExclusive", "orders")),
    Form("COMMENT ON TABLE orders IS 'sold'", _on("ShareUpdateExclusive", "orders")),
    Form("CREATE OR REPLACE VIEW names AS SELECT id, name, note FROM users",
         access_exclusive("names") | _on("AccessShare", "users")),
    Form("DROP VIEW names", access_exclusive("names")),
    Form("REFRESH MATERIALIZED VIEW totals",
         access_exclusive("totals", "totals_id") | _on("AccessShare", "orders"),
         "totals", "totals_id", "orders totals"),
    Form("REFRESH MATERIALIZED VIEW CONCURRENTLY totals",
         _on("Exclusive", "totals") | _on("AccessShare", "orders"), scans="orders totals"),
    Form("ALTER SEQUENCE numbers INCREMENT 2", _on("ShareRowExclusive", "numbers")),
    Form("ALTER TYPE mood ADD VALUE 'wild'", NOTHING),
    Form("ANALYZE orders", _on("ShareUpdateExclusive", "orders")),
    Form("CLUSTER orders USING orders_state", WHOLE, "orders", ALL, "orders"),
    Form("LOCK TABLE orders IN EXCLUSIVE MODE", _on("Exclusive", "orders")),
    Form("INSERT INTO users (id) VALUES (1)", _on("RowExclusive", "users")),
    Form("UPDATE alone SET id = 2", _on("RowExclusive", "alone")),
    Form("DELETE FROM alone", _on("RowExclusive", "alone")),
    Form("SELECT * FROM alone FOR UPDATE", _on("RowShare", "alone")),
    Form("SELECT * FROM names", _on("AccessShare", "names", "users")),
)  # fmt: skip

# A partition that is detached was locked less until PostgreSQL 13.
BEFORE_14 = {
    "ALTER TABLE events DETACH PARTITION events_20": access_exclusive("events")
    | _on("ShareUpdateExclusive", "events_20")
}

OUTSIDE = (
    Form("CREATE INDEX CONCURRENTLY new ON s.orders (code)",
         _on("ShareUpdateExclusive", "orders"), "", "new", "orders"),
    Form("REINDEX INDEX CONCURRENTLY s.new",
         _on("ShareUpdateExclusive", "orders", "new"), "", "new", "orders"),
    Form("DROP INDEX CONCURRENTLY s.new", _on("ShareUpdateExclusive", "orders", "new")),
    Form("CREATE INDEX CONCURRENTLY new ON s.totals (buyer_id)",
         _on("ShareUpdateExclusive", "totals"), "", "new", "totals"),
    Form("DROP INDEX CONCURRENTLY s.new", _on("ShareUpdateExclusive", "totals", "new")),
    Form("VACUUM s.orders", _on("ShareUpdateExclusive", "orders")),
    Form("VACUUM (ANALYZE) s.users, s.alone", _on("ShareUpdateExclusive", "users", "alone")),
    Form("VACUUM FULL s.alone", access_exclusive("alone"), "alone", "", "alone"),
    Form("ALTER TABLE s.orders ADD COLUMN another int", ORDERS),
)  # fmt: skip


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.sql)
def test_in_a_transaction(session: Observing, postgres_server: RunningServer, form: Form) -> None:
    """Locks, rewrites, built indexes and scans of a form are those of the manual."""
    seen = session.see(form.sql)
    assert modes(seen) == (BEFORE_14.get(form.sql, form.locks) if postgres_server.major < 14 else form.locks)
    assert bare(seen.rewrites) == tuple(form.rewrites.split())
    assert bare(seen.builds) == tuple(form.builds.split())
    assert bare(seen.scans) == tuple(form.scans.split())


def test_outside_a_transaction(session: Observing) -> None:
    """What cannot run in a transaction shows the locks that the manual says it takes, though they are gone by then."""
    for form in OUTSIDE:
        seen = session.see_outside(form.sql)
        shown = (modes(seen), bare(seen.rewrites), bare(seen.builds), bare(seen.scans))
        assert shown == (form.locks, *(tuple(each.split()) for each in form[2:])), form.sql


def test_detached_concurrently(session: Observing, postgres_server: RunningServer) -> None:
    """The parent is not locked against anybody, the partition is at the end."""
    if postgres_server.major < 14:
        pytest.skip("DETACH PARTITION ... CONCURRENTLY is of PostgreSQL 14")
    seen = session.see_outside("ALTER TABLE s.events DETACH PARTITION s.events_21 CONCURRENTLY")
    assert modes(seen) == _on("ShareUpdateExclusive", "events") | access_exclusive("events_21")
