"""Which approved plan a run carried out, and what the schema was after each of its steps: where a later run goes on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from psycopg2 import sql

from erm_alembic.ledger.encoding import beside_placeholders
from erm_alembic.postgres.catalog import tables_of

__all__ = ["APPROVAL", "ApprovedRun", "Checkpoint", "insert_checkpoint", "read_approved_runs", "read_checkpoints"]

# The row that a run begins with has no revision; one follows for each step that ended, and for each commit within one.
APPROVAL = """
    CREATE TABLE IF NOT EXISTS {schema}.approval (
        id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        run_id       bigint NOT NULL REFERENCES {schema}.run (id),
        digest       text NOT NULL,
        signed_by    text,
        revision     text,
        finished     boolean NOT NULL DEFAULT false,
        catalog      text,
        without      text[] NOT NULL DEFAULT '{{}}',
        at           timestamptz NOT NULL DEFAULT clock_timestamp()
    );
    CREATE INDEX IF NOT EXISTS approval_digest ON {schema}.approval (digest, id)"""


@dataclass(frozen=True)
class Checkpoint:
    """What the schema was when something of an approved plan was committed.

    Args:
        run_id: the run.
        digest: the plan's digest.
        revision: the revision; None for the beginning of the run.
        finished: whether it was its end, or a commit within it.
        catalog: the fingerprint of the schema; None where it is not needed, or could not be read.
        without: the tables that it leaves out, because a statement on them is under way.
        signed_by: the short name of the key that signed the plan, where one was asked for.
    """

    run_id: int
    digest: str
    revision: str | None = None
    finished: bool = False
    catalog: str | None = None
    without: tuple[str, ...] = ()
    signed_by: str | None = None

    def values(self) -> list[Any]:
        """The parameters of `insert_checkpoint`."""
        return [
            *(self.run_id, self.digest, self.signed_by, self.revision),
            *(self.finished, self.catalog, list(self.without)),
        ]


@dataclass(frozen=True)
class ApprovedRun:
    """The plan that a run carried out.

    Args:
        digest: its digest.
        signed_by: the short name of the key that signed it, where one was asked for.
    """

    digest: str
    signed_by: str | None = None


def insert_checkpoint(connection: Any, schema: str) -> sql.Composed:
    """The statement that writes one row.

    Args:
        connection: the psycopg2 connection that sends it.
        schema: the ledger's schema.
    """
    return sql.SQL(
        "INSERT INTO {schema}.approval (run_id, digest, signed_by, revision, finished, catalog, without)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s::text[])"
    ).format(schema=beside_placeholders(sql.Identifier(schema), connection))


def read_checkpoints(connection: Any, schema: str, digest: str) -> tuple[Checkpoint, ...]:
    """What the runs of a plan have left, oldest first; nothing in a database that has no such table.

    Args:
        connection: a psycopg2 connection.
        schema: the ledger's schema.
        digest: the plan's digest.
    """
    with connection.cursor() as cursor:
        if not tables_of(cursor, schema, ("approval",)):
            return ()
        cursor.execute(
            sql.SQL(
                "SELECT run_id, digest, revision, finished, catalog, without FROM {schema}.approval"
                " WHERE digest = %s AND revision IS NOT NULL ORDER BY id"
            ).format(schema=beside_placeholders(sql.Identifier(schema), connection)),
            [digest],
        )
        return tuple(
            Checkpoint(run_id, digest, revision, finished, catalog, tuple(without))
            for run_id, digest, revision, finished, catalog, without in cursor.fetchall()
        )


def read_approved_runs(cursor: Any, schema: sql.Composable, run_ids: Iterable[int]) -> dict[int, ApprovedRun]:
    """The plans that runs carried out, by the run's number; one that had no approved plan is missing.

    Args:
        cursor: a psycopg2 cursor of a database that has the table.
        schema: the ledger's schema, quoted for a statement with placeholders.
        run_ids: the runs.
    """
    cursor.execute(
        sql.SQL(
            "SELECT run_id, digest, signed_by FROM {schema}.approval WHERE revision IS NULL AND run_id = ANY(%s)"
        ).format(schema=schema),
        [list(run_ids)],
    )
    return {row[0]: ApprovedRun(row[1], row[2]) for row in cursor.fetchall()}
