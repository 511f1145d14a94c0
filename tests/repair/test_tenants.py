"""One database, a schema a tenant: what is half done in one of them is not in another."""

from __future__ import annotations

import json

from tests.faults.deploying import Project
from tests.repair.halves import DOWN, UP, execute

ENV_PY = """
from alembic import context
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

tenant = context.get_x_argument(as_dictionary=True)["tenant"]
engine = create_engine(context.config.get_main_option("sqlalchemy.url"), poolclass=NullPool)
with engine.connect() as connection:
    connection.execute(text(f'SET search_path TO "{tenant}"'))
    connection.commit()
    context.configure(connection=connection, version_table_schema=tenant)
    with context.begin_transaction():
        context.run_migrations()
"""


def tables(project: Project, tenant: str) -> set[str]:
    """The tables of a tenant."""
    assert project.database is not None
    rows = project.database.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s", tenant)
    return {row[0] for row in rows}


def test_a_tenant_does_not_go_on_with_what_another_one_has_half_done(project: Project) -> None:
    """Each tenant runs all of a revision that failed half-way for another one, and each half is repaired by itself."""
    tenants = ("a%s", "b'")
    project.env_py(ENV_PY)
    for tenant in tenants:
        execute(project, f'CREATE SCHEMA "{tenant}"')
        assert project.apply("-x", f"tenant={tenant}").returncode == 0
    project.revision("b2", UP, DOWN, down="a1")
    assert project.database is not None
    for tenant in tenants:
        project.database.execute(f'INSERT INTO "{tenant}".orders VALUES (1, NULL)')
    first, second = tenants
    assert project.apply("-x", f"tenant={first}").returncode == 1
    plan = json.loads(project.apply("--mode", "plan", "--format", "json", "-x", f"tenant={second}").stdout)
    assert plan["half_done"] == []
    assert project.apply("-x", f"tenant={second}").returncode == 1
    for tenant in tenants:
        assert tables(project, tenant) == {"orders", "alembic_version", "part"}
    project.database.execute(f"UPDATE \"{second}\".orders SET note = ''")
    assert project.apply("-x", f"tenant={second}").returncode == 0
    assert tables(project, second) == {"orders", "alembic_version", "part", "last"}
    shown = project.erm("status", "-x", f"tenant={first}").stdout
    assert "erm repair b2 --env dev -x tenant=a%s" in shown
    assert "is half done" not in project.erm("status", "-x", f"tenant={second}").stdout
    taken = project.erm("repair", "b2", "--take-back", "--yes", "-x", f"tenant={first}")
    assert taken.returncode == 0, taken.stderr
    assert tables(project, first) == {"orders", "alembic_version"}
    assert tables(project, second) == {"orders", "alembic_version", "part", "last"}
