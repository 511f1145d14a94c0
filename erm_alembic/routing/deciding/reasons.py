"""Why a statement goes where it goes: each reason is worded here, for those who decide, explain and count.

The rules stand here too that need nothing but what is known of a statement: a session that sends it, and `explain`,
which only says what would happen, ask the same functions.
"""

from __future__ import annotations

from typing import Any

from erm_alembic.routing.deciding.classify import is_known_write
from erm_alembic.routing.options import ReadMode

__all__ = [
    "BEGUN",
    "FIXED",
    "NAMED",
    "NONE_FRESH",
    "OTHER_HISTORY",
    "PINNED",
    "PREVENTED",
    "REFUSED_AS_WRITE",
    "SAVEPOINT",
    "TWO_PHASES",
    "UNKNOWN_STATEMENT",
    "is_prevented",
    "why_no_fallback",
    "why_primary",
    "why_replica",
]

PURE_READ = "a pure read"
NONE_FRESH = "no replica is fresh enough"
OTHER_HISTORY = "the causal token is of another history"
NOTHING_CHOSE = "nothing chose a replica"
UNKNOWN_STATEMENT = "nothing is known of what is sent"
PINNED = "the transaction is on the primary"
BEGUN = "the transaction was begun explicitly"
SAVEPOINT = "it is within a savepoint"
TWO_PHASES = "the session commits in two phases"
NAMED = "the application named the engine"
REFUSED_AS_WRITE = "a replica refused it as a write"
PREVENTED = "something is written within a block that prevents writes"

# Those that name nothing of an application's; any other is made of a policy's, a server's or a function's name.
FIXED = frozenset(
    {
        BEGUN,
        NAMED,
        NONE_FRESH,
        NOTHING_CHOSE,
        OTHER_HISTORY,
        PINNED,
        PURE_READ,
        REFUSED_AS_WRITE,
        SAVEPOINT,
        TWO_PHASES,
        UNKNOWN_STATEMENT,
    }
)


def why_primary(mode: ReadMode, why_pinned: str, no_read: str) -> str:
    """Why a statement is the primary's, however fresh a replica is; empty where one may answer it.

    Args:
        mode: what holds for it.
        why_pinned: why its transaction is the primary's; empty where it is not.
        no_read: why it is not known to be a pure read; empty where it is.
    """
    if why_pinned or no_read or mode.replicas:
        return why_pinned or no_read
    return NOTHING_CHOSE if mode.policy is None else f"policy {mode.policy}"


def why_replica(mode: ReadMode) -> str:
    """Why a replica answers a read.

    Args:
        mode: what holds for it.
    """
    return PURE_READ if mode.policy is None else f"policy {mode.policy}"


def why_no_fallback(mode: ReadMode, *, within_budget: bool) -> str:
    """Why the primary does not answer a read that no replica can; empty where it does.

    Args:
        mode: what holds for the read.
        within_budget: whether the primary takes over any more reads.
    """
    if mode.disable_fallback:
        return "the primary may not be asked instead (disable_fallback)"
    return "" if within_budget else "the primary has taken over as many reads as its fallback budget allows"


def is_prevented(mode: ReadMode, mapper: Any, clause: Any) -> bool:
    """Whether something would be written where only reads are meant.

    Args:
        mode: what holds for the statement.
        mapper: what is mapped, where the ORM knows it.
        clause: the statement; None where nothing is known of what follows.
    """
    return mode.prevent_writes and (is_known_write(clause) or (clause is None and mapper is not None))
