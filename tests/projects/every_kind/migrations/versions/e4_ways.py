"""Ways around: a batch, a session, a helper, a savepoint, a connection of its own, a DO block."""

import sqlalchemy as sa
from alembic import op
from helpers import add_touched_at
from sqlalchemy.orm import Session

revision = "e4"
down_revision = "e3"

setting = sa.table("setting", sa.column("name"), sa.column("value"))


def upgrade() -> None:
    with op.batch_alter_table("setting") as batch:
        batch.add_column(sa.Column("note", sa.Text))
        batch.create_unique_constraint("setting_value", ["value"])
    session = Session(bind=op.get_bind())
    session.execute(sa.update(setting).where(setting.c.name == "mode").values(value="slow"))
    session.flush()
    add_touched_at("city")
    with op.get_bind().begin_nested():
        op.execute("UPDATE city SET people = people + 1")
    op.execute(setting.insert().values(name="font", value="serif"))
    op.execute("DO $$ BEGIN PERFORM count(*) FROM city; END $$")
    op.execute("SELECT setval('counter', 41)")
    with op.get_bind().engine.connect() as other:
        other.execute(sa.text("INSERT INTO city_log VALUES (:what)"), {"what": "seen"})
        other.commit()


def downgrade() -> None:
    op.execute("DELETE FROM city_log")
    op.execute(setting.delete().where(setting.c.name == "font"))
    op.drop_column("city", "touched_at")
    with op.batch_alter_table("setting") as batch:
        batch.drop_constraint("setting_value", type_="unique")
        batch.drop_column("note")
