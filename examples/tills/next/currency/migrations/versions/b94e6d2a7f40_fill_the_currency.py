"""The currency of the sales of before: filled in batches, while the tills go on."""

from alembic import op

revision = "b94e6d2a7f40"
down_revision = "b27d1f0c84e6"
branch_labels = None
depends_on = None

# In batches of which each is committed by itself, with a pause between two: the replicas keep up.
FILL = """
DO $$
DECLARE first bigint := 0; last bigint; step bigint; filled bigint;
BEGIN
  SELECT coalesce(max(id), 0) INTO last FROM sales;
  step := greatest(last / 40, 50);
  WHILE first <= last LOOP
    UPDATE sales SET currency = 'EUR' WHERE id > first AND id <= first + step AND currency IS NULL;
    GET DIAGNOSTICS filled = ROW_COUNT;
    COMMIT;
    first := first + step;
    IF filled > 0 THEN PERFORM pg_sleep(0.6); END IF;
  END LOOP;
END $$
"""


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute(FILL)
        op.create_index("sales_by_till", "sales", ["till_id", "number"], postgresql_concurrently=True)


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.drop_index("sales_by_till", "sales", postgresql_concurrently=True)
