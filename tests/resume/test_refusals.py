"""What cannot be gone on with, and what only seems so: each is refused with its line, or done whole."""

from __future__ import annotations

import pytest

from erm_alembic import migrate
from erm_alembic.errors import Refused
from tests.resume.stopping import Stopping, in_autocommit, stop_at


@pytest.mark.parametrize(
    ("insert", "refused"),
    [
        ('op.get_bind().execute(sa.text("INSERT INTO t DEFAULT VALUES RETURNING id")).scalar()', True),
        ('op.get_bind().connection.cursor().execute("INSERT INTO t DEFAULT VALUES RETURNING id")', False),
        ("op.get_bind().execute(sa.insert(t))", False),
        ("op.get_bind().execute(sa.insert(t).returning(t.c.id)).all()", True),
        (
            "try:\n    op.get_bind().scalar(sa.text(\"SELECT nextval('t_id_seq')\"))\nexcept Exception:\n    pass",
            True,
        ),
    ],
)
def test_rows_of_a_statement_that_is_not_sent_again(insert: str, refused: bool, stopping: Stopping) -> None:
    """Where a revision asks for rows that a committed INSERT answered, it is refused with its line and the way out."""
    stopping.revision(
        "a1",
        't = sa.Table("t", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True))\n'
        'op.execute("CREATE TABLE t (id serial PRIMARY KEY)")\n' + in_autocommit(f"{insert}\n{stop_at('x')}"),
    )
    stopping.apply("x")
    if not refused:
        stopping.apply()
        assert stopping.rows("SELECT count(*) FROM t") == [(1,)]
        return
    with pytest.raises(
        Refused, match=r"a1\.py:\d+: revision a1 is half done and cannot be gone on with: it asks"
    ) as told:
        stopping.apply()
    assert "`erm repair a1`" in told.value.cure
    assert stopping.rows("SELECT version_num FROM alembic_version") == []


def test_a_do_block(stopping: Stopping) -> None:
    """A DO block is done whole or not at all; one that commits by itself is done between two notes."""
    stopping.revision(
        "a1",
        'op.execute("CREATE TABLE t (n int)")\n'
        'op.execute("CREATE PROCEDURE p() LANGUAGE plpgsql AS $$ BEGIN INSERT INTO t VALUES (3); COMMIT; END $$")\n'
        + in_autocommit(
            'op.execute("DO $$ BEGIN INSERT INTO t VALUES (1); END $$")\n'
            'op.execute("DO $$ BEGIN INSERT INTO t VALUES (2); COMMIT; END $$")\n'
            f'op.execute("CALL p()")\n{stop_at("x")}'
        ),
    )
    stopping.apply("x")
    assert [tag for _, tag, _ in stopping.noted()] == ["CREATE TABLE", "CREATE PROCEDURE", "DO", "DO", "CALL"]
    stopping.apply()
    assert stopping.rows("SELECT n FROM t ORDER BY n") == [(1,), (2,), (3,)]


def test_a_do_block_that_fails_between_its_commits(stopping: Stopping) -> None:
    """What has committed a part of its work by itself is not sent again: the next apply says so, and what to do."""
    fails = "INSERT INTO t VALUES (1 / (SELECT count(*) FROM t WHERE n > 1))"
    block = f"DO $$ BEGIN INSERT INTO t VALUES (1); COMMIT; {fails}; END $$"
    stopping.revision("a1", 'op.execute("CREATE TABLE t (n int)")\n' + in_autocommit(f'op.execute("{block}")'))
    with stopping.monkeypatch.context() as patch:
        patch.chdir(stopping.project.root)
        patch.setenv("ERM_DATABASE_URL", stopping.database.url)
        outcome = migrate.apply().outcome
    assert (outcome.result, "; no run can go on behind that: that statement cannot" in (outcome.effect or "")) == (
        "failed",
        True,
    )
    with pytest.raises(Refused, match=r"a1\.py:\d+: .*`DO \$\$\.\.\.\$\$` was under way; that statement"):
        stopping.apply(overridden=True)
    assert stopping.rows("SELECT n FROM t") == [(1,)]


def test_temporary_tables_of_a_session_that_ended(stopping: Stopping) -> None:
    """What a revision put in temporary tables is gone with its session: it is refused, with its line."""
    stopping.revision(
        "a1", 'op.execute("CREATE TEMP TABLE t (n int)")\nop.get_bind().connection.commit()\n' + stop_at("x")
    )
    assert stopping.apply("x").effect == (
        "1 statement of revision a1 is committed and stays; no run can go on behind that: it had made temporary "
        "tables, which ended with their session. `erm repair a1` shows the ways out."
    )
    with pytest.raises(Refused, match=r"a1\.py:12: .* it had made temporary tables"):
        stopping.apply(overridden=True)


def test_several_statements_with_a_commit_between_them(stopping: Stopping) -> None:
    """A text that ends a transaction in its middle is noted as one; what failed behind its COMMIT is not repeated."""
    texts = (
        "INSERT INTO t VALUES (1); COMMIT; INSERT INTO t VALUES (2)",
        "INSERT INTO t VALUES (3); COMMIT; SELECT 1 / 0",
    )
    stopping.revision(
        "a1",
        'op.execute("CREATE TABLE t (n int)")\n'
        + "".join(f"op.execute({text!r})\n{stop_at('x')}\n" for text in texts)
    )  # fmt: skip
    stopping.apply("x")
    assert [row[:2] for row in stopping.noted()] == [("done", "CREATE TABLE"), ("done", "INSERT")]
    with stopping.monkeypatch.context() as patch:
        patch.chdir(stopping.project.root)
        patch.setenv("ERM_DATABASE_URL", stopping.database.url)
        assert migrate.apply().outcome.result == "failed"
    with pytest.raises(Refused, match="` was under way; that statement cannot be in a transaction"):
        stopping.apply(overridden=True)
    assert stopping.rows("SELECT n FROM t ORDER BY n") == [(1,), (2,), (3,)]


def test_temporary_tables_of_another_connection(stopping: Stopping) -> None:
    """Each session is looked at for itself: that the latest note is of one without temporary tables says nothing."""
    stopping.revision(
        "a1",
        'op.execute("CREATE TABLE u (n int)")\nop.execute("CREATE TEMP TABLE t (n int)")\n'
        "op.get_bind().connection.commit()\n"
        'with op.get_bind().engine.connect() as another:\n    another.execute(sa.text("INSERT INTO u VALUES (1)"))\n'
        f"    another.commit()\n{stop_at('x')}",
    )
    stopping.apply("x")
    with pytest.raises(Refused, match=r"a1\.py:13: .* it had made temporary tables"):
        stopping.apply(overridden=True)


def test_temporary_tables_that_were_dropped(stopping: Stopping) -> None:
    """A temporary table that the revision has dropped itself is in nobody's way."""
    stopping.revision(
        "a1",
        in_autocommit(
            'op.execute("CREATE TEMP TABLE t (n int)")\nop.execute("DROP TABLE t")\nop.execute("CREATE TABLE u ()")\n'
            + stop_at("x")
        ),
    )
    stopping.apply("x")
    stopping.apply()
    assert stopping.rows("SELECT count(*) FROM u") == [(0,)]
