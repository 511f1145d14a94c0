"""What a rehearsal saw a statement do, what it means for the target, and whether a revision can be taken back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

__all__ = [
    "Blocks",
    "DataProof",
    "EarlierPredictions",
    "Estimate",
    "FailedRevision",
    "FailureOnRows",
    "Observed",
    "ObservedLock",
    "Prediction",
    "Proof",
    "Rehearsal",
    "RoundTrip",
]

Blocks = Literal["reads", "writes", "nothing"]
RoundTrip = Literal["same", "differs", "failed"]
DataProof = Literal["lossless", "lossy", "impossible", "unproven"]


@dataclass(frozen=True)
class ObservedLock:
    """A lock that a statement took on a relation.

    Args:
        relation: its name with its schema, quoted where it must be, as it was when the statement came.
        mode: the mode in the spelling of pg_locks, such as `AccessExclusiveLock`.
        origin: what the target calls it before anything of the plan has run; None where the plan makes it.
        table: of an index, the table that it belongs to, as the target calls it; None for anything else.
    """

    relation: str
    mode: str
    origin: str | None = None
    table: str | None = None


@dataclass(frozen=True)
class Observed:
    """What one statement did in the shadow.

    Args:
        locks: the locks that it added to those of its transaction, without those on what that transaction made; of a
            statement that runs outside a transaction, those that it was seen to hold or to wait for.
        rewrites: the relations that were written anew (another file node), by their names on the target.
        builds: the indexes that it built on tables which its transaction has not made, as they are called afterwards.
        scans: the relations that it read from one end to the other, or through an index, as the target calls them.
        rows: how many rows it touched; None where the server does not say.
        duration_ms: how long it took in the shadow, in milliseconds.
    """

    locks: tuple[ObservedLock, ...] = ()
    rewrites: tuple[str, ...] = ()
    builds: tuple[str, ...] = ()
    scans: tuple[str, ...] = ()
    rows: int | None = None
    duration_ms: float = 0.0


@dataclass(frozen=True)
class Estimate:
    """Who a statement blocks on the target, and for about how long.

    Args:
        blocks: `reads` (and writes), `writes`, or `nothing`.
        relations: the relations on which it blocks them.
        low_ms: the lower end of the range, in milliseconds.
        high_ms: the upper end, in milliseconds; None where nothing bounds it.
        basis: how it was reckoned, for a human.
        takes: how long the statement itself takes, without waiting and without what its transaction holds on to; None
            where that is not told.
    """

    blocks: Blocks
    relations: tuple[str, ...] = ()
    low_ms: float = 0.0
    high_ms: float | None = 0.0
    basis: str = ""
    takes: Prediction | None = field(default=None, compare=False)


@dataclass(frozen=True)
class FailureOnRows:
    """A way up that fails where ordinary rows stand in its tables, and not where none do.

    Args:
        reason: what the server or the revision said, without values.
        sqlstate: the server's code for it; empty where it was not the server that refused.
        table: the table that the server named, with its schema, as it was called then; None where it named none.
        column: the column that it named.
    """

    reason: str
    sqlstate: str = ""
    table: str | None = None
    column: str | None = None


@dataclass(frozen=True)
class Proof:
    """Whether a revision can be taken back: it went up, down and up again in the shadow.

    Args:
        round_trip: whether the catalog came back.
        data: whether the values came back.
        lost: what the way down loses, such as `public.users.email`.
        differences: what differs after the way down or the second way up, for a human.
        notes: what no downgrade can restore, such as the place of a column.
        reason: why it failed or could not be proven.
        fails_on_rows: why the way up fails on rows that stand in its tables; None where it was not seen to.
    """

    round_trip: RoundTrip
    data: DataProof
    lost: tuple[str, ...] = ()
    differences: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    reason: str | None = None
    fails_on_rows: FailureOnRows | None = None


@dataclass(frozen=True)
class Rehearsal:
    """Whether the plan was tried out in a shadow, and on what.

    Args:
        status: `done`; `skipped` when nobody wanted it, or there was nothing to rehearse; `unknown` when there was no
            shadow to rehearse it in, or it did not come to its end.
        reason: why it is not `done`; None when it is.
        notes: what differs from the target: what was stood in, another major.
        server_version: the version of the shadow's server; empty when there was none.
        exact_major: whether that is the target's major version.
        failed: the revision that fails, of which (and of those after it) nothing was proven.
        earlier: how far the predictions of earlier runs were off; None where the ledger has none yet.
    """

    status: Literal["done", "skipped", "unknown"]
    reason: str | None = None
    notes: tuple[str, ...] = ()
    server_version: str = ""
    exact_major: bool = False
    failed: FailedRevision | None = None
    earlier: EarlierPredictions | None = None


@dataclass(frozen=True)
class Prediction:
    """How long a revision, or a statement, is to take on the target.

    Args:
        low_ms: at least, in milliseconds.
        high_ms: at most; None where nothing bounds it.
    """

    low_ms: float
    high_ms: float | None


@dataclass(frozen=True)
class EarlierPredictions:
    """How far the predictions of earlier runs were off.

    Args:
        count: how many revisions there is a prediction and a time of; the latest hundred count.
        kept: how many of them took no longer than was said.
        worst: how many times as long as said the one took that was furthest off; 1 where all were kept.
    """

    count: int
    kept: int
    worst: float


@dataclass(frozen=True)
class FailedRevision:
    """A revision that failed in the shadow.

    Args:
        revision: its id.
        path: its file, relative to the project directory, or the SQL script of it.
        line: the line that sent what failed; None when it is not known.
        error: what the server or the revision said, without values.
        only_there: why it may fail in the shadow only, which has no rows and reaches nothing else; None when nothing
            hints at that.
    """

    revision: str
    path: str
    line: int | None
    error: str
    only_there: str | None = None
