"""What a server says of itself and of those that follow it, for people: senders, slots, conflicts, settings, rights.

Routing needs none of this (`replication` has what it needs). Roles may see less than all of it, and managed services
lack some of the functions: what is refused is named, and everything else is there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeVar

import psycopg2

from erm_alembic.postgres.replication import is_refusal

__all__ = [
    "Receiver",
    "Sender",
    "ServerFacts",
    "Slot",
    "is_same_start",
    "quoted",
    "read_senders",
    "read_server_facts",
    "read_slots",
]

Fact = TypeVar("Fact")

IDENTITY = """
    SELECT pg_catalog.current_setting('server_version'), pg_catalog.current_setting('server_version_num')::integer,
           pg_catalog.current_database(), current_user, pg_catalog.pg_is_in_recovery(), pg_catalog.pg_backend_pid(),
           extract(epoch FROM pg_catalog.clock_timestamp())::double precision,
           (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user),
           pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE'),
           extract(epoch FROM pg_catalog.pg_postmaster_start_time())::double precision,
           pg_catalog.current_setting('is_superuser') = 'on',
           (SELECT rolconnlimit FROM pg_catalog.pg_roles WHERE rolname = current_user),
           (SELECT datconnlimit FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
"""
# Of other roles' processes a role without pg_read_all_stats sees that they are there, and nothing of how they do.
SENDERS = """
    SELECT r.pid, r.application_name, pg_catalog.host(r.client_addr), r.state, r.sync_state,
           (r.replay_lsn OPERATOR(pg_catalog.-) '0/0'::pg_catalog.pg_lsn)::bigint, s.slot_name
      FROM pg_catalog.pg_stat_replication r LEFT JOIN pg_catalog.pg_replication_slots s ON s.active_pid = r.pid
     ORDER BY r.application_name, r.pid
"""
# Columns that some versions do not have are asked for by name.
SLOTS = """
    SELECT s.slot_name, s.slot_type, s.active, s.temporary,
           CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn()
                ELSE pg_catalog.pg_current_wal_lsn() END OPERATOR(pg_catalog.-) s.restart_lsn,
           s.wal_status, s.safe_wal_size,
           greatest(pg_catalog.age(s.xmin), pg_catalog.age(s.catalog_xmin)),
           extract(epoch FROM pg_catalog.clock_timestamp()
               - (pg_catalog.to_jsonb(s) ->> 'inactive_since')::timestamptz)::double precision,
           pg_catalog.to_jsonb(s) ->> 'invalidation_reason'
      FROM pg_catalog.pg_replication_slots s
     ORDER BY s.slot_name
"""
CONFLICTS = """
    SELECT pg_catalog.to_jsonb(c) FROM pg_catalog.pg_stat_database_conflicts c
     WHERE c.datname = pg_catalog.current_database()
"""
# Its conninfo has the name under which the primary sees it; passwords are left out of it by the server.
RECEIVER = """
    SELECT status, slot_name, sender_host, sender_port, conninfo FROM pg_catalog.pg_stat_wal_receiver
"""
REPLAYED_AT = "SELECT extract(epoch FROM pg_catalog.pg_last_xact_replay_timestamp())::double precision"
REPLAY_PAUSED = "SELECT pg_catalog.pg_is_wal_replay_paused()"
# By address, where it has one, and by the place of its socket.
ADDRESS = "SELECT pg_catalog.host(pg_catalog.inet_server_addr()), pg_catalog.inet_server_port()"
SETTINGS = "SELECT name, setting, unit FROM pg_catalog.pg_settings WHERE name = ANY(%s)"
SETTING_NAMES = (
    "cluster_name",
    "hot_standby_feedback",
    "max_connections",
    "max_slot_wal_keep_size",
    "max_standby_archive_delay",
    "max_standby_streaming_delay",
    "primary_slot_name",
    "recovery_min_apply_delay",
    "reserved_connections",
    "superuser_reserved_connections",
    "synchronous_commit",
    "synchronous_standby_names",
    "wal_keep_size",
)


@dataclass(frozen=True, slots=True)
class Sender:
    """A process of a server that sends its log to a standby.

    Args:
        application_name: how the standby calls itself.
        address: where the standby connects from; None over a unix socket, or where the role may not see it.
        state: `streaming`, `catchup`, `backup`, ...; None where the role may not see it.
        sync_state: `async`, `sync`, `potential` or `quorum`; None likewise.
        replayed: how far the standby says that it has replayed, in bytes; None while unknown.
        slot: the slot that it uses; None for none.
    """

    application_name: str
    address: str | None
    state: str | None
    sync_state: str | None
    replayed: int | None
    slot: str | None


@dataclass(frozen=True, slots=True)
class Slot:
    """A replication slot: what it keeps the server from removing.

    Args:
        name: its name.
        kind: `physical` or `logical`.
        active: whether somebody uses it.
        temporary: whether it goes with its session.
        held_bytes: how much of the log is kept for it; None where it has reserved none.
        wal_status: `reserved`, `extended`, `unreserved` or `lost`; None where it has reserved none.
        safe_bytes: how much may still be written before it is lost; None where that has no bound.
        xmin_age: how many transactions old the oldest rows are that vacuum must leave for it; None for none.
        idle_seconds: for how long nobody has used it, in seconds; None while in use, and before PostgreSQL 17.
        invalidation_reason: why it is of no use any more; None where it is, and before PostgreSQL 17.
    """

    name: str
    kind: str
    active: bool
    temporary: bool = False
    held_bytes: int | None = None
    wal_status: str | None = None
    safe_bytes: int | None = None
    xmin_age: int | None = None
    idle_seconds: float | None = None
    invalidation_reason: str | None = None


@dataclass(frozen=True, slots=True)
class Receiver:
    """The process of a standby that receives the log.

    Args:
        status: `streaming`, ...; None where the role may not see it.
        slot: the slot of the sender that it uses.
        host: the host that it receives from.
        port: that one's port.
        application_name: how it calls itself there; None where that is not said.
    """

    status: str | None
    slot: str | None = None
    host: str | None = None
    port: int | None = None
    application_name: str | None = None


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What a server said of itself; None, and what is named in `refused`, is not known.

    Args:
        version: its version, as in `15.18`.
        major: its major version.
        database: the name of the database.
        role: the role that asked.
        is_superuser: whether that is a superuser.
        sees_statistics: whether it sees how other roles' processes do (`pg_read_all_stats`, a part of `pg_monitor`).
        in_recovery: whether the server is a standby.
        pooled: whether another server process answers than the one that greeted: a pooler is in between.
        encrypted: whether the connection to it is.
        is_local: whether that does not leave the machine: a unix socket, or the loopback address.
        clock: its clock, in seconds since 1970.
        started: when it was started, by its clock.
        address: where it is; None over a unix socket.
        port: its port; None over a unix socket.
        sslmode: how the connection was asked for: by its address, a service file or the environment.
        replayed_at: when the last transaction that it has replayed was committed, by the primary's clock.
        replay_paused: whether somebody holds its replay.
        connection_limit: how many connections the role, or the database, may have; None sets no bound of its own.
        settings: some of its settings, as `pg_settings` has them, in its own units.
        senders: who follows it.
        slots: its replication slots.
        receiver: the process that receives its log; None on a primary, and where there is none.
        conflicts: by kind how many queries on this database its replay has cancelled.
        refused: what it does not give this role.
    """

    version: str
    major: int
    database: str
    role: str
    is_superuser: bool
    sees_statistics: bool
    in_recovery: bool
    pooled: bool
    encrypted: bool
    is_local: bool
    clock: float
    started: float | None
    address: str | None = None
    port: int | None = None
    sslmode: str = "prefer"
    replayed_at: float | None = None
    replay_paused: bool | None = None
    connection_limit: int | None = None
    settings: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    senders: tuple[Sender, ...] = ()
    slots: tuple[Slot, ...] = ()
    receiver: Receiver | None = None
    conflicts: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    refused: tuple[str, ...] = ()

    @property
    def quoted_role(self) -> str:
        """The role as it stands in a statement."""
        return quoted(self.role)


def quoted(name: str) -> str:
    """A name as it stands in a statement that somebody may copy.

    Example:
        >>> quoted("app")
        '"app"'
    """
    return '"' + name.replace('"', '""') + '"'


def is_same_start(one: ServerFacts, other: ServerFacts) -> bool:
    """Whether two connections lead to one server: no two are started within the same microsecond.

    Args:
        one: what was said over the one connection.
        other: what was said over the other one.
    """
    return one.started is not None and one.started == other.started


def read_server_facts(cursor: Any) -> ServerFacts:
    """Ask a server for all of it.

    Args:
        cursor: of a psycopg2 connection in autocommit mode, which gives tuples: what is refused must not end a
            transaction.

    Raises:
        psycopg2.Error: the server does not answer.
    """
    cursor.execute(IDENTITY)
    version, number, database, role, standby, pid, clock, is_super, sees, started, acts_as_super, *limits = (
        cursor.fetchone()
    )
    info = cursor.connection.info
    refused: list[str] = []

    def asked(name: str, read: Callable[[Any], Fact], otherwise: Fact) -> Fact:
        try:
            return read(cursor)
        except psycopg2.Error as error:
            if not is_refusal(error):
                raise
            refused.append(name)
            return otherwise

    nobody: tuple[Sender, ...] = ()
    nothing: tuple[Slot, ...] = ()
    senders = asked("pg_stat_replication", read_senders, nobody)
    address, port = asked("inet_server_addr", lambda cursor: _row(cursor, ADDRESS), (None, None))
    return ServerFacts(
        version=version.split()[0],
        major=number // 10000,
        database=database,
        role=role,
        is_superuser=bool(is_super or acts_as_super),
        sees_statistics=bool(sees),
        in_recovery=standby,
        pooled=pid != info.backend_pid,
        encrypted=bool(info.ssl_in_use),
        is_local=_is_local(info.host),
        sslmode=info.dsn_parameters.get("sslmode", "prefer"),
        clock=clock,
        started=started,
        address=address,
        port=port,
        replayed_at=asked("pg_last_xact_replay_timestamp", lambda cursor: _row(cursor, REPLAYED_AT)[0], None)
        if standby
        else None,
        replay_paused=asked("pg_is_wal_replay_paused", lambda cursor: bool(_row(cursor, REPLAY_PAUSED)[0]), None)
        if standby
        else None,
        connection_limit=min((limit for limit in limits if limit is not None and limit >= 0), default=None),
        settings=asked("pg_settings", _settings, {}),
        senders=senders,
        slots=asked("pg_replication_slots", read_slots, nothing),
        receiver=asked("pg_stat_wal_receiver", _receiver, None) if standby else None,
        conflicts=asked("pg_stat_database_conflicts", _conflicts, {}) if standby else {},
        refused=tuple(refused),
    )


def _is_local(host: str | None) -> bool:
    """Whether a connection was made without a network; psycopg2 says the host as it was asked for."""
    if not host or host.startswith(("/", "@")):
        return True
    return host == "localhost" or host == "::1" or host.startswith("127.")


def _row(cursor: Any, query: str) -> tuple[Any, ...]:
    cursor.execute(query)
    return tuple(cursor.fetchone())


def read_senders(cursor: Any) -> tuple[Sender, ...]:
    """Who follows a server.

    Args:
        cursor: of a psycopg2 connection in autocommit mode.
    """
    cursor.execute(SENDERS)
    return tuple(Sender(*row[1:]) for row in cursor.fetchall())


def read_slots(cursor: Any) -> tuple[Slot, ...]:
    """The replication slots of a server.

    Args:
        cursor: of a psycopg2 connection in autocommit mode.
    """
    cursor.execute(SLOTS)
    return tuple(
        Slot(name, kind, active, temporary, None if held is None else max(0, int(held)), *rest)
        for name, kind, active, temporary, held, *rest in cursor.fetchall()
    )


def _settings(cursor: Any) -> Mapping[str, str]:
    cursor.execute(SETTINGS, [list(SETTING_NAMES)])
    return {name: setting for name, setting, _ in cursor.fetchall()}


def _receiver(cursor: Any) -> Receiver | None:
    cursor.execute(RECEIVER)
    row = cursor.fetchone()
    if row is None:
        return None
    status, slot, host, port, conninfo = row
    return Receiver(status, slot, host, port, _name_in(conninfo))


def _name_in(conninfo: str | None) -> str | None:
    if conninfo is None:
        return None
    try:
        said = psycopg2.extensions.parse_dsn(conninfo)
    except psycopg2.ProgrammingError:
        return None
    return said.get("application_name") or said.get("fallback_application_name")


def _conflicts(cursor: Any) -> Mapping[str, int]:
    cursor.execute(CONFLICTS)
    row = cursor.fetchone()
    counted = {} if row is None else row[0]
    return {key.removeprefix("confl_"): number for key, number in counted.items() if key.startswith("confl_")}
