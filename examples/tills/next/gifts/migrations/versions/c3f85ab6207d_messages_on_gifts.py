"""A message on a gift; the reference of the old books makes room for it."""

import sqlalchemy as sa
from alembic import op

revision = "c3f85ab6207d"
down_revision = "b94e6d2a7f40"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("sales", sa.Column("gift_message", sa.Text))
    op.drop_column("sales", "old_reference")


def downgrade() -> None:
    op.add_column("sales", sa.Column("old_reference", sa.Text))
    op.drop_column("sales", "gift_message")
