"""Who a statement blocks on the target, and for about how long: what was observed, reckoned with the live sizes.

The rates are those of ordinary servers, from a network disk to a local one, so that a range comes out, and no number
that nobody could hold to. What a lock is waited for is bounded by erm's own lock_timeout.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from erm_alembic.planning.model import Statement
from erm_alembic.planning.rehearsal import Blocks, Estimate, Observed, ObservedLock, Prediction
from erm_alembic.postgres.live_facts import LiveFacts, TableFacts
from erm_alembic.postgres.lock_modes import blocks_reads, blocks_writes
from erm_alembic.postgres.text.nature import nature

__all__ = ["estimated", "predicted", "tables_of_interest"]

MEGABYTE = 1_000_000
# Slow and fast, in megabytes a second.
REWRITING, SCANNING, BUILDING = (50, 200), (200, 1_000), (25, 120)
# Slow and fast, in rows a second.
CHANGING_ROWS = (10_000, 100_000)
# What takes no longer for a large table, in milliseconds.
CATALOG = (1.0, 50.0)
# A transaction that is younger will be over by then, in seconds.
LONG_TRANSACTION = 1.0
DEPENDS_ON_ROWS = frozenset({"UPDATE", "DELETE", "MERGE", "DO", "CALL", "WITH", "SELECT", "EXECUTE"})


@dataclass(frozen=True)
class _Work:
    """How long something takes, in milliseconds, and why."""

    low_ms: float
    high_ms: float
    why: str = ""


def tables_of_interest(statements: Iterable[Statement]) -> frozenset[str]:
    """The tables of the target that some statements have to do with, for the live facts.

    Args:
        statements: with what was observed of them.
    """
    names: set[str] = set()
    for statement in statements:
        if statement.observed is not None:
            names.update(name for name in map(_on_target, statement.observed.locks) if name is not None)
            names.update(statement.observed.rewrites, statement.observed.scans)
    return frozenset(names)


def estimated(statements: Sequence[Statement], facts: LiveFacts, lock_timeout_ms: float) -> tuple[Statement, ...]:
    """The statements of one revision with their estimates; those that nobody has observed stay without.

    Args:
        statements: in the order in which they run.
        facts: what the live database says.
        lock_timeout_ms: how long apply waits for a lock before it gives way and tries again; 0 for as long as it takes.

    Example:
        >>> lock = ObservedLock("public.users", "AccessExclusiveLock", "public.users")
        >>> seen = Statement("ALTER TABLE users ADD COLUMN x int", observed=Observed((lock,)))
        >>> facts = LiveFacts({"public.users": TableFacts(rows=40)})
        >>> estimated([seen], facts, 5000)[0].estimate.blocks
        'reads'
    """
    works = list(_works(statements, facts))
    found, held = [], _Held()
    for statement, work, rest in zip(statements, works, _rests(statements, works), strict=True):
        if statement.autocommit:
            held = _Held()
        if work is None or statement.observed is None:
            found.append(statement)
            continue
        blocked = held.after(statement, statement.observed.locks)
        estimate = _estimate(statement, statement.observed, blocked, _Course(work, rest), facts, lock_timeout_ms)
        takes = Prediction(round(work.low_ms), _ended(work.high_ms))
        found.append(replace(statement, estimate=replace(estimate, takes=takes)))
    return tuple(found)


def predicted(statements: Sequence[Statement], facts: LiveFacts) -> Prediction | None:
    """How long the statements of a revision take together, waiting left out; None where one was not observed.

    Args:
        statements: with what was observed of them.
        facts: what the live database says.
    """
    works = list(_works(statements, facts))
    known = [work for work in works if work is not None]
    if len(known) < len(works):
        return None
    return Prediction(round(sum(work.low_ms for work in known)), _ended(sum(work.high_ms for work in known)))


def _works(statements: Sequence[Statement], facts: LiveFacts) -> Iterator[_Work | None]:
    """How long each statement takes; None for one that was not observed."""
    made: set[str] = set()  # by the plan itself: what the target calls so, if anything, is another table
    for statement in statements:
        if statement.observed is None:
            yield None
            continue
        made.update(lock.relation for lock in statement.observed.locks if lock.origin is None)
        yield _work(statement, statement.observed, facts, made)


@dataclass(frozen=True)
class _Rest:
    """What comes after a statement before its transaction is committed.

    Args:
        low_ms: how long it takes at least, in milliseconds.
        high_ms: how long at most.
        longest: the longest of it.
        count: how many statements.
    """

    low_ms: float = 0.0
    high_ms: float = 0.0
    longest: _Work | None = None
    count: int = 0

    def before(self, work: _Work | None) -> _Rest:
        """With one more before it."""
        if work is None:
            return self
        longest = work if self.longest is None or work.high_ms > self.longest.high_ms else self.longest
        return _Rest(self.low_ms + work.low_ms, self.high_ms + work.high_ms, longest, self.count + 1)


@dataclass(frozen=True)
class _Course:
    """A statement's own work, and what comes after it before the commit."""

    work: _Work
    rest: _Rest


def _rests(statements: Sequence[Statement], works: Sequence[_Work | None]) -> list[_Rest]:
    """Of each statement, what comes after it before its locks are released."""
    found, rest = [], _Rest()
    for statement, work in zip(reversed(statements), reversed(works), strict=True):
        found.append(_Rest() if statement.autocommit else rest)
        # Before a statement outside a transaction, the one under way is committed.
        rest = _Rest() if statement.autocommit else rest.before(work)
    return found[::-1]


@dataclass
class _Held:
    """What the transaction under way keeps others from, and since which line."""

    blocks: Blocks = "nothing"
    relations: tuple[str, ...] = ()
    since: int | None = None

    def after(self, statement: Statement, locks: Sequence[ObservedLock]) -> _Blocked:
        """What is blocked while a statement runs: by its own locks, or else by those that are held already."""
        blocks, relations = _blocked(locks)
        if _LOUDNESS.index(blocks) > _LOUDNESS.index(self.blocks):
            self.blocks, self.relations, self.since = blocks, relations, statement.line
        if blocks == "nothing" and self.blocks != "nothing":
            return _Blocked(self.blocks, self.relations, held_since=self.since, held=True)
        return _Blocked(blocks, relations)


_LOUDNESS: tuple[Blocks, ...] = ("nothing", "writes", "reads")


@dataclass(frozen=True)
class _Blocked:
    blocks: Blocks
    relations: tuple[str, ...]
    held_since: int | None = None
    held: bool = False


def _estimate(
    statement: Statement,
    observed: Observed,
    blocked: _Blocked,
    course: _Course,
    facts: LiveFacts,
    lock_timeout_ms: float,
) -> Estimate:
    work, rest = course.work, course.rest
    oldest = facts.longest_transaction_seconds if facts.longest_transaction_seconds > LONG_TRANSACTION else 0.0
    if blocked.blocks == "nothing":
        waits = oldest and nature(statement.sql).outside is not None
        why = f"{work.why}; waits for older transactions to end ({_oldest(oldest)})" if waits else work.why
        return Estimate("nothing", (), round(work.low_ms), None if waits else _ended(work.high_ms), why)
    low, high = work.low_ms + rest.low_ms, work.high_ms + rest.high_ms
    if blocked.held:
        since = "" if blocked.held_since is None else f" since line {blocked.held_since}"
        why = f"{work.why}; its transaction holds the lock{since}"
        return Estimate(blocked.blocks, blocked.relations, round(low), _ended(high), why)
    notes = [work.why, *_kept(work, rest)]
    bounded = True
    if oldest:
        # Whoever comes after a waiter waits behind it; apply gives way, and tries again later.
        high, bounded = high + lock_timeout_ms, lock_timeout_ms > 0
        limit = f"gives way after {_seconds(lock_timeout_ms / 1000)}" if bounded else "without a limit"
        notes.append(f"waits for transactions that use it ({_oldest(oldest)}), {limit}")
    if facts.replicas and any(lock.mode == "AccessExclusiveLock" for lock in observed.locks):
        standbys = "1 standby" if len(facts.replicas) == 1 else f"{len(facts.replicas)} standbys"
        notes.append(f"replayed on {standbys}, where it cancels queries that stay in its way")
    return Estimate(blocked.blocks, blocked.relations, round(low), _ended(high) if bounded else None, "; ".join(notes))


def _kept(work: _Work, rest: _Rest) -> Iterator[str]:
    """What keeps a lock after the statement that took it is over."""
    if rest.longest is not None:
        why = f", which {rest.longest.why}" if rest.longest.high_ms > max(work.high_ms, CATALOG[1]) else ""
        yield f"held until the revision commits{why}"


def _oldest(seconds: float) -> str:
    return f"the oldest of the database runs for {_seconds(seconds)}"


def _blocked(locks: Sequence[ObservedLock]) -> tuple[Blocks, tuple[str, ...]]:
    """What the locks keep others from, and where. What the plan makes itself, nobody else uses yet."""
    readers = {_on_target(lock) for lock in locks if blocks_reads(lock.mode)} - {None}
    writers = {_on_target(lock) for lock in locks if blocks_writes(lock.mode)} - {None}
    if readers:
        return "reads", tuple(sorted(name for name in readers if name))
    return ("writes", tuple(sorted(name for name in writers if name))) if writers else ("nothing", ())


def _on_target(lock: ObservedLock) -> str | None:
    """The table of the target that a lock is about: of an index, its table, which no query can do without."""
    return lock.origin if lock.table is None or lock.origin is None else lock.table


def _work(statement: Statement, observed: Observed, facts: LiveFacts, made: Collection[str]) -> _Work:
    """How long a statement takes on the target, its waiting left out."""
    rewritten = [name for name in observed.rewrites if name not in made]
    read = [name for name in observed.scans if name not in made and name not in rewritten]
    builds = 0 if rewritten else len(observed.builds) / max(1, len(read))
    parts = [
        *(_rewriting(name, facts.tables.get(name)) for name in rewritten),
        *(_reading(name, facts.tables.get(name), builds) for name in read),
        *_changing(statement, observed, facts),
    ]
    if not parts:
        return _Work(CATALOG[0], max(CATALOG[1], 2 * observed.duration_ms), "changes the catalog only")
    low, high = sum(part.low_ms for part in parts), sum(part.high_ms for part in parts)
    return _Work(CATALOG[0] + low, CATALOG[1] + high, ", ".join(part.why for part in parts))


def _rewriting(name: str, table: TableFacts | None) -> _Work:
    if table is None:
        return _Work(0, math.inf, f"writes {name} anew, whose size is not known")
    slow, fast = REWRITING
    size = table.table_bytes + table.index_bytes
    why = f"writes {name} anew ({_bytes(size)} with its indexes) at {slow} to {fast} MB/s"
    return _Work(_at(size, fast), _at(size, slow), why)


def _reading(name: str, table: TableFacts | None, builds: float) -> _Work:
    """A table is read as a whole, once for each index that is built on it."""
    what = f"builds an index on {name}" if builds else f"reads {name}"
    if table is None:
        return _Work(0, math.inf, f"{what}, whose size is not known")
    slow, fast = BUILDING if builds else SCANNING
    size = table.table_bytes * max(1.0, builds)
    why = f"{what} ({_bytes(table.table_bytes)}) at {slow} to {fast:,} MB/s"
    return _Work(_at(size, fast), _at(size, slow), why)


def _changing(statement: Statement, observed: Observed, facts: LiveFacts) -> Iterator[_Work]:
    """What changes rows: as many as the shadow has seen at least, and all that there are at most."""
    kinds = frozenset(nature(statement.sql).kinds)
    touched = [lock for lock in observed.locks if lock.mode == "RowExclusiveLock" and lock.table is None]
    reads = any(lock.mode == "AccessShareLock" and lock.table is None for lock in observed.locks)
    if not touched or not (kinds & DEPENDS_ON_ROWS or (reads and "INSERT" in kinds)):
        return
    names = ", ".join(lock.relation for lock in touched)
    counts = [_rows(lock, facts) for lock in touched]
    slow, fast = CHANGING_ROWS
    low = (observed.rows or 0) / fast * 1000
    if any(count is None for count in counts):
        yield _Work(low, math.inf, f"changes rows of {names}, whose number is not known")
        return
    most = max(sum(count for count in counts if count is not None), observed.rows or 0)
    yield _Work(
        low, most / slow * 1000, f"changes rows of {names} (at most {most:,.0f}) at {slow:,} to {fast:,} a second"
    )


def _rows(lock: ObservedLock, facts: LiveFacts) -> float | None:
    """How many rows a table has; none where the plan makes it."""
    if lock.origin is None:
        return 0.0
    table = facts.tables.get(lock.origin)
    return None if table is None else table.rows


def _ended(milliseconds: float) -> float | None:
    return None if math.isinf(milliseconds) else round(milliseconds)


def _at(size: float, rate: int) -> float:
    return size / (rate * MEGABYTE) * 1000


def _bytes(size: int) -> str:
    """A size that a person can read.

    Example:
        >>> _bytes(8192), _bytes(3_400_000_000)
        ('8 kB', '3.4 GB')
    """
    for unit, bytes_of in (("GB", 10**9), ("MB", 10**6)):
        if size >= bytes_of:
            return f"{size / bytes_of:.1f} {unit}"
    return f"{round(size / 1000)} kB"


def _seconds(seconds: float) -> str:
    """A time that a person can read.

    Example:
        >>> _seconds(5), _seconds(3700)
        ('5 s', '62 min')
    """
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
