"""How far earlier predictions were off: what was said of revisions, against what they took."""

from __future__ import annotations

from collections.abc import Sequence

from erm_alembic.planning.rehearsal import EarlierPredictions

__all__ = ["earlier_predictions"]

Range = tuple[float, float | None]


def earlier_predictions(times: Sequence[tuple[Range, float]]) -> EarlierPredictions | None:
    """What is to be said of earlier predictions; None where there are none.

    Args:
        times: what was predicted (at least, at most or None), and what it took, in milliseconds.

    Example:
        >>> earlier_predictions([((1, 50), 40.0), ((1, 100), 300.0), ((1, None), 9e9)])
        EarlierPredictions(count=3, kept=2, worst=3.0)
    """
    if not times:
        return None
    late = [took / max(high, 1.0) for (_, high), took in times if high is not None and took > high]
    return EarlierPredictions(len(times), len(times) - len(late), round(max(late, default=1.0), 1))
