"""The ledger's tables: what they are, and how they come to be in a database that has none or only the older ones."""

from __future__ import annotations

from typing import Any

from psycopg2 import errors as pg
from psycopg2 import sql

from erm_alembic.ledger.approved_runs import APPROVAL
from erm_alembic.ledger.backups import BACKUP, GUARD
from erm_alembic.ledger.hooks import HOOK
from erm_alembic.ledger.refusals import may_not_create
from erm_alembic.ledger.releases import RELEASE, RELEASE_STAGE
from erm_alembic.ledger.smoke import SMOKE
from erm_alembic.postgres.catalog import has_schema, tables_of

__all__ = ["TABLES", "create_tables", "present_tables"]

MARK = "The ledger of erm: what was deployed to this database. Not part of the application's schema."

RUN = """
    CREATE TABLE IF NOT EXISTS {schema}.run (
        id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        started_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
        finished_at  timestamptz,
        mode         text NOT NULL,
        environment  text NOT NULL,
        who          text NOT NULL,
        host         text NOT NULL,
        backend_pid  integer NOT NULL,
        erm_version  text NOT NULL,
        git_commit   text,
        overrides    text[] NOT NULL DEFAULT '{{}}',
        outcome      text,
        error        text
    )"""

REVISION = """
    CREATE TABLE IF NOT EXISTS {schema}.revision (
        id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        run_id       bigint NOT NULL REFERENCES {schema}.run (id),
        revision     text NOT NULL,
        message      text NOT NULL,
        direction    text NOT NULL CHECK (direction IN ('upgrade', 'downgrade')),
        started_at   timestamptz NOT NULL,
        duration_ms  bigint NOT NULL,
        statements   integer NOT NULL,
        path         text NOT NULL,
        source       text NOT NULL,
        source_hash  text NOT NULL,
        outcome      text NOT NULL,
        error        text
    );
    CREATE INDEX IF NOT EXISTS revision_latest ON {schema}.revision (revision, id)"""

PROGRESS = """
    CREATE TABLE IF NOT EXISTS {schema}.progress (
        id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        run_id          bigint NOT NULL REFERENCES {schema}.run (id),
        revision        text NOT NULL,
        direction       text NOT NULL CHECK (direction IN ('upgrade', 'downgrade')),
        scope           text NOT NULL,
        path            text NOT NULL,
        source          text,
        source_hash     text NOT NULL,
        place           integer[] NOT NULL,
        line            integer,
        sql             text NOT NULL,
        tag             text NOT NULL,
        rowcount        bigint NOT NULL,
        columns         integer NOT NULL DEFAULT 0,
        state           text NOT NULL CHECK (state IN ('started', 'done')),
        salt            text NOT NULL,
        digest          text NOT NULL,
        shape           text NOT NULL,
        reads           text NOT NULL,
        relations       oid[] NOT NULL DEFAULT '{{}}',
        indexes_before  oid[] NOT NULL DEFAULT '{{}}',
        index_name      text,
        temporary       boolean NOT NULL,
        session         integer NOT NULL DEFAULT pg_catalog.pg_backend_pid(),
        at              timestamptz NOT NULL DEFAULT clock_timestamp()
    )"""

# A row for each time that the models of a project map something else than before.
MAPPING = """
    CREATE TABLE IF NOT EXISTS {schema}.mapping (
        id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        at           timestamptz NOT NULL DEFAULT clock_timestamp(),
        digest       text NOT NULL,
        tables       text NOT NULL
    )"""

# How long a revision was to take, as the plan said that a run carried out.
PREDICTION = """
    CREATE TABLE IF NOT EXISTS {schema}.prediction (
        id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        run_id       bigint NOT NULL REFERENCES {schema}.run (id),
        revision     text NOT NULL,
        low_ms       double precision NOT NULL,
        high_ms      double precision
    )"""

# One entry a table, in the order in which they refer to each other.
TABLES = {
    "run": RUN,
    "revision": REVISION,
    "progress": PROGRESS,
    "hook": HOOK,
    "approval": APPROVAL,
    "mapping": MAPPING,
    "prediction": PREDICTION,
    "smoke": SMOKE,
    "backup": BACKUP,
    "guard": GUARD,
    "release": RELEASE,
    "release_stage": RELEASE_STAGE,
}


def present_tables(connection: Any, schema: str) -> frozenset[str]:
    """Which of the ledger's tables a database has.

    Args:
        connection: a psycopg2 connection.
        schema: the ledger's schema.
    """
    with connection.cursor() as cursor:
        return tables_of(cursor, schema, TABLES)


def create_tables(connection: Any, schema: str) -> None:
    """Create the schema and the tables that are missing, all of them or none.

    Args:
        connection: a psycopg2 connection in autocommit mode.
        schema: the ledger's schema.

    Raises:
        TargetError: the role may not create them, with the grant that lets it.
    """
    identifier = sql.Identifier(schema)
    present = present_tables(connection, schema)
    missing = [table for table in TABLES if table not in present]
    if not missing:
        return
    try:
        with connection.cursor() as cursor:
            cursor.execute("BEGIN")
            if not has_schema(cursor, schema):
                cursor.execute(sql.SQL("CREATE SCHEMA {}").format(identifier))
                cursor.execute(sql.SQL("COMMENT ON SCHEMA {} IS {}").format(identifier, sql.Literal(MARK)))
            for table in missing:
                cursor.execute(sql.SQL(TABLES[table]).format(schema=identifier))
            cursor.execute("COMMIT")
    except pg.InsufficientPrivilege as error:
        raise may_not_create(connection, schema, error) from error
