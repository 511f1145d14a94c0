"""What a stage of a release is, and how one ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from erm_alembic.release.course import Course

__all__ = ["Ended", "Stage", "nothing_to_do"]


@dataclass(frozen=True)
class Ended:
    """How a stage ended.

    Args:
        outcome: whether the release goes on behind it, and whether there was anything to do.
        reason: what came of it, in a sentence without its full stop.
        cure: what to do about a failure: commands to type.
        details: what else is known, for the ledger and the report: names, numbers, times; no values, no secrets.
    """

    outcome: Literal["done", "nothing-to-do", "failed", "interrupted"]
    reason: str
    cure: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)


def nothing_to_do(reason: str) -> Ended:
    """The ending of a stage that has nothing to do here.

    Args:
        reason: why not.

    Example:
        >>> nothing_to_do("no replica is configured").outcome
        'nothing-to-do'
    """
    return Ended("nothing-to-do", reason)


@dataclass(frozen=True)
class Stage:
    """One stage of a release.

    Args:
        name: what it is called, in the ledger and on the command line.
        would: says what it would do with what is configured, for `--mode plan`.
        run: does it.
    """

    name: str
    would: Callable[[Course], str]
    run: Callable[[Course], Ended]
