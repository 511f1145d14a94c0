"""The refusal of a run that found another database than the one that it was planned for."""

from __future__ import annotations

from erm_alembic.errors import Refused

__all__ = ["NOTHING_RUN", "changed_since_plan"]

NOTHING_RUN = "No revision was run."


def changed_since_plan(heads: tuple[str, ...], why: str = "another deployment has just run") -> Refused:
    """Other revisions are recorded than when it was planned.

    Args:
        heads: those that are recorded now.
        why: how that came about, as far as it is known.

    Example:
        >>> changed_since_plan(("b2", "a1")).what
        'The database changed after it was planned: it now records a1, b2.'
    """
    return Refused(
        f"The database changed after it was planned: it now records {', '.join(sorted(heads)) or 'no revision'}.",
        effect=NOTHING_RUN,
        cure=f"Plan again; {why}.",
    )
