"""Merge name and mail"""

revision = "c4"
down_revision = ("c3a", "c3b")
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Join two lines of history."""


def downgrade() -> None:
    """Part them again."""
