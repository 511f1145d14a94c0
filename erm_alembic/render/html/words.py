"""What several parts of the page say in the same words: ranges of time, sizes, where a statement stands."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from erm_alembic.planning.model import Plan, Statement, Step
from erm_alembic.planning.rehearsal import Blocks, Estimate
from erm_alembic.render.places import Places
from erm_alembic.render.words import duration

__all__ = [
    "BLOCKS",
    "amount",
    "anchor",
    "at_least",
    "between",
    "file_of",
    "numbered",
    "reach",
    "size",
    "statement_anchors",
]

BLOCKS: Mapping[Blocks, str] = {"reads": "reads and writes", "writes": "writes", "nothing": "nobody"}

LOUDNESS: tuple[Blocks, ...] = ("nothing", "writes", "reads")
UNBROKEN = "\N{NO-BREAK SPACE}"
UNITS = (("TB", 10**12), ("GB", 10**9), ("MB", 10**6))


def between(low_ms: float, high_ms: float | None) -> str:
    """A range of time, whose numbers keep their units beside them.

    Example:
        >>> [each.replace(UNBROKEN, "_") for each in (between(1, 50), between(1, None), between(50, 50))]
        ['1_ms to 50_ms', '1_ms or any longer', '50_ms']
    """
    low = _unbroken(low_ms)
    if high_ms is None:
        return f"{low} or any longer"
    high = _unbroken(high_ms)
    return low if low == high else f"{low} to {high}"


def at_least(low_ms: float) -> str:
    """How long something takes whose end is not known.

    Example:
        >>> at_least(3).replace(UNBROKEN, "_")
        'at least 3_ms, its end is not known'
    """
    return f"at least {_unbroken(low_ms)}, its end is not known"


def _unbroken(milliseconds: float) -> str:
    return duration(round(milliseconds)).replace(" ", UNBROKEN)


def reach(estimate: Estimate) -> tuple[int, float]:
    """How bad it is for others: who keeps them from reading before who keeps them from writing, then the longest.

    Args:
        estimate: of a statement, or of several together.
    """
    high = math.inf if estimate.high_ms is None else estimate.high_ms
    return LOUDNESS.index(estimate.blocks), high


def amount(count: int | None) -> str:
    """A number of rows.

    Example:
        >>> amount(1_200_000), amount(None)
        ('1,200,000', 'not known')
    """
    return "not known" if count is None else f"{count:,}"


def size(size_bytes: int | None) -> str:
    """A number of bytes, in the units in which estimates are reckoned: each a thousand of the one before.

    Example:
        >>> size(1_260_000), size(8192), size(None)
        ('1.3 MB', '8 kB', 'not known')
    """
    if size_bytes is None:
        return "not known"
    for unit, bytes_of in UNITS:
        if size_bytes >= bytes_of:
            return f"{size_bytes / bytes_of:,.1f} {unit}"
    return f"{round(size_bytes / 1000)} kB"


def anchor(step: int, statement: int) -> str:
    """What a statement is called within the page.

    Args:
        step: the number of its revision in the plan, from 1.
        statement: its number in the revision, from 1.
    """
    return f"r{step}-{statement}"


def file_of(step: Step, statement: Statement | None, places: Places) -> str:
    """The file that a statement's line counts in, as somebody finds it in the repository.

    Args:
        step: the revision.
        statement: the statement; None for the revision as a whole.
        places: where files stand.
    """
    path = statement.path if statement is not None and statement.path is not None else step.path
    return places.told(path) if path else ""


def statement_anchors(plan: Plan) -> dict[tuple[str, int], str]:
    """By file and line: the first statement that comes from there, as a link within the page."""
    found: dict[tuple[str, int], str] = {}
    for number, step in enumerate(plan.steps, start=1):
        for place, statement in numbered(step):
            if statement.line is not None:
                found.setdefault((statement.path or step.path, statement.line), anchor(number, place))
    return found


def numbered(step: Step) -> Iterable[tuple[int, Statement]]:
    """The statements of a revision with their numbers, from 1."""
    return enumerate(step.statements, start=1)
