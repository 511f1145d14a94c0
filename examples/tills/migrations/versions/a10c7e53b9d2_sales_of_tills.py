"""Customers, tills and sales."""

import sqlalchemy as sa
from alembic import op

revision = "a10c7e53b9d2"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "customers",
        sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
    )
    op.create_table(
        "tills",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("last_sale", sa.Integer, server_default="0", nullable=False),
    )
    op.create_table(
        "sales",
        sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("customer_id", sa.BigInteger, sa.ForeignKey("customers.id"), nullable=False),
        sa.Column("till_id", sa.Integer),
        sa.Column("number", sa.Integer),
        sa.Column("cents", sa.BigInteger, nullable=False),
        sa.Column("old_reference", sa.Text),
        sa.Column("sold_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
    )
    op.create_index("sales_by_customer", "sales", ["customer_id"])


def downgrade() -> None:
    op.drop_table("sales")
    op.drop_table("tills")
    op.drop_table("customers")
