"""Whatever a revision does to get at the database while it is planned, nothing is written and nobody is blocked."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from erm_alembic.errors import ProjectError
from erm_alembic.planning.model import Plan
from tests.support.databases import Database

PlanOf = Callable[..., Plan]

WRITER = """
CREATE FUNCTION writes() RETURNS int LANGUAGE plpgsql VOLATILE AS
    'BEGIN INSERT INTO city_log VALUES (''written''); RETURN 1; END'
"""

LIFT = "op.execute('SET default_transaction_read_only = off')\n"
WRITE = "op.execute('SELECT writes()')\n"

HOSTILE = {
    "setval": "op.execute(\"SELECT setval('counter', 77)\")",
    "nextval": "op.execute(\"SELECT nextval('counter')\")",
    "comment before DDL": 'op.execute("/* a /* nested */ comment */ -- and a line\\n DROP TABLE setting")',
    "read, then drop": 'op.execute("SELECT 1; DROP TABLE setting")',
    "commit, then drop": 'op.execute("COMMIT; DROP TABLE setting")',
    "rollback, then drop": 'op.execute("ROLLBACK; DROP TABLE setting; BEGIN")',
    "lock": 'op.execute("LOCK TABLE setting IN ACCESS EXCLUSIVE MODE")',
    "for update": 'op.execute("SELECT * FROM setting FOR UPDATE")',
    "copy to program": "op.execute(\"COPY setting TO PROGRAM 'touch /tmp/never'\")",
    "copy from program": "op.execute(\"COPY city_log FROM PROGRAM 'echo written'\")",
    "explain analyze": "op.execute(\"EXPLAIN ANALYZE INSERT INTO city_log VALUES ('written')\")",
    "with delete": 'op.execute("WITH gone AS (DELETE FROM setting RETURNING 1) SELECT * FROM gone")',
    "select into": 'op.execute("SELECT * INTO copied FROM setting")',
    "temporary table": 'op.execute("SELECT * INTO TEMP copied FROM setting")',
    "prepare": "op.execute(\"PREPARE p AS INSERT INTO city_log VALUES ('written')\"); op.execute('EXECUTE p')",
    "a function": 'op.execute("SELECT writes()")',
    "default read-write": LIFT + WRITE,
    "default read-write, then a transaction": LIFT + "bind.commit()\n" + WRITE + "bind.commit()",
    "read-write transaction": "bind.commit()\nop.execute('SET TRANSACTION READ WRITE')\n" + WRITE,
    "session characteristics": (
        "op.execute('SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE')\nbind.commit()\n" + WRITE
    ),
    "reset all": "op.execute('RESET ALL')\nbind.commit()\n" + WRITE,
    "set_config": (
        "op.execute(\"SELECT set_config('default_transaction_read_only', 'off', false)\")\nbind.commit()\n" + WRITE
    ),
    "driver's read-write": (
        "raw = bind.connection.driver_connection; raw.rollback(); raw.set_session(readonly=False);"
        " cursor = raw.cursor(); cursor.execute('SELECT writes()'); raw.commit()"
    ),
    "autocommit": (
        "with op.get_context().autocommit_block():\n"
        "    op.execute('SET default_transaction_read_only = off')\n"
        "    op.execute('SELECT writes()')"
    ),
    "raw cursor": "bind.connection.cursor().execute('DROP TABLE setting')",
    "bare cursor": (
        "from psycopg2.extensions import cursor\n"
        "try:\n    bind.connection.driver_connection.cursor(cursor_factory=cursor).execute('DROP TABLE setting')\n"
        "except Exception:\n    bind.rollback()"
    ),
    "second connection": "with bind.engine.begin() as other: other.execute(sa.text('DROP TABLE setting'))",
    "own engine": (
        "engine = sa.create_engine('postgresql://nobody@127.0.0.1:1/elsewhere')\n"
        "with engine.begin() as other:\n"
        "    other.execute(sa.text('SET default_transaction_read_only = off'))\n"
        "    other.execute(sa.text('DROP TABLE setting'))"
    ),
    "large object": "op.execute('SELECT lo_create(4711)')",
    "advisory lock": "op.execute('SELECT pg_advisory_lock(1)')",
    "notify": "op.execute(\"SELECT pg_notify('channel', 'planned')\")",
    "two-phase": "op.execute(\"PREPARE TRANSACTION 'left behind'\")",
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE)
def test_planning_writes_nothing_whatever_a_revision_tries(
    body: str, revision_of: PlanOf, one_database: Database
) -> None:
    """The database is byte for byte as before, and its write counters say so."""
    one_database.execute(WRITER)
    revision_of(body)
    assert one_database.execute("SELECT count(*) FROM pg_largeobject_metadata") == [(0,)]
    assert one_database.execute("SELECT count(*) FROM pg_prepared_xacts") == [(0,)]


def test_a_plan_asks_for_no_lock_stronger_than_a_reader_s(revision_of: PlanOf, one_database: Database) -> None:
    """While a revision is recorded, its session holds no lock on a table; a reader's lock ends with its read."""
    plan = revision_of(
        "op.execute('DROP TABLE setting')\n"
        "op.execute('LOCK TABLE city_log')\n"
        "bind.execute(sa.text('SELECT * FROM city_log'))\n"
        "held = bind.execute(sa.text('SELECT mode FROM pg_locks WHERE relation IN'\n"
        "    \" ('setting'::regclass, 'city_log'::regclass)\"))\n"
        "op.execute(sa.text('SELECT :held').bindparams(held=str(held.all())))\n"
    )
    assert plan.steps[0].statements[-1].literal == "SELECT '[]'"


def test_a_revision_that_fails_before_it_writes_is_named_with_its_line(revision_of: PlanOf) -> None:
    """An error that no held-back write explains is the revision's own: file, line and what the server said."""
    with pytest.raises(ProjectError, match=r"r0\.py:7: .*nowhere"):
        revision_of("op.execute('SELECT * FROM nowhere')")
