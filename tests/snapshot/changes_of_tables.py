"""Changes by hand of schemas, tables, partitions and columns."""

from __future__ import annotations

from tests.snapshot.change import Change, one

__all__ = ["TABLES"]

TABLES = (
    # Schemas and extensions
    one("schema made", "CREATE SCHEMA extra", "schema", "extra"),
    one("extension's comment", "COMMENT ON EXTENSION plpgsql IS 'x'", "extension", "plpgsql", "comment"),
    one("schema's comment", "COMMENT ON SCHEMA app IS NULL", "schema", "app", "comment"),
    # Tables
    Change(
        "table made",
        "CREATE TABLE app.t (id serial PRIMARY KEY, a int UNIQUE REFERENCES app.users)",
        (("table", "app.t", ""),),
    ),
    one("table dropped", "DROP TABLE app.cache", "table", "app.cache", alone=True),
    Change(
        "table renamed",
        "ALTER TABLE app.base RENAME TO basis",
        (
            ("table", "app.base", ""),
            ("table", "app.basis", ""),
            ("table", "app.derived", "parents"),
            ("table", "app.local", "parents"),
        ),
    ),
    one("table logged", "ALTER TABLE app.cache SET LOGGED", "table", "app.cache", "persistence"),
    one("storage parameter", "ALTER TABLE app.orders SET (fillfactor = 50)", "table", "app.orders", "options"),
    one(
        "TOAST parameter",
        "ALTER TABLE app.users RESET (toast.autovacuum_enabled)",
        "table",
        "app.users",
        "toast options",
    ),
    one("table's comment", "COMMENT ON TABLE app.orders IS 'x'", "table", "app.orders", "comment"),
    one("replica identity", "ALTER TABLE app.orders REPLICA IDENTITY FULL", "table", "app.orders", "replica identity"),
    one(
        "replica identity by another index",
        "ALTER TABLE app.users REPLICA IDENTITY USING INDEX users_pkey",
        "table",
        "app.users",
        "replica identity",
    ),
    one("row security off", "ALTER TABLE app.orders DISABLE ROW LEVEL SECURITY", "table", "app.orders", "row security"),
    one(
        "row security not forced",
        "ALTER TABLE app.orders NO FORCE ROW LEVEL SECURITY",
        "table",
        "app.orders",
        "row security",
    ),
    Change(
        "inheritance ended",
        "ALTER TABLE app.derived NO INHERIT app.base",
        (
            ("table", "app.derived", "parents"),
            ("column", "app.derived.a", "inherited"),
            ("column", "app.derived.b", "inherited"),
            ("constraint", "app.derived.base_a_check", "inherited"),
        ),
    ),
    one("table in the place of a view", "DROP VIEW app.rec; CREATE TABLE app.rec (n int)", "view", "app.rec", "kind"),
    # Partitions
    one(
        "partition made",
        "CREATE TABLE app.events_2030 PARTITION OF app.events FOR VALUES FROM ('2030-01-01') TO ('2031-01-01')",
        "partition",
        "app.events_2030",
    ),
    one("partition dropped", "DROP TABLE app.events_2023", "partition", "app.events_2023"),
    one(
        "partition detached",
        "ALTER TABLE app.events DETACH PARTITION app.events_2023",
        "partition",
        "app.events_2023",
        "kind",
    ),
    one(
        "partition's bound",
        "ALTER TABLE app.events DETACH PARTITION app.events_2023;"
        "ALTER TABLE app.events ATTACH PARTITION app.events_2023 FOR VALUES FROM ('2021-01-01') TO ('2023-01-01')",
        "partition",
        "app.events_2023",
        "partition of",
    ),
    # Columns
    one("column made", "ALTER TABLE app.users ADD extra int", "column", "app.users.extra"),
    one("column dropped", "ALTER TABLE app.users DROP late", "column", "app.users.late"),
    Change(
        "column renamed",
        "ALTER TABLE app.cache RENAME v TO w",
        (("column", "app.cache.v", ""), ("column", "app.cache.w", "")),
    ),
    one("type", "ALTER TABLE app.local ALTER d TYPE bigint", "column", "app.local.d", "type"),
    one("type's modifier", "ALTER TABLE app.users ALTER late TYPE varchar(9)", "column", "app.users.late", "type"),
    one(
        "column collation",
        'ALTER TABLE app.users ALTER late TYPE text COLLATE "C"',
        "column",
        "app.users.late",
        "collation",
    ),
    one("default", "ALTER TABLE app.users ALTER name SET DEFAULT 'b'", "column", "app.users.name", "default"),
    one("default dropped", "ALTER TABLE app.users ALTER name DROP DEFAULT", "column", "app.users.name", "default"),
    one("not null set", "ALTER TABLE app.users ALTER late SET NOT NULL", "column", "app.users.late", "not null"),
    one(
        "not null dropped", "ALTER FOREIGN TABLE app.remote ALTER a DROP NOT NULL", "column", "app.remote.a", "not null"
    ),
    one(
        "not-null constraint renamed",
        "ALTER TABLE app.users RENAME CONSTRAINT users_name_not_null TO other",
        "column",
        "app.users.name",
        "not null",
        since=18,
    ),
    one(
        "not null without proof",
        "ALTER TABLE app.users ADD CONSTRAINT late_there NOT NULL late NOT VALID",
        "column",
        "app.users.late",
        "not null",
        since=18,
    ),
    one("identity", "ALTER TABLE app.users ALTER id SET GENERATED ALWAYS", "column", "app.users.id", "identity"),
    one(
        "identity's sequence",
        "ALTER TABLE app.users ALTER id SET INCREMENT 7",
        "sequence",
        "app.users_id_seq",
        "increment",
    ),
    Change(
        "identity dropped",
        "ALTER TABLE app.users ALTER id DROP IDENTITY",
        (("column", "app.users.id", "identity"), ("sequence", "app.users_id_seq", "")),
    ),
    one(
        "generated column made plain",
        "ALTER TABLE app.users ALTER twice DROP EXPRESSION",
        "column",
        "app.users.twice",
        "generated",
    ),
    one(
        "generated expression",
        "ALTER TABLE app.users ALTER twice SET EXPRESSION AS (total * 3)",
        "column",
        "app.users.twice",
        "generated",
        since=17,
    ),
    one(
        "virtual column",
        "ALTER TABLE app.users ADD v int GENERATED ALWAYS AS (id + 1) VIRTUAL",
        "column",
        "app.users.v",
        since=18,
    ),
    one("storage", "ALTER TABLE app.users ALTER late SET STORAGE MAIN", "column", "app.users.late", "storage"),
    one(
        "compression",
        "ALTER TABLE app.users ALTER late SET COMPRESSION pglz",
        "column",
        "app.users.late",
        "compression",
        since=14,
    ),
    one(
        "statistics target",
        "ALTER TABLE app.users ALTER late SET STATISTICS 9",
        "column",
        "app.users.late",
        "statistics target",
    ),
    one("column option", "ALTER TABLE app.users ALTER name RESET (n_distinct)", "column", "app.users.name", "options"),
    one("column's comment", "COMMENT ON COLUMN app.users.name IS 'other'", "column", "app.users.name", "comment"),
    Change(
        "column order",
        "ALTER TABLE app.plain DROP a; ALTER TABLE app.plain ADD a integer",
        (("column-order", "app.plain", "order"),),
    ),
)
