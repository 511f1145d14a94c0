"""shipping methods

Revision ID: 4be90d37c1a6
Revises: 71f8a3c6b5d2
Create Date: 2025-04-14 13:02:41
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "4be90d37c1a6"
down_revision = "71f8a3c6b5d2"
branch_labels = ("logistics",)
depends_on = None


def upgrade() -> None:
    shipping_methods = op.create_table(
        "shipping_methods",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("code", sa.String(20), nullable=False),
        sa.Column("rates", postgresql.JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_shipping_methods"),
        sa.UniqueConstraint("code", name="uq_shipping_methods_code"),
    )
    op.bulk_insert(
        shipping_methods,
        [
            {"code": "standard", "rates": {"domestic": 390, "abroad": 990, "free_from": 5000}},
            {"code": "express", "rates": {"domestic": 890, "abroad": 2490, "free_from": None}},
            {"code": "pickup", "rates": {"domestic": 0, "places": ["harbour", "station"]}},
        ],
    )


def downgrade() -> None:
    op.drop_table("shipping_methods")
