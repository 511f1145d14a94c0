"""shipments

Revision ID: a60c5d8f92e4
Revises: 4be90d37c1a6
Create Date: 2025-04-22 16:15:08
"""

import sqlalchemy as sa
from alembic import op

revision = "a60c5d8f92e4"
down_revision = "4be90d37c1a6"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "shipments",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("order_id", sa.Integer(), nullable=False),
        sa.Column("method_id", sa.Integer(), nullable=False),
        sa.Column("tracking", sa.String(80), nullable=True),
        sa.Column("sent_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_shipments"),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name="fk_shipments_order_id_orders"),
        sa.ForeignKeyConstraint(["method_id"], ["shipping_methods.id"], name="fk_shipments_method_id_shipping_methods"),
    )
    op.create_index("ix_shipments_order_id", "shipments", ["order_id"])
    op.create_index("ix_shipments_method_id", "shipments", ["method_id"])


def downgrade() -> None:
    op.drop_index("ix_shipments_method_id", table_name="shipments")
    op.drop_index("ix_shipments_order_id", table_name="shipments")
    op.drop_table("shipments")
