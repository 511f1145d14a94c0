"""Runs of smoke tests: one row a run, written when it has ended; they change nothing, and hold no deploy lock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from datetime import datetime
from typing import Any

from psycopg2 import sql

from erm_alembic.ledger.encoding import beside_placeholders, fitted
from erm_alembic.postgres.catalog import tables_of

__all__ = ["SMOKE", "SmokeRecord", "SmokeRun", "insert_smoke", "read_smoke_runs"]

SMOKE = """
    CREATE TABLE IF NOT EXISTS {schema}.smoke (
        id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        started_at   timestamptz NOT NULL,
        finished_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
        environment  text NOT NULL,
        replica      text,
        who          text NOT NULL,
        host         text NOT NULL,
        erm_version  text NOT NULL,
        git_commit   text,
        outcome      text NOT NULL,
        passed       integer NOT NULL,
        failed       integer NOT NULL,
        skipped      integer NOT NULL,
        escapes      integer NOT NULL
    )"""

INSERT = """
    INSERT INTO {table} (started_at, environment, replica, who, host, erm_version, git_commit, outcome, passed, failed,
                         skipped, escapes)
    VALUES (clock_timestamp() - %s * interval '1 s', %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""

SELECT = """
    SELECT {columns} FROM {table} WHERE started_at >= coalesce(%s, '-infinity'::timestamptz) ORDER BY id DESC LIMIT %s
"""


@dataclass(frozen=True)
class SmokeRecord:
    """How a run of smoke tests ended.

    Args:
        seconds: how long it took.
        environment: the profile.
        replica: the replica that it ran on; None for the primary.
        who: the operating system's user and the database role.
        host: the machine that erm ran on.
        erm_version: the version of erm.
        git_commit: the commit of the project, where it is a git work tree.
        outcome: `passed`, `failed`, `nothing-ran`, `timed-out` or `interrupted`.
        passed: how many tests did.
        failed: how many did not, errors included.
        skipped: how many were left out.
        escapes: how often something was refused that would have outlived its transaction.
    """

    seconds: float
    environment: str
    replica: str | None
    who: str
    host: str
    erm_version: str
    git_commit: str | None
    outcome: str
    passed: int
    failed: int
    skipped: int
    escapes: int


def insert_smoke(connection: Any, table: sql.Composable, record: SmokeRecord) -> None:
    """Write one run.

    Args:
        connection: the ledger's.
        table: the table, quoted for a statement with placeholders.
        record: the run.
    """
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL(INSERT).format(table=table), fitted(astuple(record), connection))


@dataclass(frozen=True)
class SmokeRun:
    """One run of smoke tests, as the ledger has it.

    Args:
        id: its number among the runs of smoke tests.
        started_at: when it started, with time zone.
        finished_at: when it ended.
        environment: the profile.
        replica: the replica that it ran on; None for the primary.
        who: the operating system's user and the database role.
        host: the machine that erm ran on.
        erm_version: the version of erm.
        git_commit: the commit of the project, where it is a git work tree.
        outcome: `passed`, `failed`, `nothing-ran`, `timed-out` or `interrupted`.
        passed: how many tests did.
        failed: how many did not, errors included.
        skipped: how many were left out.
        escapes: how often something was refused that would have outlived its transaction.
    """

    id: int
    started_at: datetime
    finished_at: datetime
    environment: str
    replica: str | None
    who: str
    host: str
    erm_version: str
    git_commit: str | None
    outcome: str
    passed: int
    failed: int
    skipped: int
    escapes: int


COLUMNS: Sequence[str] = tuple(field.name for field in fields(SmokeRun))


def read_smoke_runs(connection: Any, schema: str, limit: int | None, since: datetime | None) -> tuple[SmokeRun, ...]:
    """The runs of smoke tests, latest first; none where an older erm has made the ledger.

    Args:
        connection: the ledger's.
        schema: the ledger's schema.
        limit: how many; None means all.
        since: those that started then or later; None means all.
    """
    columns = sql.SQL(", ").join(map(sql.Identifier, COLUMNS))
    with connection.cursor() as cursor:
        if not tables_of(cursor, schema, ("smoke",)):
            return ()
        table = beside_placeholders(sql.Identifier(schema, "smoke"), connection)
        cursor.execute(sql.SQL(SELECT).format(columns=columns, table=table), [since, limit])
        return tuple(SmokeRun(*row) for row in cursor.fetchall())
