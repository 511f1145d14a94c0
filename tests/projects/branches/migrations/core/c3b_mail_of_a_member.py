"""Mail of a member"""

import sqlalchemy as sa
from alembic import op

revision = "c3b"
down_revision = "c2"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("member", sa.Column("mail", sa.Text))


def downgrade() -> None:
    op.drop_column("member", "mail")
