"""Regions"""

import sqlalchemy as sa
from alembic import op

revision = "a1"
down_revision = None
branch_labels = None
depends_on = None


def upgrade(engine_name: str) -> None:
    op.create_table(f"{engine_name}_region", sa.Column("id", sa.Integer, primary_key=True))


def downgrade(engine_name: str) -> None:
    op.drop_table(f"{engine_name}_region")
