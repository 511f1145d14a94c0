"""`erm rebase`: a revision that came late is put on top; several heads are made linear, or merged."""

from __future__ import annotations

from erm_alembic.planning.rebases import Move, Rebased
from erm_alembic.rebase.rebase import merge, rebase

__all__ = ["Move", "Rebased", "merge", "rebase"]
