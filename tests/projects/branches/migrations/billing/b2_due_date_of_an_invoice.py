"""Due date of an invoice"""

import sqlalchemy as sa
from alembic import op

revision = "b2"
down_revision = "b1"
branch_labels = None
depends_on = "c4"


def upgrade() -> None:
    op.add_column("invoice", sa.Column("due", sa.Date))


def downgrade() -> None:
    op.drop_column("invoice", "due")
