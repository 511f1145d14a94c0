"""loyalty points

Revision ID: 91d3f6a8c2e0
Revises: 2e6d94b0f7a3
Create Date: 2026-01-13 16:40:55
"""

import sqlalchemy as sa
from alembic import op

revision = "91d3f6a8c2e0"
down_revision = "2e6d94b0f7a3"
branch_labels = ("loyalty",)
depends_on = None


def upgrade() -> None:
    op.add_column("customers", sa.Column("points", sa.Integer(), server_default="0", nullable=False))
    op.create_index("ix_customers_points", "customers", ["points"])


def downgrade() -> None:
    op.drop_index("ix_customers_points", table_name="customers")
    op.drop_column("customers", "points")
