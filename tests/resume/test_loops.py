"""Data migrations in batches: those that are committed are not done twice, the others are done."""

from __future__ import annotations

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


def test_values_of_chance(stopping: Stopping) -> None:
    """A statement whose values are another time or random number is the one that was done: nothing is doubled."""
    insert = (
        'op.get_bind().execute(sa.text("INSERT INTO t VALUES (:n, :u)"), dict(n=n, u=str(__import__("uuid").uuid4())))'
    )
    stopping.revision(
        "a1",
        'op.execute("CREATE TABLE t (n int, u text)")\n'
        'op.execute("CREATE TABLE source AS SELECT generate_series(1, 5) AS n")\nop.get_bind().connection.commit()\n'
        'numbers = [row.n for row in op.get_bind().execute(sa.text("SELECT n FROM source ORDER BY n"))]\n'
        + in_autocommit(f"for n in numbers:\n    {insert}\n    if n == 3:\n        {stop_at('x')}"),
    )
    stopping.apply("x")
    stopping.apply()
    assert stopping.rows("SELECT n, count(DISTINCT u) FROM t GROUP BY n ORDER BY n") == [(n, 1) for n in range(1, 6)]


def test_a_revision_that_looks_before_it_leaps(stopping: Stopping) -> None:
    """A revision that leaves out what it finds done goes on with the rest, also a third time."""
    looks = 'if not sa.inspect(op.get_bind()).has_table("{0}"):\n    op.execute("CREATE TABLE {0} AS SELECT 1 AS n")\n'
    stopping.revision(
        "a1",
        in_autocommit(
            looks.format("a") + 'op.execute("UPDATE a SET n = n + 1")\n' + stop_at("x") + "\n"
            + looks.format("b") + 'op.execute("UPDATE a SET n = n + 1")\n' + stop_at("y") + "\n"
            + 'op.execute("UPDATE a SET n = n + 1")\n'
        ),
    )  # fmt: skip
    for stop in ("x", "y", "y", None):
        stopping.apply(stop)
    assert stopping.rows("SELECT * FROM a") == [(4,)]


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
