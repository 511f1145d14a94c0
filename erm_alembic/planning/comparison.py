"""What came of a comparison that looks for drift, beside the differences themselves."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

__all__ = ["Comparison", "LeftOut", "Verdict"]

Verdict = Literal["same", "differs", "unknown"]


@dataclass(frozen=True)
class Comparison:
    """How one comparison ended.

    Args:
        source: what was compared: `history`, `database` or `models`.
        verdict: `same`, `differs`, or `unknown` where it could not be made.
        reason: why it is `unknown`; None when it is not.
        notes: what to know of it: what the shadow stands in for, another major version.
    """

    source: Literal["history", "database", "models"]
    verdict: Verdict
    reason: str | None = None
    notes: tuple[str, ...] = field(default=(), compare=False)


@dataclass(frozen=True)
class LeftOut:
    """What one item of `drift.ignore` left out, or a table that is another tool's history.

    Args:
        item: the item, as in `index public.tmp_*`; for a history, the table and whose it is.
        count: how many differences it left out.
    """

    item: str
    count: int
