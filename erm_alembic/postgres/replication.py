"""What a server says of its place in replication: its role, its position in the log, its timeline, its cluster.

Managed services lack some of these functions, and roles may lack the right to others. Each fact is therefore asked for
only where the server gives it, and is None elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import psycopg2
from psycopg2 import errors, sql

__all__ = [
    "POSITION_FACTS",
    "ServerSample",
    "available_facts",
    "is_refusal",
    "read_beat",
    "read_sample",
    "write_beat",
    "write_out",
]

# An expression for each fact, which holds on a primary and on a standby.
FACTS = {
    "in_recovery": "pg_catalog.pg_is_in_recovery()",
    "started": "extract(epoch FROM pg_catalog.pg_postmaster_start_time())::double precision",
    "database": "pg_catalog.current_database()::text",
    "system": "(SELECT system_identifier FROM pg_catalog.pg_control_system())",
    "written": """
        CASE WHEN NOT pg_catalog.pg_is_in_recovery()
             THEN (pg_catalog.pg_current_wal_insert_lsn() OPERATOR(pg_catalog.-) '0/0'::pg_catalog.pg_lsn)::bigint END
    """,
    "flushed": """
        CASE WHEN NOT pg_catalog.pg_is_in_recovery()
             THEN (pg_catalog.pg_current_wal_flush_lsn() OPERATOR(pg_catalog.-) '0/0'::pg_catalog.pg_lsn)::bigint END
    """,
    # The name of the segment that is written begins with its timeline.
    "segment_name": """
        CASE WHEN NOT pg_catalog.pg_is_in_recovery()
             THEN pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()) END
    """,
    "replayed": """
        CASE WHEN pg_catalog.pg_is_in_recovery()
             THEN (pg_catalog.pg_last_wal_replay_lsn() OPERATOR(pg_catalog.-) '0/0'::pg_catalog.pg_lsn)::bigint END
    """,
    # Three witnesses for the timeline that a standby follows. None of them speaks too early; each may be late: the
    # receiver may be gone or hidden from the role, the control file is written now and then.
    "received_timeline": "(SELECT max(received_tli) FROM pg_catalog.pg_stat_wal_receiver)",
    "checkpoint_timeline": "(SELECT timeline_id FROM pg_catalog.pg_control_checkpoint())",
    "recovery_timeline": "(SELECT min_recovery_end_timeline FROM pg_catalog.pg_control_recovery())",
    "page": "pg_catalog.current_setting('wal_block_size')::integer",
    "segment": "pg_catalog.pg_size_bytes(pg_catalog.current_setting('wal_segment_size'))",
}

# Those that make a position of a primary.
POSITION_FACTS = frozenset({"in_recovery", "database", "system", "written", "segment_name", "page", "segment"})

# What passes: a lost connection, a conflict with recovery, missing resources, an administrator, the machine. Anything
# else means that the server does not give this role the fact, in whatever words: services differ in them.
PASSING = ("08", "40", "53", "57", "58")

# Commits in this order are in the log in this order; waiting for a standby would hold up the monitor.
WRITE_BEAT = """
    WITH session AS (SELECT pg_catalog.set_config('synchronous_commit', 'local', true))
    INSERT INTO {table} AS beats (writer, beat, at)
    SELECT {writer}, {beat}, pg_catalog.now() FROM session
    ON CONFLICT (writer) DO UPDATE SET beat = excluded.beat, at = excluded.at
"""
CREATE_BEATS = """
    CREATE TABLE IF NOT EXISTS {table} (
        writer text PRIMARY KEY,
        beat bigint NOT NULL,
        at timestamp with time zone NOT NULL
    )
"""
READ_BEAT = "SELECT beat FROM {table} WHERE writer = {writer}"
# Rows of processes that ended.
FORGET_BEATS = "DELETE FROM {table} WHERE at < pg_catalog.now() - interval '1 day'"


@dataclass(frozen=True, slots=True)
class ServerSample:
    """What a server said of itself at one moment; None is unknown.

    Args:
        in_recovery: whether it is a standby.
        started: when it was started, in seconds of its own clock: what was seen of it holds until it is another one.
        system: the system identifier of its cluster.
        written: a primary's insert position, in bytes.
        flushed: how far a primary has written that to its disk, in bytes: standbys get no more.
        replayed: a standby's replay position, in bytes; None too where it has not replayed anything.
        timeline: the timeline that a primary writes, or that a standby is known to follow.
        page: the size of a page of its log, in bytes.
        segment: the size of a segment of its log, in bytes.
        database: the database that the connection leads to: a pooler may call it otherwise than the server.
    """

    in_recovery: bool
    started: float | None = None
    system: int | None = None
    written: int | None = None
    flushed: int | None = None
    replayed: int | None = None
    timeline: int | None = None
    page: int | None = None
    segment: int | None = None
    database: str | None = None


def available_facts(cursor: Any) -> tuple[str, ...]:
    """The facts that this server gives this role.

    Args:
        cursor: of a psycopg2 connection in autocommit mode: what is refused must not end a transaction.

    Raises:
        psycopg2.Error: the server refuses for another reason than that it does not have the fact.
    """
    if _can(cursor, FACTS):
        return tuple(FACTS)
    return tuple(name for name in FACTS if _can(cursor, [name]))


def read_sample(cursor: Any, facts: Iterable[str]) -> ServerSample:
    """Ask a server for its place in replication, in one round trip.

    Args:
        cursor: a psycopg2 cursor that gives tuples.
        facts: what `available_facts` found.

    Raises:
        psycopg2.Error: it did not answer, or does not give one of the facts any more (`is_refusal`).
    """
    names = tuple(facts)
    said = dict(zip(names, _asked(cursor, names), strict=True))
    in_recovery = bool(said["in_recovery"])
    return ServerSample(
        in_recovery=in_recovery,
        started=said.get("started"),
        system=said.get("system"),
        written=said.get("written"),
        flushed=said.get("flushed"),
        replayed=said.get("replayed"),
        timeline=_followed(said) if in_recovery else _written(said),
        page=said.get("page"),
        segment=said.get("segment"),
        database=said.get("database"),
    )


def is_refusal(error: psycopg2.Error) -> bool:
    """Whether a server does not give what it was asked for, rather than not being able to answer now.

    Args:
        error: what was raised.
    """
    return error.pgcode is not None and error.pgcode[:2] not in PASSING


def write_beat(cursor: Any, schema: str, table: str, writer: str, beat: int) -> None:
    """Write a process's next heartbeat on the primary; the table is made where there is none.

    Args:
        cursor: of a psycopg2 connection in autocommit mode.
        schema: the table's schema.
        table: the table's name.
        writer: the name of the process's row, which nobody else has.
        beat: a number above all that it has written before.

    Raises:
        psycopg2.Error: the role may not, or the server does not answer.
    """
    names = _named(schema, table, writer)
    beating = sql.SQL(WRITE_BEAT).format(**names, beat=sql.Literal(beat))
    try:
        cursor.execute(beating)
    except (errors.UndefinedTable, errors.InvalidSchemaName):
        creating = sql.SQL(CREATE_BEATS).format(**names)
        try:
            cursor.execute(creating)
        except errors.InvalidSchemaName:
            # Not before: IF NOT EXISTS wants the right to create schemas where there is one already too.
            cursor.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(schema)))
            cursor.execute(creating)
        cursor.execute(beating)
    if beat == 1:
        cursor.execute(sql.SQL(FORGET_BEATS).format(**names))


def read_beat(cursor: Any, schema: str, table: str, writer: str) -> int | None:
    """The last heartbeat of a process that a replica has; None where it has none yet.

    Args:
        cursor: of a psycopg2 connection in autocommit mode.
        schema: the table's schema.
        table: the table's name.
        writer: the name of the process's row.
    """
    try:
        cursor.execute(sql.SQL(READ_BEAT).format(**_named(schema, table, writer)))
    except (errors.UndefinedTable, errors.InvalidSchemaName):
        return None
    row = cursor.fetchone()
    return None if row is None else int(row[0])


def write_out(cursor: Any) -> None:
    """Let a primary write the end of its log out that no commit did: hints and the like, which nobody waits for.

    A transaction number is taken, no more: its end, in the log, is written out soon, and everything before it.

    Args:
        cursor: of a psycopg2 connection in autocommit mode.

    Raises:
        psycopg2.Error: the role may not, or the server does not answer.
    """
    cursor.execute("SELECT pg_catalog.pg_current_xact_id()")


def _named(schema: str, table: str, writer: str) -> dict[str, sql.Composable]:
    return {"table": sql.Identifier(schema, table), "writer": sql.Literal(writer)}


def _can(cursor: Any, names: Iterable[str]) -> bool:
    try:
        _asked(cursor, names)
    except psycopg2.Error as error:
        if not is_refusal(error):
            raise
        return False
    return True


def _asked(cursor: Any, names: Iterable[str]) -> tuple[Any, ...]:
    cursor.execute("SELECT " + ", ".join(FACTS[name] for name in names))
    return tuple(cursor.fetchone())


def _written(said: dict[str, Any]) -> int | None:
    name = said.get("segment_name")
    return None if name is None else int(name[:8], 16)


def _followed(said: dict[str, Any]) -> int | None:
    """The latest timeline that any witness names: each only ever names one that the standby's own history holds."""
    witnesses = (said.get(name) for name in ("received_timeline", "checkpoint_timeline", "recovery_timeline"))
    return max((int(timeline) for timeline in witnesses if timeline), default=None)
