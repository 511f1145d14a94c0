"""catalogue

Revision ID: 8c4d2e91f6a0
Revises: 3a1f5c0e7b21
Create Date: 2025-03-05 15:40:02
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "8c4d2e91f6a0"
down_revision = "3a1f5c0e7b21"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "products",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("sku", sa.String(40), nullable=False),
        sa.Column("title", sa.String(200), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("price_cents", sa.Integer(), nullable=False, comment="in the shop's currency, tax included"),
        sa.Column("stock", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("attributes", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_products"),
        sa.UniqueConstraint("sku", name="uq_products_sku"),
    )
    op.create_check_constraint(op.f("ck_products_price_not_negative"), "products", "price_cents >= 0")
    op.create_check_constraint(op.f("ck_products_stock_not_negative"), "products", "stock >= 0")


def downgrade() -> None:
    op.drop_constraint(op.f("ck_products_stock_not_negative"), "products", type_="check")
    op.drop_constraint(op.f("ck_products_price_not_negative"), "products", type_="check")
    op.drop_table("products")
