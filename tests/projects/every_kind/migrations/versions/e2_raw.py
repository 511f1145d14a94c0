"""Rows through the driver itself."""

import io

import sqlalchemy as sa
from alembic import op
from psycopg2 import sql
from psycopg2.extras import DictCursor, execute_batch, execute_values

revision = "e2"
down_revision = "e1"


def upgrade() -> None:
    op.create_table("city", sa.Column("name", sa.Text), sa.Column("people", sa.Integer))
    raw = op.get_bind().connection
    with raw.cursor() as cursor:
        cursor.execute("INSERT INTO city (name, people) VALUES (%s, %s)", ("Rome", 2800000))
        cursor.executemany("INSERT INTO city (name) VALUES (%s)", [("Oslo",), ("Bern",)])
        execute_values(cursor, "INSERT INTO city (name, people) VALUES %s", [("Lima", 1), ("Kiel", 2)])
        execute_batch(cursor, "UPDATE city SET people = %s WHERE name = %s", [(5, "Oslo"), (6, "Bern")])
        cursor.copy_expert("COPY city FROM STDIN WITH (FORMAT csv)", io.StringIO("Nice,340000\nBonn,330000\n"))
        cursor.copy_from(io.StringIO("Graz\t290000\n"), "city", columns=("name", "people"))
        cursor.execute(sql.SQL("ALTER TABLE {} ADD {} text").format(sql.Identifier("city"), sql.Identifier("a b")))
    with raw.cursor(cursor_factory=DictCursor) as cursor:
        cursor.execute("UPDATE city SET people = 0 WHERE people IS NULL")
    op.get_bind().exec_driver_sql("DELETE FROM city WHERE people = %s", (0,))


def downgrade() -> None:
    op.drop_table("city")
