"""One scratch database, as those see it who work in it."""

from __future__ import annotations

from dataclasses import dataclass, field

import psycopg2

from erm_alembic.shadow.recipe import Made
from erm_alembic.shadow.server import connected

__all__ = ["ShadowDatabase"]


@dataclass(frozen=True)
class ShadowDatabase:
    """One scratch database, which is dropped when its block ends.

    Args:
        name: its name.
        url: its address as a libpq URI, with the role that revisions run as; never shown.
        notes: what is not as on the target, for a human: another major version, what stands in for what.
        made: what it was made of; None where that is not known.
    """

    name: str
    url: str = field(repr=False)
    notes: tuple[str, ...] = ()
    made: Made | None = field(default=None, repr=False)

    def connect(self) -> psycopg2.extensions.connection:
        """Open a connection; whoever opened it closes it.

        Raises:
            ShadowUnavailable: the shadow's server is gone.
        """
        return connected(self.url)
