"""What is seen of a database in use, and how it changes: frozen values that serialise to JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from erm_alembic.findings import Finding
from erm_alembic.postgres.health.counters import Counters
from erm_alembic.postgres.health.server import ServerNow
from erm_alembic.postgres.health.sessions import Connections, LockWait, OpenTransaction
from erm_alembic.postgres.health.statements import Statements, StatementTotal
from erm_alembic.postgres.health.tables import TableState
from erm_alembic.postgres.server_facts import Slot

__all__ = ["METRICS", "Gap", "Observation", "Point", "ReplicaLag", "Sample", "StatementChange", "Worsened"]

GapKind = Literal["silence", "restart", "failover"]

# What a point has, each with its unit in words.
METRICS: Mapping[str, str] = {
    "lag": "s",
    "waiting": "sessions",
    "lock_wait": "s",
    "connections": "",
    "transaction": "s",
    "query": "s",
    "commits": "/s",
    "rollbacks": "/s",
    "statement": "ms",
}


@dataclass(frozen=True)
class ReplicaLag:
    """How far a replica is behind.

    Args:
        name: what it is called: in erm.yaml, else as it calls itself.
        seconds: for how long it has been behind; 0 where it is not, None where that is not known.
        at_least: whether that may be longer.
        size: how much of the log it has not replayed, in bytes; None where that is not known.
        problem: why it cannot be read from, in words without secrets; empty where it can.
        conflicts: how many queries its replay has cancelled since its statistics were reset; None where not known.
    """

    name: str
    seconds: float | None = None
    at_least: bool = False
    size: int | None = None
    problem: str = ""
    conflicts: int | None = None


@dataclass(frozen=True)
class Sample:
    """A database in use at one moment.

    Args:
        taken_at: when it was looked at, by the clock of this machine.
        server: which server answered.
        connections: who is connected; None where that cannot be seen.
        waiting: how many sessions wait for locks.
        waits: those who wait longest, with who blocks them.
        transactions: those that are open for longest.
        query_s: for how long the oldest statement runs that is under way, in seconds.
        counters: what the server counts.
        statements: what pg_stat_statements says; None where there is none.
        tables: the tables that were asked for, and those with most dead rows.
        invalid_indexes: the indexes that no query may use.
        unvalidated: the constraints that were not checked against the rows that are there: table and name.
        slots: the replication slots.
        replicas: the replicas.
        unseen: what could not be seen, each with the reason.
    """

    taken_at: datetime
    server: ServerNow
    connections: Connections | None = None
    waiting: int = 0
    waits: tuple[LockWait, ...] = ()
    transactions: tuple[OpenTransaction, ...] = ()
    query_s: float | None = None
    counters: Counters = field(default_factory=Counters)
    statements: Statements | None = None
    tables: tuple[TableState, ...] = ()
    invalid_indexes: tuple[str, ...] = ()
    unvalidated: tuple[tuple[str, str], ...] = ()
    slots: tuple[Slot, ...] = ()
    replicas: tuple[ReplicaLag, ...] = ()
    unseen: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Gap:
    """A time in which nothing was seen, or over which counters cannot be compared.

    Args:
        since: when the last sample before it was taken; where there is none, when the first try was made.
        until: when the next one was taken; None while it lasts.
        kind: `silence` where the server did not answer, `restart` and `failover` where it did so before and after.
        why: what happened, in words without secrets.
    """

    since: datetime
    until: datetime | None
    kind: GapKind
    why: str

    def seconds(self, now: datetime) -> float:
        """How long it is.

        Args:
            now: what stands for its end while it lasts.
        """
        return max(0.0, ((self.until or now) - self.since).total_seconds())


@dataclass(frozen=True)
class Point:
    """One point of the history that is shown.

    Args:
        at_s: how long had been observed by then, in seconds.
        values: by metric; what could not be seen is not there.
    """

    at_s: float
    values: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class StatementChange:
    """A statement that takes another time than before.

    Args:
        query: its id in pg_stat_statements.
        text: its text without values; empty where this role may not see it.
        before_ms: how long a call took before; None for a statement that was not there.
        now_ms: how long a call takes now.
        calls: how often it was called meanwhile.
        total_ms: how long that took.
    """

    query: str
    text: str
    before_ms: float | None
    now_ms: float
    calls: int
    total_ms: float


@dataclass(frozen=True)
class Worsened(Finding):
    """Something that became worse, or is worse than it may be.

    Args:
        subject: what it is about: a replica, a table, a statement; empty for the database.
        worst: how bad it was at worst, in the unit of its rule.
        first_at: when it was first seen.
        last_at: when it was last seen.
        seen: in how many samples.
        is_over: whether it is no longer so.
    """

    subject: str = ""
    worst: float = 0.0
    first_at: datetime | None = None
    last_at: datetime | None = None
    seen: int = 1
    is_over: bool = False


@dataclass(frozen=True)
class Observation:
    """A database that was observed for a while, against how it was before.

    Args:
        environment: the profile.
        database: its address without its password.
        started_at: when it began.
        ended_at: when the last look was taken.
        wanted_s: how long it is to take, in seconds.
        observed_s: how long was observed so far, in seconds: the pauses between two runs do not count.
        tables: the tables that were asked for.
        samples: how many samples were taken.
        before: how it was before; where nobody took that, the first sample.
        first: the first sample.
        last: the last one.
        totals: by counter, by how much it grew meanwhile, resets left out.
        statements: by query id, what each statement took meanwhile.
        changed: the statements that are slower, or new and slow; the worst first.
        points: the history, coarser the longer it is.
        gaps: when nothing was seen.
        findings: what became worse.
        schema_version: of the JSON that it is kept as.
    """

    environment: str
    database: str
    started_at: datetime
    ended_at: datetime
    wanted_s: float
    observed_s: float = 0.0
    tables: tuple[str, ...] = ()
    samples: int = 0
    before: Sample | None = None
    first: Sample | None = None
    last: Sample | None = None
    totals: Mapping[str, int] = field(default_factory=dict)
    statements: Mapping[str, StatementTotal] = field(default_factory=dict)
    changed: tuple[StatementChange, ...] = ()
    points: tuple[Point, ...] = ()
    gaps: tuple[Gap, ...] = ()
    findings: tuple[Worsened, ...] = ()
    schema_version: int = 1

    @property
    def is_worse(self) -> bool:
        """Whether something became worse that is an error (`observe.rules` says what is)."""
        return any(finding.severity == "error" for finding in self.findings)

    @property
    def is_complete(self) -> bool:
        """Whether all the time that was wanted was observed."""
        return self.observed_s >= self.wanted_s

    @property
    def is_away(self) -> bool:
        """Whether the server did not answer the last time."""
        return bool(self.gaps) and self.gaps[-1].until is None

    @property
    def unseen(self) -> Mapping[str, str]:
        """What could not be seen the last time, each with the reason."""
        return {} if self.last is None else self.last.unseen
