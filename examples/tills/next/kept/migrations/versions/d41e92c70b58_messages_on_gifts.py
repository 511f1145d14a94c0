"""A message on a gift; the reference of the old books stays."""

import sqlalchemy as sa
from alembic import op

revision = "d41e92c70b58"
down_revision = "b94e6d2a7f40"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("sales", sa.Column("gift_message", sa.Text))


def downgrade() -> None:
    op.drop_column("sales", "gift_message")
