"""Why a statement goes where it goes: values, which are put into words here alone.

The rules stand here too that need nothing but what is known of a statement: a session that sends it, and `explain`,
which only says what would happen, ask the same functions.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from erm_alembic.routing.options import ReadMode

__all__ = [
    "BEGUN",
    "NAMED",
    "NONE_FRESH",
    "OTHER_HISTORY",
    "PINNED",
    "REFUSED_AS_WRITE",
    "SAVEPOINT",
    "TWO_PHASES",
    "UNKNOWN_STATEMENT",
    "Reason",
    "Why",
    "why_no_fallback",
    "why_primary",
    "why_replica",
]


class Why(Enum):
    """The kinds of reasons; the value is what a metric is told, which has few values of an attribute."""

    PURE_READ = "a pure read"
    POLICY = "policy"
    NOTHING_CHOSE = "nothing chose a replica"
    NAMED = "the application named the engine"
    NOT_A_READ = "not known to be a pure read"
    UNKNOWN_NAME = "the database is not known to have what it names"
    NOT_KNOWN_YET = "what the database says of its functions is not known yet"
    UNKNOWN_STATEMENT = "nothing is known of what is sent"
    PINNED = "the transaction is on the primary"
    BEGUN = "the transaction was begun explicitly"
    SAVEPOINT = "it is within a savepoint"
    TWO_PHASES = "the session commits in two phases"
    REFUSED_AS_WRITE = "a replica refused it as a write"
    NOT_ON_STANDBY = "no standby can do it"
    NONE_FRESH = "no replica is fresh enough"
    OTHER_HISTORY = "the causal token is of another history"
    REPLICA_FAILED = "a replica failed within the transaction"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a statement goes where it goes.

    Args:
        why: of which kind it is.
        detail: what it names besides: of a policy or a replica the name, of what is no read what keeps it from being
            one.

    Example:
        >>> str(Reason(Why.POLICY, "reporting")), str(Reason(Why.BEGUN))
        ('policy reporting', 'the transaction was begun explicitly')
    """

    why: Why
    detail: str = ""

    def __str__(self) -> str:
        if not self.detail:
            return self.why.value
        if self.why is Why.POLICY:
            return f"policy {self.detail}"
        if self.why is Why.REPLICA_FAILED:
            return f"replica {self.detail} failed within the transaction"
        return self.detail


# Those that name nothing of an application's: made once, since they are given for every transaction.
PURE_READ, NOTHING_CHOSE, NAMED = Reason(Why.PURE_READ), Reason(Why.NOTHING_CHOSE), Reason(Why.NAMED)
UNKNOWN_STATEMENT, REFUSED_AS_WRITE = Reason(Why.UNKNOWN_STATEMENT), Reason(Why.REFUSED_AS_WRITE)
PINNED, BEGUN, SAVEPOINT, TWO_PHASES = (
    Reason(Why.PINNED),
    Reason(Why.BEGUN),
    Reason(Why.SAVEPOINT),
    Reason(Why.TWO_PHASES),
)
NONE_FRESH, OTHER_HISTORY = Reason(Why.NONE_FRESH), Reason(Why.OTHER_HISTORY)


def why_primary(mode: ReadMode, why_pinned: Reason | None, no_read: Reason | None) -> Reason | None:
    """Why a statement is the primary's, however fresh a replica is; None where one may answer it.

    Args:
        mode: what holds for it.
        why_pinned: why its transaction is the primary's; None where it is not.
        no_read: why it is not known to be a pure read; None where it is.
    """
    return why_pinned or no_read or (None if mode.replicas else _chosen(mode, NOTHING_CHOSE))


def why_replica(mode: ReadMode) -> Reason:
    """Why a replica answers a read.

    Args:
        mode: what holds for it.
    """
    return _chosen(mode, PURE_READ)


def why_no_fallback(mode: ReadMode, *, within_budget: bool) -> str:
    """Why the primary does not answer a read that no replica can; empty where it does.

    Args:
        mode: what holds for the read.
        within_budget: whether the primary takes over any more reads.
    """
    if mode.disable_fallback:
        return "the primary may not be asked instead (disable_fallback)"
    return "" if within_budget else "the primary has taken over as many reads as its fallback budget allows"


def _chosen(mode: ReadMode, otherwise: Reason) -> Reason:
    return otherwise if mode.policy is None else Reason(Why.POLICY, mode.policy)
