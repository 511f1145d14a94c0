"""Changes by hand of what few people know of: rights and owners in corners, labels, and what later majors brought."""

from __future__ import annotations

from tests.snapshot.change import Change, one

__all__ = ["CORNERS"]

CORNERS = (
    # Rights and owners
    one(
        "composite type's grant",
        "REVOKE USAGE ON TYPE app.pair FROM PUBLIC",
        "grant",
        "composite type app.pair to PUBLIC",
    ),
    one(
        "grant on a language of PostgreSQL's own",
        "REVOKE USAGE ON LANGUAGE plpgsql FROM PUBLIC",
        "grant",
        "language plpgsql to PUBLIC",
    ),
    one(
        "right to maintain",
        "GRANT MAINTAIN ON app.cache TO snapshot_reader",
        "grant",
        "table app.cache to snapshot_reader",
        since=17,
    ),
    one(
        "default privileges on large objects",
        "ALTER DEFAULT PRIVILEGES GRANT SELECT ON LARGE OBJECTS TO snapshot_reader",
        "default-privileges",
        "of {superuser} on large objects to snapshot_reader",
        since=18,
    ),
    one(
        "operator class's owner",
        "ALTER OPERATOR CLASS app.cls USING btree OWNER TO snapshot_owner",
        "owner",
        "operator class app.cls using btree",
        "owner",
    ),
    # Labels and extensions
    *(
        one(
            f"label of a {what}",
            f"INSERT INTO pg_seclabel VALUES ('{name}'::{kind}, '{catalog}'::regclass, 0, 'dummy', 'secret')",
            "security-label",
            f"{what} {name} for dummy",
        )
        for what, name, kind, catalog in (
            ("table", "app.users", "regclass", "pg_class"),
            ("view", "app.active", "regclass", "pg_class"),
            ("function", "app.add(integer,integer)", "regprocedure", "pg_proc"),
            ("domain", "app.email", "regtype", "pg_type"),
            ("composite type", "app.pair", "regtype", "pg_type"),
            ("schema", "app", "regnamespace", "pg_namespace"),
        )
    ),
    one(
        "label of a column",
        "INSERT INTO pg_seclabel SELECT attrelid, 'pg_class'::regclass, attnum, 'dummy', 'secret' FROM pg_attribute"
        " WHERE attrelid = 'app.users'::regclass AND attname = 'late'",
        "security-label",
        "column app.users.late for dummy",
    ),
    *(
        one(
            f"dependency of a {kind}",
            f"ALTER {kind.upper()} {altered} DEPENDS ON EXTENSION plpgsql",
            "extension-dependency",
            f"{kind} {name} on plpgsql",
        )
        for kind, altered, name in (
            ("function", "app.add(integer, integer)", "app.add(integer,integer)"),
            ("index", "app.users_moods", "app.users_moods"),
            ("materialized view", "app.summary", "app.summary"),
            ("trigger", "touch ON app.users", "app.users.touch"),
        )
    ),
    # Types
    one("shell type", "CREATE TYPE app.announced", "base-type", "app.announced"),
    one("table of a type no more", "ALTER TABLE app.typed NOT OF", "table", "app.typed", "row type"),
    one(
        "comment of a domain's not-null constraint",
        "COMMENT ON CONSTRAINT email_not_null ON DOMAIN app.email IS 'x'",
        "domain",
        "app.email",
        "comment of not null",
        since=17,
    ),
    # Parts of tables and views
    one(
        "operator class's parameter",
        "DROP INDEX app.documents_words; CREATE INDEX documents_words ON app.documents"
        " USING gist (words tsvector_ops (siglen = 100))",
        "index",
        "app.documents_words",
        "definition",
    ),
    one(
        "materialised view's replica identity",
        "ALTER MATERIALIZED VIEW app.texts REPLICA IDENTITY FULL",
        "materialized-view",
        "app.texts",
        "replica identity",
    ),
    one(
        "materialised view's toast options",
        "ALTER MATERIALIZED VIEW app.texts SET (toast.autovacuum_enabled = off)",
        "materialized-view",
        "app.texts",
        "toast options",
    ),
    one(
        "view with its caller's rights",
        "ALTER VIEW app.active SET (security_invoker)",
        "view",
        "app.active",
        "options",
        since=15,
    ),
    # What PostgreSQL 18 brought
    one(
        "comment of a not-null constraint",
        "COMMENT ON CONSTRAINT stays_room_not_null ON app.stays IS NULL",
        "column",
        "app.stays.room",
        "comment of not null",
        since=18,
    ),
    one(
        "virtual column stored",
        "ALTER TABLE app.stays DROP cost, ADD cost integer GENERATED ALWAYS AS (nights * 3) STORED",
        "column",
        "app.stays.cost",
        "generated",
        since=18,
    ),
    one(
        "check enforced",
        "ALTER TABLE app.stays DROP CONSTRAINT any_night, ADD CONSTRAINT any_night CHECK (nights > 0)",
        "constraint",
        "app.stays.any_night",
        "definition",
        since=18,
    ),
    one(
        "temporal foreign key dropped",
        "ALTER TABLE app.guests DROP CONSTRAINT in_time",
        "constraint",
        "app.guests.in_time",
        since=18,
    ),
    Change(
        "key with overlaps",
        "ALTER TABLE app.guests DROP CONSTRAINT in_time; ALTER TABLE app.stays DROP CONSTRAINT stays_key,"
        " ADD CONSTRAINT stays_key PRIMARY KEY (room, during)",
        (("constraint", "app.guests.in_time", ""), ("constraint", "app.stays.stays_key", "definition")),
        since=18,
        alone=True,
    ),
)
