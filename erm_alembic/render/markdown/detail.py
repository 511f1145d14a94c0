"""How much of a plan stands in a comment: as much as the forge takes, in steps from everything to the verdict alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

__all__ = ["DETAILS", "Detail", "chosen"]

T = TypeVar("T")


@dataclass(frozen=True)
class Detail:
    """One step.

    Args:
        statements: which statements are shown: `all`, those that are `blocking` somebody, or `none`.
        characters: how many characters of a statement; None shows it whole.
        rows: how many revisions, objects and losses are listed, each; None lists them all.
        findings: how many findings are; None lists them all.
        width: how many characters of a name are shown.
        sentence: how many characters of a sentence are.
    """

    statements: Literal["all", "blocking", "none"] = "all"
    characters: int | None = None
    rows: int | None = None
    findings: int | None = None
    width: int = 200
    sentence: int = 1500


DETAILS: tuple[Detail, ...] = (
    Detail(),
    Detail(characters=1000),
    Detail("blocking", characters=1000),
    Detail("none"),
    Detail("none", rows=400, findings=100, sentence=600),
    Detail("none", rows=200, findings=50, width=120, sentence=400),
    Detail("none", rows=100, findings=25, width=80, sentence=300),
    Detail("none", rows=25, findings=10, width=60, sentence=200),
    Detail("none", rows=5, findings=3, width=40, sentence=120),
    Detail("none", rows=0, findings=0, width=40, sentence=120),
)


def chosen(items: Sequence[T], most: int | None, urgent: Sequence[bool]) -> list[T]:
    """As many items as may be listed, the urgent ones before the others, in their order.

    Args:
        items: the items.
        most: how many; None for all.
        urgent: of each item, whether it must not be missed.

    Example:
        >>> chosen("abcd", 2, [False, False, False, True])
        ['a', 'd']
    """
    if most is None or len(items) <= most:
        return list(items)
    ranked = sorted(range(len(items)), key=lambda number: not urgent[number])
    return [items[number] for number in sorted(ranked[:most])]
