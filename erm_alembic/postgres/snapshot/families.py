"""All families of objects that a snapshot reads, in one tuple."""

from __future__ import annotations

from erm_alembic.postgres.snapshot.columns import COLUMNS
from erm_alembic.postgres.snapshot.constraints import CONSTRAINTS
from erm_alembic.postgres.snapshot.indexes import INDEXES
from erm_alembic.postgres.snapshot.tables import TABLES, VIEWS

__all__ = ["FAMILIES"]

FAMILIES = (TABLES, VIEWS, COLUMNS, CONSTRAINTS, INDEXES)
