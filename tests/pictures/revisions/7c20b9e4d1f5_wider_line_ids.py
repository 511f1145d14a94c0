"""wider ids of order lines

Revision ID: 7c20b9e4d1f5
Revises: 2e6d94b0f7a3
Create Date: 2026-01-12 10:04:21
"""

import sqlalchemy as sa
from alembic import op

revision = "7c20b9e4d1f5"
down_revision = "2e6d94b0f7a3"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.alter_column("order_lines", "id", type_=sa.BigInteger(), existing_nullable=False)


def downgrade() -> None:
    op.alter_column("order_lines", "id", type_=sa.Integer(), existing_nullable=False)
