"""Backups: one row for each that is whole, and one for each run that was guarded by one.

A backup that did not come to its end has no row, and nothing counts it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from psycopg2 import sql

from erm_alembic.ledger.encoding import fitted

__all__ = [
    "BACKUP",
    "GUARD",
    "Backup",
    "LostObject",
    "RunGuard",
    "insert_backup",
    "insert_guard",
    "mark_at_risk",
    "mark_removed",
    "mark_verified",
    "read_backups",
    "read_guards",
]

BACKUP = """
    CREATE TABLE IF NOT EXISTS {schema}.backup (
        id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        backup       text NOT NULL UNIQUE,
        run_id       bigint REFERENCES {schema}.run (id),
        method       text NOT NULL,
        environment  text NOT NULL,
        database     text NOT NULL,
        system       text,
        place        text NOT NULL,
        started_at   timestamptz NOT NULL,
        finished_at  timestamptz NOT NULL,
        bytes        bigint,
        checksum     text,
        tables       text[],
        heads        text[] NOT NULL DEFAULT '{{}}',
        at_risk      text NOT NULL DEFAULT '[]',
        verified     text NOT NULL,
        who          text NOT NULL,
        host         text NOT NULL,
        erm_version  text NOT NULL,
        removed_at   timestamptz
    )"""

# Which backup stood behind a run: taken for it, or found to be fresh enough.
GUARD = """
    CREATE TABLE IF NOT EXISTS {schema}.guard (
        run_id  bigint NOT NULL REFERENCES {schema}.run (id),
        backup  text NOT NULL,
        taken   boolean NOT NULL,
        PRIMARY KEY (run_id, backup)
    )"""

COLUMNS = (
    "backup, method, environment, database, system, place, started_at, finished_at, bytes, checksum, tables, heads,"
    " at_risk, verified, who, host, erm_version, run_id, removed_at"
)
FIELDS = (
    *("id", "method", "environment", "database", "system", "place", "started", "ended", "bytes", "checksum"),
    *("tables", "heads", "at_risk", "verified", "who", "host", "erm_version", "run_id", "removed"),
)


@dataclass(frozen=True)
class LostObject:
    """What a run was to lose, as far as its plan could tell.

    Args:
        kind: `table`, `column`, `rows`, `rewrite` (a column of another type, or a table that is written anew), `update`
            (values that are overwritten), `statement` (what cannot be read), or `proven` (what a proof saw).
        object: how to show it: a name as the statement has it, or the statement's first words.
        table: the table on the database, with its schema, quoted where it must be; None where it is not known.
        column: the column, quoted where it must be; None where it is the whole table.
        revision: the revision that does it.
        line: the line in its file.
    """

    kind: str
    object: str
    table: str | None = None
    column: str | None = None
    revision: str | None = None
    line: int | None = None


@dataclass(frozen=True)
class Backup:
    """One backup that is whole.

    Args:
        id: its name, which begins with its time in UTC.
        method: `pg_dump`, `pg_basebackup` or `command`.
        environment: the profile that it was taken for.
        database: the name of the database.
        system: the number of the cluster; None where the role may not read it.
        place: where it is: a folder, or what the command of the team's own called it.
        started: when it was begun, with time zone: nothing that came later is in it.
        ended: when it was whole and had been looked at.
        bytes: its size; None where that is not known.
        checksum: SHA-256 over its files; None where it is not a file of erm's.
        tables: the tables that it holds, with their schema and quoted where they must be; None for all.
        heads: the revisions that the database recorded.
        at_risk: what the runs that it guards were to lose.
        verified: how it was looked at: `listed`, `restored`, or `command` where its own command vouches for it;
            `damaged` where it was found not to be what it was.
        who: the operating system's user and the database role.
        host: the machine that erm ran on.
        erm_version: the version of erm.
        run_id: the run that it was taken for; None where it was asked for by hand.
        removed: when erm removed it, because newer ones were to be kept; None while it is there.
    """

    id: str
    method: str
    environment: str
    database: str
    system: str | None
    place: str
    started: datetime
    ended: datetime
    bytes: int | None
    checksum: str | None
    tables: tuple[str, ...] | None = None
    heads: tuple[str, ...] = ()
    at_risk: tuple[LostObject, ...] = ()
    verified: str = "listed"
    who: str = ""
    host: str = ""
    erm_version: str = ""
    run_id: int | None = None
    removed: datetime | None = None


@dataclass(frozen=True)
class RunGuard:
    """The backup that stood behind a run.

    Args:
        id: the backup.
        method: what took it.
        place: where it is.
        taken: whether it was taken for this run; False where one was found that was fresh enough.
        bytes: its size; None where that is not known.
        started: when it was begun.
    """

    id: str
    method: str
    place: str
    taken: bool
    bytes: int | None = None
    started: datetime | None = field(default=None)


def insert_backup(connection: Any, table: sql.Composable, backup: Backup) -> None:
    """Write that a backup is whole.

    Args:
        connection: the ledger's.
        table: the table, quoted for a statement with placeholders.
        backup: the backup.
    """
    values = [
        *(backup.id, backup.method, backup.environment, backup.database, backup.system, backup.place),
        *(backup.started, backup.ended, backup.bytes, backup.checksum),
        *(None if backup.tables is None else list(backup.tables), list(backup.heads)),
        _as_text(backup.at_risk),
        *(backup.verified, backup.who, backup.host, backup.erm_version, backup.run_id, backup.removed),
    ]
    marks = sql.SQL(", ").join([sql.Placeholder()] * len(values))
    with connection.cursor() as cursor:
        cursor.execute(
            sql.SQL("INSERT INTO {table} ({columns}) VALUES ({marks}) ON CONFLICT (backup) DO NOTHING").format(
                table=table, columns=sql.SQL(COLUMNS), marks=marks
            ),
            fitted(values, connection),
        )


def insert_guard(connection: Any, table: sql.Composable, run_id: int, backup: str, *, taken: bool) -> None:
    """Write which backup stands behind a run.

    Args:
        connection: the ledger's.
        table: the table, quoted for a statement with placeholders.
        run_id: the run.
        backup: the backup's id.
        taken: whether it was taken for this run.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            sql.SQL("INSERT INTO {} (run_id, backup, taken) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING").format(table),
            [run_id, backup, taken],
        )


def read_backups(connection: Any, table: sql.Composable) -> tuple[Backup, ...]:
    """The backups that a ledger knows, the newest first.

    Args:
        connection: the ledger's.
        table: the table, quoted for a statement with placeholders.
    """
    with connection.cursor() as cursor:
        # With parameters, though there are none: in the table's name two percent signs stand for one.
        order = "SELECT {} FROM {} ORDER BY started_at DESC, id DESC"
        cursor.execute(sql.SQL(order).format(sql.SQL(COLUMNS), table), [])
        return tuple(_backup(row) for row in cursor.fetchall())


def read_guards(
    connection: Any, guard: sql.Composable, backup: sql.Composable, run_ids: Sequence[int]
) -> dict[int, tuple[RunGuard, ...]]:
    """The backups that stood behind some runs, by run.

    Args:
        connection: the ledger's.
        guard: the table of guards, quoted for a statement with placeholders.
        backup: the table of backups, likewise.
        run_ids: the runs.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            sql.SQL(
                "SELECT g.run_id, g.backup, b.method, b.place, g.taken, b.bytes, b.started_at FROM {} g"
                " JOIN {} b ON b.backup = g.backup WHERE g.run_id = ANY(%s) ORDER BY b.started_at"
            ).format(guard, backup),
            [list(run_ids)],
        )
        found: dict[int, tuple[RunGuard, ...]] = {}
        for run_id, *values in cursor.fetchall():
            found[run_id] = (*found.get(run_id, ()), RunGuard(*values))
        return found


def mark_removed(connection: Any, table: sql.Composable, backup: str) -> None:
    """Write that a backup is not there any more.

    Args:
        connection: the ledger's.
        table: the table, quoted for a statement with placeholders.
        backup: the backup's id.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            sql.SQL("UPDATE {} SET removed_at = clock_timestamp() WHERE backup = %s").format(table), [backup]
        )


def mark_verified(connection: Any, table: sql.Composable, backup: str, verified: str) -> None:
    """Write that a backup was looked at more closely.

    Args:
        connection: the ledger's.
        table: the table, quoted for a statement with placeholders.
        backup: the backup's id.
        verified: how.
    """
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL("UPDATE {} SET verified = %s WHERE backup = %s").format(table), [verified, backup])


def mark_at_risk(connection: Any, table: sql.Composable, backup: str, at_risk: Sequence[LostObject]) -> None:
    """Write what the runs that a backup guards were to lose: of one that was taken before, a run tells it later.

    Args:
        connection: the ledger's.
        table: the table, quoted for a statement with placeholders.
        backup: the backup's id.
        at_risk: all of it.
    """
    with connection.cursor() as cursor:
        values = fitted([_as_text(at_risk), backup], connection)
        cursor.execute(sql.SQL("UPDATE {} SET at_risk = %s WHERE backup = %s").format(table), values)


def _as_text(at_risk: Sequence[LostObject]) -> str:
    return json.dumps([asdict(each) for each in at_risk])


def _backup(row: Sequence[Any]) -> Backup:
    told = dict(zip(FIELDS, row, strict=True))
    told["tables"] = None if told["tables"] is None else tuple(told["tables"])
    told["heads"] = tuple(told["heads"])
    told["at_risk"] = tuple(LostObject(**each) for each in json.loads(told["at_risk"]))
    return Backup(**told)
