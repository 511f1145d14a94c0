"""Data migrations in batches: those that are committed are not done twice, the others are done."""

from __future__ import annotations

import pytest

from erm_alembic.errors import Refused
from tests.locks.blocking import Notes
from tests.resume.stopping import Stopping, in_autocommit, stop_at

FILLED = """
op.execute("CREATE TABLE t (id int, done int DEFAULT 0)")
op.execute("INSERT INTO t SELECT generate_series(1, 10)")
op.execute("CREATE TABLE counted (batches int, touched int)")
batches = touched = 0
"""


def test_a_loop_driven_by_row_counts(stopping: Stopping) -> None:
    """A batch loop that goes on until a statement touches no row sees the counts of the batches done before."""
    batch = "UPDATE t SET done = done + 1 WHERE id IN (SELECT id FROM t WHERE done = 0 ORDER BY id LIMIT 3)"
    loop = f"""
while count := op.get_bind().execute(sa.text("{batch}")).rowcount:
    batches, touched = batches + 1, touched + count
    if batches == 2:
        {stop_at("x")}
"""
    counted = 'op.execute(sa.text("INSERT INTO counted VALUES (:b, :t)").bindparams(b=batches, t=touched))'
    stopping.revision("a1", FILLED + in_autocommit(loop) + counted)
    stopping.apply("x")
    assert stopping.rows("SELECT count(*) FROM t WHERE done = 1") == [(6,)]
    stopping.apply()
    assert stopping.rows("SELECT done, count(*) FROM t GROUP BY done") == [(1, 10)]
    assert stopping.rows("SELECT * FROM counted") == [(4, 10)]


def test_a_loop_driven_by_what_is_left(stopping: Stopping) -> None:
    """A batch loop that asks what is left goes on with what is left, although its text is always the same."""
    loop = f"""
while batches < 9 and (ids := list(op.get_bind().scalars(sa.text("SELECT id FROM t WHERE done = 0 LIMIT 3")))):
    op.get_bind().execute(sa.text("UPDATE t SET done = done + 1 WHERE id = ANY(:ids)"), dict(ids=ids))
    batches += 1
    if batches == 2:
        {stop_at("x")}
"""
    stopping.revision("a1", FILLED + in_autocommit(loop))
    stopping.apply("x")
    assert stopping.rows("SELECT count(*) FROM t WHERE done = 1") == [(6,)]
    stopping.apply()
    assert stopping.rows("SELECT done, count(*) FROM t GROUP BY done") == [(1, 10)]


CHANCE = 'str(__import__("uuid").uuid4())'


def test_a_value_of_chance(stopping: Stopping) -> None:
    """A statement whose value is another time or random number is the one that was done: told, and not doubled."""
    insert = f'op.get_bind().execute(sa.text("INSERT INTO t VALUES (1, :u)"), dict(u={CHANCE}))'
    stopping.revision(
        "a1", 'op.execute("CREATE TABLE t (n int, u text)")\n' + in_autocommit(f"{insert}\n{stop_at('x')}")
    )
    stopping.apply("x")
    notes = Notes()
    stopping.apply(progress=notes)
    assert stopping.rows("SELECT n FROM t") == [(1,)]
    (told,) = notes.saying("was committed with other values")
    assert told.strip().startswith("line 14 of a1 was committed with other values (a time, a random number)"), told


@pytest.mark.parametrize("done", [1, 2])
def test_a_loop_over_values_of_chance(done: int, stopping: Stopping) -> None:
    """Which of a loop's rows are there cannot be told when chance is among their values: that is refused, with its
    line, and nothing is doubled."""
    insert = f'op.get_bind().execute(sa.text("INSERT INTO t VALUES (:n, :u)"), dict(n=n, u={CHANCE}))'
    stopping.revision(
        "a1",
        'op.execute("CREATE TABLE t (n int, u text)")\n'
        + in_autocommit(f"for n in (1, 2, 3):\n    {insert}\n    if n == {done}:\n        {stop_at('x')}"),
    )
    stopping.apply("x")
    with pytest.raises(Refused, match=r"a1\.py:15: .* nobody can know whether this statement is done") as told:
        stopping.apply()
    assert "`erm repair a1`" in told.value.cure
    assert stopping.rows("SELECT n FROM t ORDER BY n") == [(n,) for n in range(1, done + 1)]


NAMES = """
import os
for name in os.environ["NAMES"].split():
    op.get_bind().execute(sa.text("INSERT INTO t VALUES (:n)"), dict(n=name))
    if name == os.environ["LAST"]:
        {stop}
"""


@pytest.mark.parametrize(
    ("first", "last", "second", "goes_on"),
    [
        ("a b", "b", "b a c", True),
        ("a b", "b", "a b c", True),
        ("a b", "b", "c a b", False),
        ("a b", "b", "a c b", False),
        ("a", "a", "c a b", False),
        ("a", "a", "c b a", False),
        ("a", "a", "a c b", True),
    ],
)
def test_a_loop_that_goes_another_way_round(
    first: str, last: str, second: str, goes_on: bool, stopping: Stopping
) -> None:
    """A Python set has another order in each process: each of its rows is made once, or the run says that it cannot
    know which of them are there. None is left out and none is doubled."""
    stopping.revision(
        "a1", 'op.execute("CREATE TABLE t (n text)")\n' + in_autocommit(NAMES.format(stop=stop_at("x")))
    )  # fmt: skip
    with stopping.monkeypatch.context() as patch:
        patch.setenv("LAST", last)
        patch.setenv("NAMES", first)
        stopping.apply("x")
        patch.setenv("NAMES", second)
        if goes_on:
            stopping.apply()
        else:
            with pytest.raises(Refused, match=r"a1\.py:16: .*`erm repair|nobody can know whether this"):
                stopping.apply()
    rows = [row[0] for row in stopping.rows("SELECT n FROM t ORDER BY n")]
    assert rows == (["a", "b", "c"] if goes_on else first.split())


def test_a_statement_of_another_line_is_another_one(stopping: Stopping) -> None:
    """What the revision leaves out because it found its table there is not taken for the same text on a later line."""
    stopping.revision(
        "a1",
        in_autocommit(
            'if not sa.inspect(op.get_bind()).has_table("a"):\n'
            '    op.execute("CREATE TABLE a AS SELECT 1 AS n")\n    op.execute("UPDATE a SET n = n + 1")\n'
            f'op.execute("CREATE TABLE b ()")\n{stop_at("x")}\nop.execute("UPDATE a SET n = n + 1")'
        ),
    )
    stopping.apply("x")
    with pytest.raises(
        Refused, match=r"a1\.py:18: .*`UPDATE a SET n = n \+ \?`, which is committed, stands on line 15"
    ):
        stopping.apply()
    assert stopping.rows("SELECT n FROM a") == [(2,)]


def test_a_revision_that_looks_before_it_leaps(stopping: Stopping) -> None:
    """A revision that leaves out the tables and indexes that it finds done goes on with the rest, also a third time."""
    looks = 'if not sa.inspect(op.get_bind()).has_table("{0}"):\n    op.execute("CREATE TABLE {0} (n int)")\n'
    stopping.revision(
        "a1",
        in_autocommit(
            looks.format("a") + 'op.execute("ALTER TABLE a ADD m int")\n' + stop_at("x") + "\n"
            + looks.format("b") + 'op.execute("ALTER TABLE b ADD m int")\n' + stop_at("y") + "\n"
            + 'op.execute("CREATE TABLE c ()")\n'
        ),
    )  # fmt: skip
    for stop in ("x", "y", "y", None):
        stopping.apply(stop)
    assert stopping.rows("SELECT count(a.m) FROM a, b") == [(0,)]


def test_copies(stopping: Stopping) -> None:
    """COPY into a table is not done twice; COPY out of one is done again, for what the revision makes of it."""
    stopping.revision(
        "a1",
        'import io\ncursor = op.get_bind().connection.cursor()\nop.execute("CREATE TABLE t (n int)")\n'
        'cursor.copy_expert("COPY t FROM STDIN", io.StringIO("1\\n2\\n"))\n'
        "copied, out = cursor.rowcount, io.StringIO()\n"
        'cursor.copy_expert("COPY (SELECT n FROM t ORDER BY n) TO STDOUT", out)\nop.get_bind().connection.commit()\n'
        f"{stop_at('x')}\nop.get_bind().execute(sa.text('CREATE TABLE u AS SELECT :o AS o, :c AS c'),"
        " dict(o=out.getvalue(), c=copied))",
    )
    stopping.apply("x")
    stopping.apply()
    assert stopping.rows("SELECT n FROM t ORDER BY n") == [(1,), (2,)]
    assert stopping.rows("SELECT o, c FROM u") == [("1\n2\n", 2)]


def test_percent_signs_and_batches_of_the_driver(stopping: Stopping) -> None:
    """execute_values(), executemany() and literal percent signs are each known again by their rows."""
    stopping.revision(
        "a1",
        "import psycopg2.extras\ncursor = op.get_bind().connection.cursor()\n"
        'op.execute("CREATE TABLE t (n int, s text)")\n'
        + in_autocommit(
            "for low in (0, 2, 4):\n"
            '    psycopg2.extras.execute_values(cursor, "INSERT INTO t VALUES %s", [(low, "a%b"), (low + 1, "ü")])\n'
            '    cursor.executemany("UPDATE t SET s = s || %s WHERE n = %s", [("!", low), ("?", low + 1)])\n'
            "    op.execute(\"UPDATE t SET s = s || '%(x)s %%' WHERE n = \" + str(low))\n"
            f"    if low == 2: {stop_at('x')}"
        ),
    )
    stopping.apply("x")
    assert len(stopping.noted()) == 7
    stopping.apply()
    even, odd = "a%b!%(x)s %%", "ü?"
    assert stopping.rows("SELECT n, s FROM t ORDER BY n") == [(n, odd if n % 2 else even) for n in range(6)]
