"""merge logistics

Revision ID: d8047ca1e35b
Revises: a60c5d8f92e4, 5f28e6d09b7c
Create Date: 2025-05-02 10:00:12
"""

revision = "d8047ca1e35b"
down_revision = ("a60c5d8f92e4", "5f28e6d09b7c")
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass
