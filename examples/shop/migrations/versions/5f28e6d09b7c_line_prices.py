"""the price of a line is what the customer was asked

Revision ID: 5f28e6d09b7c
Revises: c913f7ab2d60
Create Date: 2025-04-29 14:37:26
"""

import sqlalchemy as sa
from alembic import op

revision = "5f28e6d09b7c"
down_revision = "c913f7ab2d60"
branch_labels = None
depends_on = None


products = sa.table("products", sa.column("id", sa.Integer), sa.column("price_cents", sa.Integer))
order_lines = sa.table("order_lines", sa.column("product_id", sa.Integer), sa.column("unit_price_cents", sa.Integer))

OLD_TOTALS = """
    CREATE VIEW order_totals AS
    SELECT o.id AS order_id,
           o.customer_id,
           coalesce(sum(l.quantity * p.price_cents), 0) AS total_cents
      FROM orders o
      LEFT JOIN order_lines l ON l.order_id = o.id
      LEFT JOIN products p ON p.id = l.product_id
     GROUP BY o.id
"""
NEW_TOTALS = """
    CREATE VIEW order_totals AS
    SELECT o.id AS order_id,
           o.customer_id,
           coalesce(sum(l.quantity * l.unit_price_cents), 0) AS total_cents
      FROM orders o
      LEFT JOIN order_lines l ON l.order_id = o.id
     GROUP BY o.id
"""


def upgrade() -> None:
    op.add_column("order_lines", sa.Column("unit_price_cents", sa.Integer(), nullable=True))
    # Lines written so far take today's price: the best that is still known about them.
    connection = op.get_bind()
    for product_id, price_cents in connection.execute(sa.select(products.c.id, products.c.price_cents)).all():
        connection.execute(
            sa.update(order_lines).where(order_lines.c.product_id == product_id).values(unit_price_cents=price_cents)
        )
    op.alter_column("order_lines", "unit_price_cents", nullable=False)
    op.execute("DROP VIEW order_totals")
    op.execute(NEW_TOTALS)


def downgrade() -> None:
    op.execute("DROP VIEW order_totals")
    op.execute(OLD_TOTALS)
    op.drop_column("order_lines", "unit_price_cents")
