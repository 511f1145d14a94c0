"""`erm repair` of what is not half done: a damaged record of history, found, explained, and mended when told."""

from __future__ import annotations

from erm_alembic.mending.finding import Examination, examine
from erm_alembic.mending.mending import mend
from erm_alembic.planning.damages import Damage, Exit, Mended

__all__ = ["Damage", "Examination", "Exit", "Mended", "examine", "mend"]
