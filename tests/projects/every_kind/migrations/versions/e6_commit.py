"""Ends its transaction by itself."""

from alembic import op

revision = "e6"
down_revision = "e5"


def upgrade() -> None:
    op.execute("INSERT INTO log VALUES ('before')")
    op.execute("COMMIT")
    op.execute("ALTER TYPE mood ADD VALUE 'sleepy'")
    op.execute("BEGIN")
    op.execute("INSERT INTO log VALUES ('behind')")


def downgrade() -> None:
    op.execute("DELETE FROM log")
