"""One change by hand, and what the snapshot has to tell of it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Change", "one"]


@dataclass(frozen=True)
class Change:
    """One change by hand.

    Args:
        name: what it is, for a human.
        sql: how it is made.
        told: the kind, object and property of each difference; no property where an object came or went.
        since: the first major version that has it.
        alone: whether it cannot be made together with others.
    """

    name: str
    sql: str
    told: tuple[tuple[str, str, str], ...]
    since: int = 0
    alone: bool = False


def one(
    name: str, sql: str, kind: str, object: str, property: str = "", *, since: int = 0, alone: bool = False
) -> Change:
    """A change that makes one difference."""
    return Change(name, sql, ((kind, object, property),), since, alone)
