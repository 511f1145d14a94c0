"""keep updated_at

Revision ID: 71f8a3c6b5d2
Revises: e2c71b54d08f
Create Date: 2025-04-02 08:30:19
"""

from alembic import op

revision = "71f8a3c6b5d2"
down_revision = "e2c71b54d08f"
branch_labels = None
depends_on = None


TABLES = ("products", "orders")


def upgrade() -> None:
    op.execute(
        """
        CREATE FUNCTION touch_updated_at() RETURNS trigger LANGUAGE plpgsql AS $body$
        BEGIN
            NEW.updated_at := now();
            RETURN NEW;
        END
        $body$
        """
    )
    for table in TABLES:
        op.execute(
            f"CREATE TRIGGER {table}_touch BEFORE UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION touch_updated_at()"
        )


def downgrade() -> None:
    for table in reversed(TABLES):
        op.execute(f"DROP TRIGGER {table}_touch ON {table}")
    op.execute("DROP FUNCTION touch_updated_at()")
