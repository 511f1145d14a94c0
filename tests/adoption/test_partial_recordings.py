"""What a plan cannot know without really running is said, with its line; it is never guessed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from erm_alembic.planning.model import Plan
from erm_alembic.revisions.recording.recorder import SUBTRANSACTION
from tests.support.databases import Database

PlanOf = Callable[..., Plan]

T = "t = sa.table('setting', sa.column('name'), sa.column('value'))\n"

PARTIAL = {
    "read after write": ("op.execute('DELETE FROM setting')\nbind.execute(sa.text('SELECT * FROM setting')).all()", 8),
    "read of what is made": ("op.execute('CREATE TABLE n (a int)')\nbind.execute(sa.text('SELECT * FROM n'))", 8),
    "rows of a write": (T + "made = bind.execute(t.insert().returning(t.c.name)).scalar()", 8),
    "rows of a text": ("bind.execute(sa.text('UPDATE setting SET value = 1 RETURNING name')).all()", 7),
    "row count compared": ("if bind.execute(sa.text('DELETE FROM setting')).rowcount > 1: op.execute('SELECT 1')", 7),
    "row count written": (
        "n = bind.execute(sa.text('DELETE FROM setting')).rowcount\nop.execute(f'COMMENT ON TABLE setting IS {n!r}')",
        8,
    ),
    "row count of a raw cursor": (
        "c = bind.connection.cursor(); c.execute('DELETE FROM setting')\nbool(c.rowcount)",
        8,
    ),
    "next value": ("bind.execute(sa.text(\"SELECT nextval('counter')\")).scalar()", 7),
    "old rows of a raw cursor": (
        "c = bind.connection.cursor(); c.execute('SELECT name FROM setting')\n"
        "c.execute('UPDATE setting SET value = 1 RETURNING name'); c.fetchone()",
        8,
    ),
    "inspected table": (
        "op.create_table('n', sa.Column('id', sa.Integer, primary_key=True))\nsa.inspect(bind).get_columns('n')",
        8,
    ),
    "inspected list": ("op.create_table('n', sa.Column('id', sa.Integer))\nsa.inspect(bind).get_table_names()", 8),
    "catalog by text": (
        "op.create_table('n', sa.Column('id', sa.Integer, primary_key=True))\n"
        "bind.execute(sa.text(\"SELECT 1 FROM pg_indexes WHERE indexname = 'n_pkey'\")).scalar()",
        8,
    ),
    "regclass": (
        "op.execute('CREATE TABLE n (a int)')\nbind.execute(sa.text(\"SELECT to_regclass('n')\")).scalar()",
        8,
    ),
    "after a block": ("op.execute('DO $$ BEGIN END $$')\nbind.execute(sa.text('SELECT * FROM setting'))", 8),
    "in an autocommit block": (
        "op.execute('DELETE FROM setting')\nwith op.get_context().autocommit_block():\n"
        "    bind.execute(sa.text('SELECT * FROM setting'))",
        9,
    ),
    "rows copied out": ("bind.connection.cursor().copy_expert('COPY setting TO STDOUT', io.StringIO())", 7),
    "new object of the orm": (
        "from sqlalchemy.orm import Session, declarative_base\n"
        "class Setting(declarative_base()):\n    __tablename__ = 'counted'\n"
        "    id = sa.Column(sa.Integer, primary_key=True)\n"
        "session = Session(bind); thing = Setting(); session.add(thing); session.flush()\n"
        "op.execute(f'SELECT {thing.id}')",
        11,
    ),
    "server-side cursor": (
        "op.execute('DELETE FROM setting')\n"
        "bind.execution_options(stream_results=True).execute(sa.text('SELECT * FROM setting')).all()",
        8,
    ),
}


@pytest.mark.parametrize(("body", "line"), PARTIAL.values(), ids=PARTIAL)
def test_a_recording_says_from_which_line_on_it_is_not_certain(body: str, line: int, revision_of: PlanOf) -> None:
    """A revision that looks at what a write did is `partial`, with a reason that names the line."""
    step = revision_of(body).steps[0]
    assert step.rendered == "partial"
    assert step.reason is not None
    assert step.reason.startswith(f"line {line} "), step.reason


FULL = {
    "another table": "op.execute('DELETE FROM setting')\nbind.execute(sa.text('SELECT * FROM city_log')).all()",
    "no table": "op.execute('DELETE FROM setting')\nbind.execute(sa.text('SELECT version(), current_schema()')).all()",
    "inspecting another table": (
        "op.execute('DELETE FROM setting')\ni = sa.inspect(bind)\n"
        "i.get_columns('city_log'); i.get_indexes('city_log'); i.get_pk_constraint('city_log'); i.has_table('never')"
    ),
    "rows that nobody fetches": T + "bind.execute(t.insert().returning(t.c.name), {'name': 'a', 'value': 'b'})",
    "a row count that nobody looks at": "bind.execute(sa.text('DELETE FROM setting')).rowcount",
    "an insert with a key": (
        "t = sa.Table('thing', sa.MetaData(), sa.Column('id', sa.Integer, primary_key=True), sa.Column('a', sa.Text))\n"
        "t.create(bind); bind.execute(t.insert().values(a='1')); bind.execute(t.insert(), [{'a': '2'}, {'a': '3'}])"
    ),
    "an advisory lock": "assert bind.execute(sa.text('SELECT pg_try_advisory_xact_lock(1)')).scalar()",
    "settings": "op.execute(\"SET LOCAL lock_timeout = '1s'\"); op.execute(\"SET LOCAL search_path = ''\")",
}


@pytest.mark.parametrize("body", FULL.values(), ids=FULL)
def test_a_recording_that_needs_no_result_is_whole(body: str, revision_of: PlanOf) -> None:
    """What does not depend on a write that was held back stays `full`."""
    step = revision_of(body).steps[0]
    assert (step.rendered, step.reason) == ("full", None)


def test_triggers_spread_what_a_write_changes(revision_of: PlanOf, one_database: Database) -> None:
    """A table that a trigger of the written one may change is not read as if it were certain."""
    one_database.execute(
        "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN INSERT INTO city_log VALUES (''x''); RETURN NULL; END'"
    )
    one_database.execute("CREATE TABLE traced (a int)")
    one_database.execute("CREATE TRIGGER note AFTER INSERT ON traced EXECUTE FUNCTION note()")
    step = revision_of(
        "op.execute('INSERT INTO traced VALUES (1)')\nbind.execute(sa.text('SELECT * FROM city_log')).all()"
    ).steps[0]
    assert step.reason is not None and "by a trigger" in step.reason


def test_a_later_revision_knows_what_an_earlier_one_would_have_written(revision_of: PlanOf) -> None:
    """Certainty ends across revisions too, and only where the later one depends on the earlier."""
    plan = revision_of(
        "op.execute('DELETE FROM setting')",
        "bind.execute(sa.text('SELECT * FROM city_log')).all()",
        "bind.execute(sa.text('SELECT * FROM setting')).all()",
    )
    assert [step.rendered for step in plan.steps] == ["full", "full", "partial"]


@pytest.mark.parametrize(
    "body",
    [
        "op.execute(\"SELECT setval('numbers', 50)\")",
        "op.execute('WITH made AS (INSERT INTO notes VALUES (7) RETURNING 1) SELECT * FROM made')",
        "op.execute('SELECT note(8)')",
        "op.execute(\"SELECT set_config('work_mem', '8MB', false)\")",
    ],
)
def test_a_select_that_is_sent_for_what_it_does_is_part_of_the_script(
    body: str, revision_of: Callable[..., Plan], one_database: Database
) -> None:
    """Nobody looks at its rows, so it is no read: the plan lists it, and `--sql` runs it."""
    one_database.execute(
        "CREATE SEQUENCE numbers; CREATE TABLE notes (id int);"
        "CREATE FUNCTION note(int) RETURNS int LANGUAGE sql AS 'INSERT INTO notes VALUES ($1) RETURNING 1'"
    )
    (step,) = revision_of(body).steps
    assert step.rendered == "full"
    assert [statement.read for statement in step.statements] == [False]


@pytest.mark.parametrize(
    ("body", "rendered"),
    [
        ("op.execute('SELECT pg_sleep(60)')", "full"),
        ("bind.execute(sa.text('SELECT pg_sleep(60)')).scalar()", "partial"),
    ],
)
def test_a_read_that_takes_too_long_is_not_waited_for(
    body: str, rendered: str, revision_of: Callable[..., Plan], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plan gives up after the reading limit; what is only executed stays a statement of the revision."""
    impatient = replace(SUBTRANSACTION, begin="SAVEPOINT erm_read; SET LOCAL statement_timeout = '50ms'")
    monkeypatch.setattr("erm_alembic.revisions.recording.recorder.SUBTRANSACTION", impatient)
    (step,) = revision_of(body).steps
    assert (step.rendered, [statement.read for statement in step.statements]) == (rendered, [False])


def test_a_revision_with_an_engine_of_its_own_is_not_followed(
    revision_of: Callable[..., Plan], one_database: Database
) -> None:
    """What it writes there is held back, and the plan says that it does not know it."""
    body = (
        "from alembic import context\n"
        "own = sa.create_engine(context.config.get_main_option('sqlalchemy.url'))\n"
        "with own.begin() as connection: connection.execute(sa.text('CREATE TABLE own1 (id int)'))"
    )
    (step,) = revision_of(body).steps
    assert (step.rendered, step.transactional) == ("partial", False)
    assert step.reason == "line 9 writes on a connection of its own, which a plan cannot follow"


def test_percent_signs_are_shown_as_they_are_sent(revision_of: Callable[..., Plan]) -> None:
    """SQLAlchemy doubles them for the driver; the server, and so the plan, has them once."""
    (step,) = revision_of("op.execute(\"COMMENT ON TABLE setting IS '100% %s %(x)s'\")").steps
    assert [statement.sql for statement in step.statements] == ["COMMENT ON TABLE setting IS '100% %s %(x)s'"]
