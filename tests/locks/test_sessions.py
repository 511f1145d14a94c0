"""The limits of a run's sessions: erm's own, whatever the role or the database sets; the project's own word wins."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

import pytest

from tests.faults.deploying import ENV_PY, Project
from tests.locks.blocking import Deployment, open_transaction, pid_of
from tests.support.databases import Database

LOOKS = """
op.execute(
    "CREATE TABLE seen AS SELECT name, setting::bigint AS setting FROM pg_settings WHERE name LIKE '%timeout'"
)
"""


def seen(database: Database) -> dict[str, int]:
    """The limits that the revision saw, in milliseconds."""
    return dict(database.execute("SELECT name, setting FROM seen"))


@pytest.fixture
def role(deployment: Deployment) -> Iterator[str]:
    """A login role that may do what a deployment needs, and deploys the project."""
    database, name = deployment.database, f"{deployment.database.name}_app"
    database.execute(f"CREATE ROLE {name} LOGIN")
    database.execute(f"GRANT CREATE ON DATABASE {database.name} TO {name}")
    database.execute(f"GRANT CREATE ON SCHEMA public TO {name}")
    database.execute(f"ALTER TABLE orders OWNER TO {name}")
    assert deployment.project.url is not None
    deployment.project.url = deployment.project.url.replace("postgres@", f"{name}@")
    try:
        yield name
    finally:
        database.execute(f"DROP OWNED BY {name} CASCADE")
        database.execute(f"DROP ROLE {name}")


def test_without_anybody_s_word_the_settings_hold(deployment: Deployment) -> None:
    """A run's session has execution's limits and no others, and there is nothing to tell."""
    deployment.project.config("execution: {lock_timeout: 4s, statement_timeout: 5m}\n")
    deployment.project.revision("a1", LOOKS)
    assert deployment.apply().result == "done"
    found = seen(deployment.database)
    assert (found["lock_timeout"], found["statement_timeout"]) == (4_000, 300_000)
    assert found["idle_in_transaction_session_timeout"] == 0
    assert deployment.notes.saying("sets") == []


def test_limits_of_the_role_and_of_the_database_do_not_hold(deployment: Deployment, role: str) -> None:
    """What ALTER ROLE or ALTER DATABASE set for the application is neutralised, and each is told."""
    database = deployment.database
    database.execute(f"ALTER ROLE {role} SET statement_timeout = '100ms'")
    database.execute(f"ALTER ROLE {role} IN DATABASE {database.name} SET lock_timeout = '50ms'")
    database.execute(f"ALTER ROLE {role} SET idle_in_transaction_session_timeout = '100ms'")
    major = database.execute("SELECT current_setting('server_version_num')::int / 10000")[0][0]
    limits = [name for name, since in (("idle_session_timeout", 14), ("transaction_timeout", 17)) if since <= major]
    for limit in limits:
        database.execute(f"ALTER DATABASE {database.name} SET {limit} = '100ms'")
    slow = 'op.execute("SELECT pg_sleep(0.3)")\nimport time\ntime.sleep(0.3)\n'
    deployment.project.revision("a1", slow + LOOKS)
    assert deployment.apply().result == "done"
    told = deployment.notes.saying(" sets ")
    assert sorted(told) == sorted(
        [
            "The role sets statement_timeout to 100ms; in this run that does not hold: "
            "execution.statement_timeout (0s) does.",
            "The role, in this database, sets lock_timeout to 50ms; in this run that does not hold: "
            "execution.lock_timeout (300ms) does.",
            "The role sets idle_in_transaction_session_timeout to 100ms; in this run that does not hold.",
            *(f"The database sets {limit} to 100ms; in this run that does not hold." for limit in limits),
        ]
    )
    found = seen(database)
    assert (found.pop("lock_timeout"), found["statement_timeout"]) == (300, 0)
    assert found["idle_in_transaction_session_timeout"] == 0
    assert [found[limit] for limit in limits] == [0] * len(limits)


def test_what_the_address_asks_for_holds(deployment: Deployment) -> None:
    """`options` in the URL wins over erm.yaml, and is told."""
    assert deployment.project.url is not None
    options = quote("-c lock_timeout=700ms -c statement_timeout=1min", safe="")
    deployment.project.url += f"&options={options}"
    deployment.project.revision("a1", LOOKS)
    assert deployment.apply().result == "done"
    assert seen(deployment.database)["lock_timeout"] == 700
    assert seen(deployment.database)["statement_timeout"] == 60_000
    assert deployment.notes.saying(" sets ") == [
        f"The address (or PGOPTIONS) sets {name} to {value}: it holds instead of execution.{name} ({ours})."
        for name, value, ours in (("lock_timeout", "700ms", "300ms"), ("statement_timeout", "1m", "0s"))
    ]


IN_A_TRANSACTION = """
from sqlalchemy import text
with engine.connect() as connection:
    connection.execute(text("SET lock_timeout = '900ms'"))
    context.configure(connection=connection)
    context.get_bind().execute(text("SELECT 1"))
    with context.begin_transaction():
        context.run_migrations()
"""
CONFIGURES = ENV_PY[ENV_PY.index("with engine") :]


SETS = "execute(text(\"SET lock_timeout = '900ms'\"))"


@pytest.mark.parametrize(
    "env_py",
    [
        ENV_PY.replace("    context.configure", f"    connection.{SETS}\n    context.configure"),
        ENV_PY.replace(CONFIGURES, IN_A_TRANSACTION),
        ENV_PY.replace("    with context.begin", f"    context.get_bind().{SETS}\n    with context.begin"),
    ],
    ids=["on its own connection", "on its own, with a read on erm's", "on erm's connection"],
)
def test_what_env_py_sets_holds(env_py: str, deployment: Deployment) -> None:
    """An env.py's own SET lock_timeout wins over erm.yaml for every revision, and is told once."""
    deployment.project.env_py(env_py)
    deployment.project.table("a1", "first")
    deployment.project.revision("b2", LOOKS, down="a1")
    assert deployment.apply().result == "done"
    assert seen(deployment.database)["lock_timeout"] == 900
    assert deployment.notes.saying(" sets ") == [
        "env.py sets lock_timeout to 900ms: it holds instead of execution.lock_timeout (300ms)."
    ]


def test_a_second_connection_has_the_same_limits(deployment: Deployment) -> None:
    """A revision that connects once more does not get a session without limits."""
    deployment.project.revision(
        "a1",
        "with op.get_bind().engine.connect() as second:\n"
        "    asked = sa.text(\"SELECT setting FROM pg_settings WHERE name = 'lock_timeout'\")\n"
        "    found = second.execute(asked).scalar()\n"
        "op.execute(f\"CREATE TABLE seen AS SELECT 'lock_timeout' AS name, {found or 0}::bigint AS setting\")",
    )
    assert deployment.apply().result == "done"
    assert seen(deployment.database) == {"lock_timeout": 300}


def test_who_may_not_see_others_is_told_so(deployment: Deployment, role: str) -> None:
    """A role without pg_read_all_stats learns who is in the way, and why it does not learn more."""
    deployment.project.revision("a1", 'op.add_column("orders", sa.Column("total", sa.Integer))')
    with open_transaction(deployment.database, "SELECT * FROM orders") as reader:
        who = f"pid {pid_of(reader)} (web, postgres)"
        deployment.notes.when("waits for", lambda: deployment.notes.when("hidden", reader.commit))
        assert deployment.apply().result == "done"
    assert deployment.notes.saying("hidden")[0] == (
        f"        {who}: what it does is hidden from this role; pg_read_all_stats would show it"
    )


def test_a_statement_that_takes_too_long_is_told_by_which_setting(project: Project) -> None:
    """A statement beyond execution.statement_timeout fails, and the cure names that setting."""
    project.config("execution: {statement_timeout: 200ms}\n")
    project.revision("a1", 'op.execute("DO $$ BEGIN PERFORM pg_sleep(60); END $$")')
    done = project.apply()
    assert done.returncode == 1
    assert "canceling statement due to statement timeout (SQLSTATE 57014)" in done.stdout
    assert (
        "cure:   statement_timeout is 200ms for statements in a transaction: raise execution.statement_timeout, or do "
        "less in one statement; then run `erm migrate` again." in done.stdout.splitlines()
    )
