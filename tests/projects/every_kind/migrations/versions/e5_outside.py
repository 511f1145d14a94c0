"""What cannot run inside a transaction."""

from alembic import op

revision = "e5"
down_revision = "e4"


def upgrade() -> None:
    op.execute("CREATE TABLE log (what text)")
    with op.get_context().autocommit_block():
        op.create_index("log_by_what", "log", ["what"], postgresql_concurrently=True)
        op.execute("VACUUM log")
    op.execute("COMMENT ON TABLE log IS 'after'")


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.drop_index("log_by_what", table_name="log", postgresql_concurrently=True)
    op.drop_table("log")
