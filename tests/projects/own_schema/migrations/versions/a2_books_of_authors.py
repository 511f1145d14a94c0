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
        sa.Column("author_id", sa.Integer, sa.ForeignKey("library.author.id"), nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        schema="library",
    )
    op.create_index("book_author_id", "book", ["author_id"], schema="library")


def downgrade() -> None:
    op.drop_index("book_author_id", table_name="book", schema="library")
    op.drop_table("book", schema="library")
