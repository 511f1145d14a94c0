"""Changes by hand of constraints, indexes and sequences."""

from __future__ import annotations

from tests.snapshot.change import Change, one

__all__ = ["PARTS"]

PARTS = (
    # Constraints
    one("check made", "ALTER TABLE app.users ADD CONSTRAINT c CHECK (id > 0)", "constraint", "app.users.c"),
    one("check dropped", "ALTER TABLE app.users DROP CONSTRAINT positive", "constraint", "app.users.positive"),
    one(
        "check changed",
        "ALTER TABLE app.users DROP CONSTRAINT positive, ADD CONSTRAINT positive CHECK (total >= 0) NO INHERIT",
        "constraint",
        "app.users.positive",
        "definition",
    ),
    one(
        "check validated",
        "ALTER TABLE app.orders VALIDATE CONSTRAINT n_ok",
        "constraint",
        "app.orders.n_ok",
        "definition",
    ),
    Change(
        "constraint renamed",
        "ALTER TABLE app.users RENAME CONSTRAINT positive TO above",
        (("constraint", "app.users.above", ""), ("constraint", "app.users.positive", "")),
    ),
    one(
        "constraint's comment",
        "COMMENT ON CONSTRAINT n_ok ON app.orders IS NULL",
        "constraint",
        "app.orders.n_ok",
        "comment",
    ),
    one(
        "foreign key dropped",
        "ALTER TABLE app.orders DROP CONSTRAINT orders_user_id_fkey",
        "constraint",
        "app.orders.orders_user_id_fkey",
    ),
    one(
        "foreign key's action",
        "ALTER TABLE app.orders DROP CONSTRAINT orders_user_id_fkey,"
        " ADD FOREIGN KEY (user_id) REFERENCES app.users ON DELETE SET NULL DEFERRABLE",
        "constraint",
        "app.orders.orders_user_id_fkey",
        "definition",
    ),
    one(
        "foreign key not deferrable",
        "ALTER TABLE app.orders ALTER CONSTRAINT orders_user_id_fkey NOT DEFERRABLE",
        "constraint",
        "app.orders.orders_user_id_fkey",
        "definition",
    ),
    one(
        "foreign key not enforced",
        "ALTER TABLE app.orders ALTER CONSTRAINT orders_user_id_fkey NOT ENFORCED",
        "constraint",
        "app.orders.orders_user_id_fkey",
        "definition",
        since=18,
    ),
    Change(
        "all triggers off",
        "ALTER TABLE app.users DISABLE TRIGGER ALL",
        (
            ("trigger", "app.users.touch", "enabled"),
            ("constraint", "app.orders.orders_user_id_fkey", "triggers"),
            ("constraint", "app.events.events_user_id_fkey", "triggers"),
            (
                "constraint",
                "public.abcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabc."
                "abcdefghijabcdefghijabcdefghi_abcdefghijabcdefghijabcdefgh_fkey",
                "triggers",
            ),
        ),
    ),
    one("unique made", "ALTER TABLE app.cache ADD CONSTRAINT u UNIQUE (v)", "constraint", "app.cache.u"),
    one(
        "unique dropped", "ALTER TABLE app.orders DROP CONSTRAINT orders_n_key", "constraint", "app.orders.orders_n_key"
    ),
    one(
        "unique, nulls alike",
        "ALTER TABLE app.orders DROP CONSTRAINT orders_n_key, ADD UNIQUE NULLS NOT DISTINCT (n)",
        "constraint",
        "app.orders.orders_n_key",
        "definition",
        since=15,
    ),
    one("exclusion dropped", "ALTER TABLE app.users DROP CONSTRAINT no_overlap", "constraint", "app.users.no_overlap"),
    # Indexes
    one("index made", "CREATE INDEX extra ON app.users (late)", "index", "app.extra"),
    one("index dropped", "DROP INDEX app.users_moods", "index", "app.users_moods"),
    Change(
        "index renamed",
        "ALTER INDEX app.users_moods RENAME TO moods",
        (("index", "app.moods", ""), ("index", "app.users_moods", "")),
    ),
    *(
        one(
            f"index {what}",
            f"DROP INDEX app.users_moods; CREATE {unique} users_moods ON app.users {how}",
            "index",
            "app.users_moods",
            "definition",
        )
        for what, unique, how in (
            ("on another column", "INDEX", "(late)"),
            ("with another method", "INDEX", "(moods)"),
            ("unique", "UNIQUE INDEX", "(moods)"),
            ("with another order", "INDEX", "(moods DESC)"),
            ("with a predicate", "INDEX", "USING gin (moods) WHERE id > 5"),
            ("with a parameter", "INDEX", "USING gin (moods) WITH (fastupdate = off)"),
        )
    ),
    one(
        "index's class",
        "DROP INDEX app.users_name_id; CREATE UNIQUE INDEX users_name_id ON app.users (name"
        " text_pattern_ops);"
        " ALTER TABLE app.users CLUSTER ON users_name_id, REPLICA IDENTITY USING INDEX users_name_id",
        "index",
        "app.users_name_id",
        "definition",
    ),
    one(
        "index's collation",
        "DROP INDEX app.users_name_id; CREATE UNIQUE INDEX users_name_id ON app.users (name"
        ' COLLATE "POSIX"); ALTER TABLE app.users CLUSTER ON users_name_id, REPLICA IDENTITY USING INDEX users_name_id',
        "index",
        "app.users_name_id",
        "definition",
    ),
    one(
        "index with a column included",
        "DROP INDEX app.users_name_id; CREATE UNIQUE INDEX users_name_id ON app.users"
        " (name) INCLUDE (id);"
        " ALTER TABLE app.users CLUSTER ON users_name_id, REPLICA IDENTITY USING INDEX users_name_id",
        "index",
        "app.users_name_id",
        "definition",
    ),
    one(
        "unique index, nulls alike",
        "DROP INDEX app.users_name_id; CREATE UNIQUE INDEX users_name_id ON app.users"
        " (name) NULLS NOT DISTINCT;"
        "ALTER TABLE app.users CLUSTER ON users_name_id, REPLICA IDENTITY USING INDEX users_name_id",
        "index",
        "app.users_name_id",
        "definition",
        since=15,
    ),
    one(
        "index invalid",
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'app.users_moods'::regclass",
        "index",
        "app.users_moods",
        "valid",
    ),
    one("not clustered", "ALTER TABLE app.users SET WITHOUT CLUSTER", "index", "app.users_name_id", "clustered"),
    one(
        "index's statistics target",
        "ALTER INDEX app.users_lower ALTER COLUMN 1 SET STATISTICS 78",
        "index",
        "app.users_lower",
        "statistics targets",
    ),
    one(
        "index's parameter",
        "ALTER INDEX app.users_lower SET (fillfactor = 61)",
        "index",
        "app.users_lower",
        "definition",
    ),
    one("index's comment", "COMMENT ON INDEX app.users_lower IS NULL", "index", "app.users_lower", "comment"),
    one("partition's own index", "CREATE INDEX own ON app.events_2024 (amount)", "index", "app.own"),
    # Sequences
    one("sequence made", "CREATE SEQUENCE app.extra", "sequence", "app.extra"),
    one("sequence dropped", "DROP SEQUENCE app.counter", "sequence", "app.counter"),
    *(
        one(f"sequence's {property}", f"ALTER SEQUENCE app.counter {how}", "sequence", "app.counter", property)
        for property, how in (
            ("type", "AS integer"),
            ("start", "START 7"),
            ("increment", "INCREMENT 4"),
            ("minimum", "MINVALUE 2"),
            ("maximum", "MAXVALUE 400"),
            ("cache", "CACHE 8"),
            ("cycle", "NO CYCLE"),
            ("owned by", "OWNED BY app.cache.k"),
        )
    ),
    one(
        "sequence unlogged",
        "ALTER SEQUENCE app.counter SET UNLOGGED",
        "sequence",
        "app.counter",
        "persistence",
        since=15,
    ),
)
