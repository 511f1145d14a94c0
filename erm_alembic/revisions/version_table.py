"""Alembic's own version table: the statement that creates it, for a script on a database that has none.

`MigrationContext._version` and `_has_version_table` are private; tests/revisions/test_alembic_names.py watches them.
"""

from __future__ import annotations

from alembic.runtime.migration import MigrationContext
from sqlalchemy.schema import CreateTable

__all__ = ["missing_version_table"]


def missing_version_table(context: MigrationContext) -> str | None:
    """The CREATE TABLE of Alembic's version table; None when the table exists.

    Args:
        context: Alembic's context as env.py configured it.
    """
    if context._has_version_table():
        return None
    return str(CreateTable(context._version).compile(dialect=context.dialect)).strip()
