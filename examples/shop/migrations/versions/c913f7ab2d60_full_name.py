"""full name

Revision ID: c913f7ab2d60
Revises: 71f8a3c6b5d2
Create Date: 2025-04-16 09:55:33
"""

from alembic import op

revision = "c913f7ab2d60"
down_revision = "71f8a3c6b5d2"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.alter_column("customers", "name", new_column_name="full_name")


def downgrade() -> None:
    op.alter_column("customers", "full_name", new_column_name="name")
