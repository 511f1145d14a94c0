"""Looks at what is there before it writes."""

import sqlalchemy as sa
from alembic import op

revision = "e3"
down_revision = "e2"

setting = sa.table("setting", sa.column("name"), sa.column("value"))


def upgrade() -> None:
    bind = op.get_bind()
    for name, value in bind.execute(sa.select(setting).order_by(setting.c.name)):
        op.execute(sa.text(f"CREATE TABLE kept_{name} AS SELECT '{value}' AS value"))
    if "value" in {column["name"] for column in sa.inspect(bind).get_columns("setting")}:
        op.execute("ALTER TABLE setting ALTER value SET STORAGE EXTERNAL")
    if bind.execute(sa.text("SELECT to_regclass('never_there')")).scalar() is None:
        op.execute("CREATE SEQUENCE now_there")


def downgrade() -> None:
    op.execute("DROP SEQUENCE now_there")
    for name in ("mode", "colour"):
        op.drop_table(f"kept_{name}")
