"""Member"""

import sqlalchemy as sa
from alembic import op

revision = "c2"
down_revision = "c1"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table("member", sa.Column("id", sa.Integer, primary_key=True))


def downgrade() -> None:
    op.drop_table("member")
