"""find orders by the time they were placed

Revision ID: a4e8027b5c19
Revises: 7c20b9e4d1f5, 91d3f6a8c2e0
Create Date: 2026-01-14 09:12:03
"""

from alembic import op

revision = "a4e8027b5c19"
down_revision = ("7c20b9e4d1f5", "91d3f6a8c2e0")
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.create_index(
            "ix_orders_placed_at", "orders", ["placed_at"], postgresql_concurrently=True, if_not_exists=True
        )


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.drop_index("ix_orders_placed_at", table_name="orders", postgresql_concurrently=True, if_exists=True)
