"""Number of a book"""

import sqlalchemy as sa
from alembic import op

revision = "a3"
down_revision = "a2"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("book", sa.Column("isbn", sa.Text))


def downgrade() -> None:
    op.drop_column("book", "isbn")
