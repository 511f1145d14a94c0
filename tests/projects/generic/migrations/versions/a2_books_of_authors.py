"""Books of authors"""

import sqlalchemy as sa
from alembic import op

revision = "a2"
down_revision = "a1"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "book",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("author_id", sa.Integer, sa.ForeignKey("author.id"), nullable=False),
        sa.Column("title", sa.Text, nullable=False),
    )
    op.create_index("book_author_id", "book", ["author_id"])


def downgrade() -> None:
    op.drop_index("book_author_id")
    op.drop_table("book")
