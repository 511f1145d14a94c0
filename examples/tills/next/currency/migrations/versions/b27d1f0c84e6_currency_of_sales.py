"""A currency for each sale."""

import sqlalchemy as sa
from alembic import op

revision = "b27d1f0c84e6"
down_revision = "a10c7e53b9d2"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("sales", sa.Column("currency", sa.Text))
    op.alter_column("sales", "currency", server_default="EUR")


def downgrade() -> None:
    op.drop_column("sales", "currency")
