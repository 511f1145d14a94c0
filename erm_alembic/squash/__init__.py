"""`erm squash`: one revision that equals many, proven in the shadow; the old files are kept."""

from __future__ import annotations

from erm_alembic.planning.squashes import Squashed
from erm_alembic.squash.squash import continue_squash, squash, undo_squash

__all__ = ["Squashed", "continue_squash", "squash", "undo_squash"]
