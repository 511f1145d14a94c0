"""orders by customer

Revision ID: 96b3e1f5a7d4
Revises: d8047ca1e35b
Create Date: 2025-06-17 18:44:50
"""

from alembic import op

revision = "96b3e1f5a7d4"
down_revision = "d8047ca1e35b"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Outside a transaction: the shop goes on selling while the index is built.
    with op.get_context().autocommit_block():
        op.create_index(
            "ix_orders_customer_id_placed_at",
            "orders",
            ["customer_id", "placed_at"],
            postgresql_concurrently=True,
            if_not_exists=True,
        )


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.drop_index(
            "ix_orders_customer_id_placed_at",
            table_name="orders",
            postgresql_concurrently=True,
            if_exists=True,
        )
