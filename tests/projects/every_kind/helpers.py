"""What several revisions share."""

import sqlalchemy as sa
from alembic import op


def add_touched_at(table: str) -> None:
    """Give a table a column that says when a row was changed."""
    op.add_column(table, sa.Column("touched_at", sa.DateTime(timezone=True), server_default=sa.func.now()))
