"""Revisions that deal with locks, transactions and limits by themselves: left to it, and never mistaken for done."""

from __future__ import annotations

import pytest

from tests.faults.deploying import tables
from tests.locks.blocking import ADD, WRITES, Deployment, columns, open_transaction, pid_of

CATCHES = f"""
from sqlalchemy.exc import OperationalError
try:
    with op.get_bind().begin_nested():
        {ADD}
except OperationalError:
    op.execute("CREATE TABLE instead (id int)")
"""
SWALLOWS = f"""
try:
    {ADD}
except Exception:
    pass
"""
RAISES_ANOTHER = f"""
try:
    {ADD}
except Exception as error:
    raise ValueError("no luck") from error
"""


def test_a_revision_with_an_answer_of_its_own_is_left_to_it(deployment: Deployment) -> None:
    """A revision that catches the lock timeout behind a savepoint goes on, and is not tried again."""
    deployment.project.revision("a1", CATCHES)
    with open_transaction(deployment.database, WRITES):
        assert deployment.apply().result == "done"
    assert deployment.notes.saying("was undone") == []
    assert "instead" in tables(deployment.database)


@pytest.mark.parametrize("body", [SWALLOWS, f'{SWALLOWS}op.execute("SELECT 1")', RAISES_ANOTHER])
def test_a_revision_that_hides_the_error_is_tried_again(body: str, deployment: Deployment) -> None:
    """An error that was swallowed, left a transaction aborted, or was put in other words, is still a lock timeout."""
    deployment.project.revision("a1", body)
    with open_transaction(deployment.database, WRITES) as writer:
        deployment.notes.when("was undone", writer.commit)
        assert deployment.apply().result == "done"
    assert columns(deployment.database) == ["id", "note", "total"]


ROLLS_BACK = """
from sqlalchemy.orm import Session
session = Session(bind=op.get_bind())
try:
    session.execute(sa.text("ALTER TABLE orders ADD COLUMN total int"))
    session.commit()
except Exception:
    session.rollback()
    raise
"""
LEAVES_SAVEPOINT = """
op.get_bind().begin_nested()
op.execute("ALTER TABLE orders ADD COLUMN total int")
"""


@pytest.mark.parametrize("body", [ROLLS_BACK, LEAVES_SAVEPOINT])
def test_a_revision_that_handles_its_transaction_is_tried_again(body: str, deployment: Deployment) -> None:
    """An ORM session that rolled back, and a savepoint that was left open, are no obstacle to a further try."""
    deployment.project.revision("a1", body)
    with open_transaction(deployment.database, WRITES) as writer:
        deployment.notes.when("was undone", writer.commit)
        assert deployment.apply().result == "done"
    assert columns(deployment.database) == ["id", "note", "total"]
    assert deployment.database.execute("SELECT version_num FROM alembic_version") == [("a1",)]
    (run,) = deployment.project.runs()
    assert [each["outcome"] for each in run["revisions"]] == ["done"]


def test_a_swallowed_lock_timeout_is_no_success(deployment: Deployment) -> None:
    """A revision that hides each of its lock timeouts fails in the end like any other."""
    deployment.project.revision("a1", SWALLOWS)
    with open_transaction(deployment.database, WRITES):
        outcome = deployment.apply()
    assert outcome.result == "failed"
    assert outcome.error is not None
    assert "in 3 tries; in the way: pid " in outcome.error


def test_a_revision_that_waits_for_itself_is_told_so(deployment: Deployment) -> None:
    """A lock that a second connection of the revision holds is won by no further try: it fails at once, with why."""
    deployment.project.revision(
        "a1",
        f'with op.get_bind().engine.connect() as second:\n    second.execute(sa.text("LOCK TABLE orders"))\n    {ADD}',
    )
    outcome = deployment.apply()
    assert outcome.result == "failed"
    assert deployment.notes.saying("        this very run, through another connection: pid ")
    assert deployment.notes.saying("was undone") == []
    assert outcome.cure == (
        "The revision waits for itself: it holds the lock through a second connection. Let all of it go through "
        "`op.get_bind()`, or commit there first."
    )


@pytest.mark.parametrize(
    "sets", ["SET LOCAL lock_timeout = '500ms'", "SELECT set_config('lock_timeout', '500ms', true)"]
)
def test_a_limit_that_the_revision_sets_is_told(sets: str, deployment: Deployment) -> None:
    """A revision's own lock_timeout holds, is told with its line, and no other limit is claimed."""
    deployment.project.config("execution: {lock_timeout: 1h, lock_retries: 0}\n")
    deployment.project.revision("a1", f'op.execute("{sets}")\n{ADD}')
    with open_transaction(deployment.database, WRITES):
        assert deployment.apply().result == "failed"
    assert "      line 12 sets lock_timeout: that holds instead of execution.lock_timeout" in deployment.notes.told
    assert "      line 13 waits for ACCESS EXCLUSIVE on table public.orders:" in deployment.notes.told


def test_a_revision_does_not_name_itself_as_the_one_in_the_way(deployment: Deployment) -> None:
    """Who failed at once is told who else holds the table, and not to end its own session: within a savepoint a
    revision goes on holding what it had."""
    deployment.project.config("execution: {lock_retries: 0}\n")
    deployment.project.revision(
        "a1",
        'op.execute("LOCK TABLE orders IN SHARE MODE")\nwith op.get_bind().begin_nested():\n'
        '    op.execute("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE NOWAIT")',
    )
    with open_transaction(deployment.database, "SELECT * FROM orders") as reader:
        outcome = deployment.apply()
        assert f"in the way: pid {pid_of(reader)} (web, postgres)" in (outcome.error or "")
    assert "erm apply" not in (outcome.error or "")
    assert (outcome.cure or "").count("pg_terminate_backend") == 1


@pytest.mark.parametrize(("sets", "most"), [("SET LOCAL", ", 300ms at most:"), ("SET", ":")])
def test_a_limit_of_one_revision_is_not_that_of_the_next(sets: str, most: str, deployment: Deployment) -> None:
    """Once the revision that set a lock_timeout for its transaction is over, erm's own holds again and is told."""
    deployment.project.revision("a1", f"op.execute(\"{sets} lock_timeout = '5s'\")")
    deployment.project.revision("b2", ADD, down="a1")
    with open_transaction(deployment.database, WRITES) as writer:
        deployment.notes.when("waits for", writer.commit)
        assert deployment.apply().result == "done"
    (told,) = deployment.notes.saying("waits for")
    assert told.endswith(f"waits for ACCESS EXCLUSIVE on table public.orders{most}")
