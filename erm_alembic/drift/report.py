"""What `erm drift` found: a value for Python callers, and for what renders it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from erm_alembic.planning.comparison import Comparison, LeftOut
from erm_alembic.planning.model import Drift

if TYPE_CHECKING:
    from erm_alembic.drift.database import DatabaseDrift

__all__ = ["DriftReport"]


@dataclass(frozen=True)
class DriftReport:
    """What `erm drift` found.

    Args:
        environment: the profile.
        database_url: the target's URL without its password.
        server_version: the server's version.
        current: the revisions recorded in the database.
        drift: the differences, without what `drift.ignore` names.
        comparisons: how each comparison ended.
        left_out: what `drift.ignore` left out.
        unused: items of `drift.ignore` that left out nothing, where everything was compared.
        notes: what to know besides.
        against: the profile whose database is expected, where two were compared.
        database: the comparison of the database, for whoever writes a way out of it.
        to_adopt: whether a revision could take over any of what differs in the database.
    """

    environment: str
    database_url: str
    server_version: str
    current: tuple[str, ...]
    drift: tuple[Drift, ...]
    comparisons: tuple[Comparison, ...]
    left_out: tuple[LeftOut, ...] = ()
    unused: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    against: str | None = None
    database: DatabaseDrift | None = field(default=None, repr=False, compare=False)
    to_adopt: bool = False

    @property
    def agrees(self) -> bool:
        """Whether there is no drift, and that is known."""
        return not self.drift and all(each.verdict == "same" for each in self.comparisons)
