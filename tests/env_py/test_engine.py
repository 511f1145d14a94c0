"""What env.py's own engine and connection do holds under erm: the database comes out as with plain `alembic`."""

from __future__ import annotations

import pytest

from tests.env_py.alike import Twice

SAYS = """
said = op.create_table("said", sa.Column("name", sa.Text), sa.Column("value", sa.Text))
for name in ("app.tenant", "timezone", "transaction_isolation", "search_path", "datestyle", "work_mem", "role"):
    op.execute(said.insert().values(name=name, value=sa.func.current_setting(name, True)))
"""
# Plain operations: what was planned is sent as it is, unless something listens.
PLAIN = """
t = op.create_table(
    "t", sa.Column("id", sa.Integer, primary_key=True), sa.Column("doc", sa.JSON), sa.Column("body", sa.Text)
)
op.create_index("ix_t_body", "t", ["body"])
op.bulk_insert(t, [{"id": 1, "doc": {"a": 1}}])
"""
SECOND = """
t_id = sa.Column("t_id", sa.Integer, sa.ForeignKey("t.id"))
op.create_table("u", sa.Column("id", sa.Integer, primary_key=True), t_id)
body = sa.func.coalesce(sa.func.current_setting("app.tenant", True), "-")
op.execute(sa.Table("t", sa.MetaData(), sa.Column("body", sa.Text)).update().values(body=body))
"""
TENANT = "CREATE SCHEMA tenant1"
AUDIT = "CREATE TABLE audit (id serial, said text)"

ENGINES = {
    "a schema_translate_map on the connection": (
        TENANT,
        'run(create_engine(URL).execution_options(schema_translate_map={None: "tenant1"}))',
    ),
    "a schema_translate_map among the engine's own options": (
        TENANT,
        'run(create_engine(URL, execution_options={"schema_translate_map": {None: "tenant1"}}))',
    ),
    "a schema_translate_map that is set after configure()": (
        TENANT,
        """
with create_engine(URL).connect() as connection:
    context.configure(connection=connection, version_table_schema="public")
    connection.execution_options(schema_translate_map={None: "tenant1"})
    with context.begin_transaction():
        context.run_migrations()
""",
    ),
    "a translated schema with the version table in another one": (
        TENANT,
        'run(create_engine(URL).execution_options(schema_translate_map={None: "tenant1"}), '
        'version_table_schema="public")',
    ),
    "before_cursor_execute that changes the text": (
        "",
        """
engine = create_engine(URL)
@event.listens_for(engine, "before_cursor_execute", retval=True)
def change(conn, cursor, statement, parameters, context, executemany):
    if "CREATE TABLE t" in statement:
        statement += " WITH (fillfactor=70)"
    return statement, parameters
run(engine)
""",
    ),
    "before_execute that changes the statement": (
        "",
        """
engine = create_engine(URL)
@event.listens_for(engine, "before_execute", retval=True)
def change(conn, clause, multiparams, params, execution_options):
    if getattr(clause, "is_update", False) and clause.table.name == "t":
        clause = text("UPDATE t SET body = 'changed'")
    return clause, multiparams, params
run(engine)
""",
    ),
    "after_cursor_execute that keeps an audit": (
        AUDIT,
        """
engine = create_engine(URL)
@event.listens_for(engine, "after_cursor_execute")
def audit(conn, cursor, statement, parameters, context, executemany):
    if "CREATE" in statement and "alembic_version" not in statement:
        conn.exec_driver_sql("INSERT INTO audit (said) VALUES (%s)", (" ".join(statement.split()),))
run(engine)
""",
    ),
    "listeners on the connection alone": (
        AUDIT,
        """
with create_engine(URL).connect() as connection:
    @event.listens_for(connection, "after_cursor_execute")
    def audit(conn, cursor, statement, parameters, context, executemany):
        if "CREATE TABLE t" in statement or "CREATE TABLE u" in statement:
            conn.exec_driver_sql("INSERT INTO audit (said) VALUES ('seen')")
    run_on(connection)
""",
    ),
    "a begin listener that sets the transaction up": (
        "",
        """
engine = create_engine(URL)
@event.listens_for(engine, "begin")
def tenant(conn):
    conn.exec_driver_sql("SET LOCAL app.tenant = 'begun'")
run(engine)
""",
    ),
    "a commit listener that writes": (
        AUDIT,
        """
engine = create_engine(URL)
@event.listens_for(engine, "commit")
def committed(conn):
    conn.exec_driver_sql("INSERT INTO audit (said) SELECT 'committed' WHERE to_regclass('t') IS NOT NULL"
                         " AND NOT EXISTS (SELECT FROM audit)")
run(engine)
""",
    ),
    "a connect listener that sets the session up": (
        "",
        """
engine = create_engine(URL)
@event.listens_for(engine, "connect")
def connected(dbapi_connection, record):
    before, dbapi_connection.autocommit = dbapi_connection.autocommit, True
    cursor = dbapi_connection.cursor()
    cursor.execute("SET SESSION app.tenant = 'connected'")
    cursor.execute("SET TIME ZONE 'Asia/Tokyo'")
    cursor.close()
    dbapi_connection.autocommit = before
run(engine)
""",
    ),
    "a checkout listener that sets the session up": (
        "",
        """
engine = create_engine(URL)
@event.listens_for(engine, "checkout")
def taken(dbapi_connection, record, proxy):
    cursor = dbapi_connection.cursor()
    cursor.execute("SET app.tenant = 'taken'")
    dbapi_connection.commit()
run(engine)
""",
    ),
    "a json_serializer": (
        "",
        """
import json
run(create_engine(URL, json_serializer=lambda value: json.dumps({"wrapped": value}, indent=1)))
""",
    ),
    "a custom setting in a statement": (
        "",
        """
with create_engine(URL).connect() as connection:
    connection.execute(text("SET app.tenant = 'set'"))
    connection.commit()
    run_on(connection)
""",
    ),
    "custom settings by set_config() and by a cursor of the driver": (
        "",
        """
with create_engine(URL).connect() as connection:
    connection.execute(text("SELECT set_config(:name, 'configured', false)"), {"name": "app.tenant"})
    with connection.connection.cursor() as cursor:
        cursor.execute("SET app.more = 'x'; SET DateStyle = 'German, DMY'")
    connection.commit()
    run_on(connection)
""",
    ),
    "a custom setting for the transaction": (
        "",
        """
with create_engine(URL).connect() as connection, connection.begin():
    connection.execute(text("SET LOCAL app.tenant = 'local'"))
    run_on(connection)
""",
    ),
    "settings among the connect arguments": (
        "",
        """
run(create_engine(URL, connect_args={"options": "-c app.tenant=optional -c work_mem=5MB --timezone=Asia/Tokyo"}))
""",
    ),
    "isolation_level of the engine": ("", 'run(create_engine(URL, isolation_level="SERIALIZABLE"))'),
    "isolation_level among the execution options": (
        "",
        'run(create_engine(URL, execution_options={"isolation_level": "REPEATABLE READ"}))',
    ),
    "isolation_level set on the connection": (
        "",
        """
with create_engine(URL).connect() as connection:
    run_on(connection.execution_options(isolation_level="SERIALIZABLE"))
""",
    ),
    "an engine of options over a class of listeners": (
        TENANT,
        """
engine = create_engine(URL, echo=False, pool_pre_ping=True).execution_options(schema_translate_map={"x": "tenant1"})
@event.listens_for(engine, "begin")
def tenant(conn):
    conn.exec_driver_sql("SET LOCAL app.tenant = 'optional'")
run(engine)
""",
    ),
    "a connection of asyncpg with listeners and a serializer": (
        "",
        """
import asyncio, json
from sqlalchemy.ext.asyncio import create_async_engine
# driver: asyncpg
engine = create_async_engine(URL, json_serializer=lambda v: json.dumps([v]), isolation_level="SERIALIZABLE",
                             connect_args={"server_settings": {"app.tenant": "async", "work_mem": "6MB"}})
@event.listens_for(engine.sync_engine, "before_cursor_execute", retval=True)
def change(conn, cursor, statement, parameters, context, executemany):
    return statement + (" WITH (fillfactor=60)" if "CREATE TABLE t" in statement else ""), parameters
async def main():
    async with engine.connect() as connection:
        await connection.run_sync(run_on)
    await engine.dispose()
asyncio.run(main())
""",
    ),
    "a connection of psycopg 3 with listeners and a translated schema": (
        TENANT,
        """
# driver: psycopg
engine = create_engine(URL, isolation_level="REPEATABLE READ")
@event.listens_for(engine, "connect")
def connected(dbapi_connection, record):
    cursor = dbapi_connection.cursor()
    cursor.execute("SET app.tenant = 'three'")
    dbapi_connection.commit()
@event.listens_for(engine, "begin")
def begun(conn):
    conn.exec_driver_sql("SET LOCAL work_mem = '7MB'")
run(engine.execution_options(schema_translate_map={None: "tenant1"}), version_table_schema="tenant1")
""",
    ),
}


@pytest.mark.parametrize(("before", "body"), ENGINES.values(), ids=ENGINES.keys())
def test_the_database_comes_out_as_with_plain_alembic(before: str, body: str, deployed_twice: Twice) -> None:
    """Catalog, owners and rows are the same under erm and under plain alembic."""
    if before:
        deployed_twice.both(before)
    deployed_twice.env_py(body)
    deployed_twice.project.revision("r1", PLAIN)
    deployed_twice.project.revision("r2", SECOND, down="r1")
    deployed_twice.project.revision("r3", SAYS, down="r2")
    deployed_twice.up()


CALLBACK = """
def keep(ctx, step, heads, run_args):
    ctx.connection.execute(text("INSERT INTO audit (said) VALUES (:said)"), {"said": f"{step.up_revision_id} {heads}"})
run(create_engine(URL), on_version_apply=keep)
"""


def test_callbacks_of_a_step_are_planned_and_run_with_it(deployed_twice: Twice) -> None:
    """on_version_apply runs with each revision, is told what the database then records, and stands in the plan."""
    deployed_twice.both(AUDIT)
    deployed_twice.env_py(CALLBACK)
    deployed_twice.project.revision("r1", PLAIN)
    deployed_twice.project.revision("r2", SECOND, down="r1")
    assert "INSERT INTO audit" in deployed_twice.project.erm("migrate", "--mode", "plan").stdout
    deployed_twice.up()


def test_a_callback_that_asks_the_version_table_is_refused(deployed_twice: Twice) -> None:
    """Under erm the version table is written after the callback, which must not see another state than Alembic's."""
    deployed_twice.env_py(
        "def keep(ctx, **_):\n"
        "    ctx.connection.execute(text('SELECT * FROM alembic_version'))\n"
        "run(create_engine(URL), on_version_apply=keep)\n"
    )
    deployed_twice.project.revision("r1", PLAIN)
    done = deployed_twice.project.apply()
    assert done.returncode == 1
    assert "on_version_apply works on Alembic's version table (alembic_version)" in done.stderr


def test_an_engine_that_commits_each_statement_runs_what_no_transaction_allows(deployed_twice: Twice) -> None:
    """With AUTOCOMMIT a revision builds an index concurrently without an autocommit block, as under plain Alembic."""
    deployed_twice.env_py('run(create_engine(URL, isolation_level="AUTOCOMMIT"))')
    deployed_twice.project.revision("r1", PLAIN)
    concurrently = 'op.execute("CREATE INDEX CONCURRENTLY ix_doc ON t (id)")'
    deployed_twice.project.revision("r2", concurrently, down="r1")
    deployed_twice.up()


@pytest.mark.parametrize(
    ("body", "what"),
    [
        ("connection.execute(text('SET SESSION AUTHORIZATION other_login'))", "acts as the login role other_login"),
        ("connection.execute(text('SET default_transaction_read_only = on'))", "makes its session one that only reads"),
        ("connection.execute(text('CREATE TEMP TABLE mine (id int)'))", "makes temporary tables"),
        ("connection.execute(text('SET standard_conforming_strings = off'))", "sets standard_conforming_strings"),
    ],
)
def test_what_cannot_be_carried_over_is_refused_by_name(body: str, what: str, deployed_twice: Twice) -> None:
    """What env.py does to its session is never lost in silence: erm says what it is, and runs nothing."""
    deployed_twice.adopted.execute(
        "DO $$ BEGIN CREATE ROLE other_login LOGIN SUPERUSER; EXCEPTION WHEN duplicate_object THEN NULL; END $$"
    )
    deployed_twice.env_py(
        f"with create_engine(URL).connect() as connection:\n    {body}\n    connection.commit()\n"
        "    run_on(connection)\n"
    )
    deployed_twice.project.revision("r1", PLAIN)
    done = deployed_twice.project.apply()
    assert done.returncode == 1
    assert what in done.stderr
    assert deployed_twice.adopted.execute("SELECT to_regclass('t')") == [(None,)]


def test_a_callback_that_came_after_the_approval_is_refused(deployed_twice: Twice) -> None:
    """What a callback sends is a part of what was approved: another statement of it does not run."""
    project = deployed_twice.project
    deployed_twice.env_py("run(create_engine(URL))")
    project.revision("r1", PLAIN)
    assert project.erm("migrate", "--mode", "plan", "--out", "p.json").returncode == 0
    deployed_twice.env_py(
        "run(create_engine(URL), on_version_apply=lambda ctx, **_: ctx.connection.exec_driver_sql('DROP TABLE t'))"
    )
    done = project.erm("migrate", "--plan", "p.json")
    assert done.returncode == 1
    assert "found:    DROP TABLE t" in done.stderr
