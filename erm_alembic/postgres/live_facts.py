"""What the live database says of the relations that a plan locks: sizes, rows, writes; who is connected for long."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from psycopg2 import errors

__all__ = ["LiveFacts", "Replica", "TableFacts", "read_live_facts"]

# A table that somebody has locked is not measured but remembered: as large as when it was last vacuumed or analysed.
MEASURED = """
    coalesce(pg_catalog.pg_table_size(c.oid), 0)::int8, coalesce(pg_catalog.pg_indexes_size(c.oid), 0)::int8
"""
REMEMBERED = """
    ((c.relpages + coalesce(t.relpages, 0)) * pg_catalog.current_setting('block_size')::int8)::int8,
    (SELECT coalesce(sum(x.relpages), 0) FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
      WHERE i.indrelid = c.oid)::int8 * pg_catalog.current_setting('block_size')::int8
"""
# Until PostgreSQL 13, a table that was never analysed has 0 rows, and 0 pages.
TABLES = """
    SELECT asked.name, {sizes},
           CASE WHEN c.reltuples > 0 OR (c.reltuples = 0 AND c.relpages > 0) THEN c.reltuples::float8
                ELSE s.n_live_tup::float8 END,
           (s.n_tup_ins + s.n_tup_upd + s.n_tup_del)::float8 / greatest(1, extract(epoch FROM
               pg_catalog.clock_timestamp() - coalesce(d.stats_reset, pg_catalog.pg_postmaster_start_time())))::float8
      FROM unnest(%(names)s::text[]) asked (name)
      JOIN pg_catalog.pg_class c ON c.oid = pg_catalog.to_regclass(asked.name) AND c.relkind IN ('r', 'p', 'm')
      LEFT JOIN pg_catalog.pg_class t ON t.oid = c.reltoastrelid
      LEFT JOIN pg_catalog.pg_stat_all_tables s ON s.relid = c.oid
      LEFT JOIN pg_catalog.pg_stat_database d ON d.datname = pg_catalog.current_database()
"""
# Of other roles' sessions, a role without pg_read_all_stats sees nothing but that they are there.
SESSIONS = """
    SELECT coalesce(max(extract(epoch FROM pg_catalog.clock_timestamp() - since)), 0)::float8
      FROM (SELECT xact_start AS since FROM pg_catalog.pg_stat_activity
             WHERE datname = pg_catalog.current_database() AND pid <> pg_catalog.pg_backend_pid()
               AND backend_type = 'client backend'
             UNION ALL
            SELECT prepared FROM pg_catalog.pg_prepared_xacts WHERE database = pg_catalog.current_database()) open
"""
REPLICAS = """
    SELECT application_name, extract(epoch FROM replay_lag)::float8
      FROM pg_catalog.pg_stat_replication
     WHERE state IS NULL OR state IN ('streaming', 'catchup')
     ORDER BY application_name, pid
"""


@dataclass(frozen=True)
class TableFacts:
    """How large and how busy a table is.

    Args:
        table_bytes: the size of its rows, the long values included.
        index_bytes: the size of its indexes.
        rows: about how many rows; None when the server has never counted them.
        writes_per_second: rows that are inserted, changed and deleted a second, since the statistics were last reset.
    """

    table_bytes: int = 0
    index_bytes: int = 0
    rows: float | None = None
    writes_per_second: float | None = None


@dataclass(frozen=True)
class Replica:
    """A standby that streams from the server.

    Args:
        name: what it calls itself.
        lag_seconds: how far it is behind; None when it has nothing to replay, or this may not be seen.
    """

    name: str
    lag_seconds: float | None = None


@dataclass(frozen=True)
class LiveFacts:
    """What estimates are reckoned with.

    Args:
        tables: facts of the tables that there are, by the names that were asked for.
        longest_transaction_seconds: how long the oldest transaction of other sessions of the database runs.
        replicas: the standbys.
    """

    tables: Mapping[str, TableFacts] = field(default_factory=dict)
    longest_transaction_seconds: float = 0.0
    replicas: tuple[Replica, ...] = ()


def read_live_facts(connection: Any, names: Collection[str]) -> LiveFacts:
    """Ask the live database, in three queries whatever the number of tables.

    Args:
        connection: a read-only connection with a short lock_timeout, in no transaction; it is rolled back.
        names: tables and materialised views with their schemas, quoted where they must be.
    """
    tables: dict[str, TableFacts] = {}
    for sizes in (MEASURED, REMEMBERED):
        try:
            tables = _tables(connection, sizes, names)
            break
        except errors.LockNotAvailable:
            connection.rollback()
    with connection.cursor() as cursor:
        cursor.execute(SESSIONS)
        (longest,) = cursor.fetchone()
        cursor.execute(REPLICAS)
        replicas = tuple(Replica(name, lag) for name, lag in cursor.fetchall())
    connection.rollback()
    return LiveFacts(tables, longest, replicas)


def _tables(connection: Any, sizes: str, names: Collection[str]) -> dict[str, TableFacts]:
    with connection.cursor() as cursor:
        # A moment is long enough: behind a waiter for a lock nobody must wait.
        cursor.execute("SET LOCAL lock_timeout = '200ms'")
        cursor.execute(TABLES.format(sizes=sizes), {"names": sorted(names)})
        return {name: TableFacts(*facts) for name, *facts in cursor.fetchall()}
