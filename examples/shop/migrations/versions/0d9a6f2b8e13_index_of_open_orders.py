"""index of open orders

Revision ID: 0d9a6f2b8e13
Revises: b57e03d4a9c8
Create Date: 2025-03-18 17:22:10
"""

import sqlalchemy as sa
from alembic import op

revision = "0d9a6f2b8e13"
down_revision = "b57e03d4a9c8"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_orders_open",
        "orders",
        ["placed_at"],
        postgresql_where=sa.text("status IN ('placed', 'paid')"),
    )


def downgrade() -> None:
    op.drop_index("ix_orders_open", table_name="orders")
