"""What a smoke test may do, and what it leaves behind: values."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Terms", "Traces"]


@dataclass(frozen=True)
class Terms:
    """What a test may do.

    Args:
        writes: whether it may change rows.
        nested_commits: whether a commit ends a savepoint instead of being refused.
    """

    writes: bool = False
    nested_commits: bool = False


@dataclass(frozen=True)
class Traces:
    """What is left of a test's transaction.

    Args:
        transaction_id: its id, where it could write.
        sequences: what it took numbers from, which are not given back.
    """

    transaction_id: str | None = None
    sequences: tuple[str, ...] = ()
