"""refunds

Revision ID: f1a85d3c60e9
Revises: 96b3e1f5a7d4
Create Date: 2025-09-09 12:20:05
"""

import sqlalchemy as sa
from alembic import op

revision = "f1a85d3c60e9"
down_revision = "96b3e1f5a7d4"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("ALTER TYPE order_status ADD VALUE IF NOT EXISTS 'refunded'")


def downgrade() -> None:
    # PostgreSQL cannot take a value out of an enum: the old type is built beside the new one. What hangs on
    # the column (its default, the partial index) goes away for the while. A refunded order becomes a
    # cancelled one.
    op.execute("UPDATE orders SET status = 'cancelled' WHERE status = 'refunded'")
    op.drop_index("ix_orders_open", table_name="orders")
    op.execute("ALTER TABLE orders ALTER COLUMN status DROP DEFAULT")
    op.execute("ALTER TYPE order_status RENAME TO order_status_new")
    op.execute("CREATE TYPE order_status AS ENUM ('cart', 'placed', 'paid', 'shipped', 'cancelled')")
    op.execute("ALTER TABLE orders ALTER COLUMN status TYPE order_status USING status::text::order_status")
    op.execute("ALTER TABLE orders ALTER COLUMN status SET DEFAULT 'cart'")
    op.execute("DROP TYPE order_status_new")
    op.create_index(
        "ix_orders_open",
        "orders",
        ["placed_at"],
        postgresql_where=sa.text("status IN ('placed', 'paid')"),
    )
