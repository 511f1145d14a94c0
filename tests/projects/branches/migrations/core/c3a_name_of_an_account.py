"""Name of an account"""

import sqlalchemy as sa
from alembic import op

revision = "c3a"
down_revision = "c2"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("account", sa.Column("name", sa.Text))


def downgrade() -> None:
    op.drop_column("account", "name")
