"""order totals

Revision ID: e2c71b54d08f
Revises: 0d9a6f2b8e13
Create Date: 2025-03-25 11:48:57
"""

from alembic import op

revision = "e2c71b54d08f"
down_revision = "0d9a6f2b8e13"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE VIEW order_totals AS
        SELECT o.id AS order_id,
               o.customer_id,
               coalesce(sum(l.quantity * p.price_cents), 0) AS total_cents
          FROM orders o
          LEFT JOIN order_lines l ON l.order_id = o.id
          LEFT JOIN products p ON p.id = l.product_id
         GROUP BY o.id
        """
    )


def downgrade() -> None:
    op.execute("DROP VIEW order_totals")
