"""What a rehearsal saw a statement do, what it means for the target, and whether a revision can be taken back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Blocks", "DataProof", "Estimate", "Observed", "ObservedLock", "Proof", "RoundTrip"]

Blocks = Literal["reads", "writes", "nothing"]
RoundTrip = Literal["same", "differs", "failed"]
DataProof = Literal["lossless", "lossy", "impossible", "unproven"]


@dataclass(frozen=True)
class ObservedLock:
    """A lock that a statement took on a relation.

    Args:
        relation: its name with its schema, quoted where it must be.
        mode: the mode in the spelling of pg_locks, such as `AccessExclusiveLock`.
    """

    relation: str
    mode: str


@dataclass(frozen=True)
class Observed:
    """What one statement did in the shadow.

    Args:
        locks: the locks that it added to those of its transaction; the known one of a concurrent statement.
        rewrites: the relations that were written anew (another file node).
        builds: the indexes that it built.
        rows: how many rows it touched; None where the server does not say.
        duration_ms: how long it took in the shadow, in milliseconds.
    """

    locks: tuple[ObservedLock, ...] = ()
    rewrites: tuple[str, ...] = ()
    builds: tuple[str, ...] = ()
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
    """

    blocks: Blocks
    relations: tuple[str, ...] = ()
    low_ms: float = 0.0
    high_ms: float | None = 0.0
    basis: str = ""


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
    """

    round_trip: RoundTrip
    data: DataProof
    lost: tuple[str, ...] = ()
    differences: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    reason: str | None = None
