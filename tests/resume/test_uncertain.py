"""What may be done already or may not: nothing is left out, and nothing is done twice, without a word."""

from __future__ import annotations

import pytest

from erm_alembic.errors import Refused
from tests.resume.stopping import Stopping, in_autocommit, stop_at

ROWS = 'op.execute("CREATE TABLE t (id serial PRIMARY KEY, v int, u text)")\n'
FILLED = ROWS + 'op.execute("INSERT INTO t (v) SELECT generate_series(1, 6)")\n'
STOP = stop_at("x")
TABLE = 't = sa.Table("t", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True), sa.Column("v", sa.Integer))\n'
CHANCE = 'str(__import__("uuid").uuid4())'
INSERT_CHANCE = f'op.get_bind().execute(sa.text("INSERT INTO t (u) VALUES (:u)"), dict(u={CHANCE}))\n'
STATE = "SELECT id, v FROM t ORDER BY id"

ROUNDS_READ = f"""
rounds = op.get_bind().scalar(sa.text("SELECT count(*) FROM t WHERE v > 0")) // 2
for number in range(rounds):
    op.execute("UPDATE t SET v = -v WHERE id IN (SELECT id FROM t WHERE v > 0 ORDER BY id LIMIT 2)")
    number == 1 and {STOP}
"""
CONSTANT_IN_LOOP = f"""
for (id,) in op.get_bind().execute(sa.text("SELECT id FROM t WHERE v > 0 ORDER BY id")).all():
    op.execute("INSERT INTO t (v) VALUES (0)")
    op.get_bind().execute(sa.text("UPDATE t SET v = -v WHERE id = :id"), dict(id=id))
    id == 2 and {STOP}
"""
ORDER_READ = f"""
for number, id in enumerate(op.get_bind().scalars(sa.text("SELECT id FROM t ORDER BY v")).all()):
    op.get_bind().execute(sa.text("UPDATE t SET v = v * -10 WHERE id = :id"), dict(id=id))
    number == 2 and {STOP}
"""
COPIED = f"""
import io
cursor = op.get_bind().connection.cursor()
cursor.execute("SELECT v FROM t WHERE v > 0 AND v NOT IN (SELECT -v FROM t WHERE v < 0) ORDER BY v")
for number, (v,) in enumerate(cursor.fetchall()):
    cursor.copy_expert("COPY t (v) FROM STDIN", io.StringIO(str(-v)))
    number == 1 and {STOP}
"""
LOOKS = f"""
if not sa.inspect(op.get_bind()).has_table("other"):
    op.execute("CREATE TABLE other ()")
{INSERT_CHANCE}{STOP}
"""
GENERATED_KEY = f"""
made = op.get_bind().execute(sa.insert(t).values(v=7))
{STOP}
key = made.inserted_primary_key
op.get_bind().execute(sa.insert(t).values(v=key[0] if key else None))
"""
KEY_SWALLOWED = f"""
made = op.get_bind().execute(sa.insert(t).values(v=7))
{STOP}
try:
    made.inserted_primary_key
except Exception:
    pass
"""
OBJECTS = f"""
from sqlalchemy.orm import Session, registry
Row = type("Row", (), {{}})
registry().map_imperatively(Row, t)
session, row = Session(bind=op.get_bind()), Row()
session.add(row)
session.flush()
{STOP}
op.execute(sa.insert(t).values(v=row.id))
"""


@pytest.mark.parametrize(
    "body",
    [
        FILLED + in_autocommit(ROUNDS_READ),
        FILLED + in_autocommit(CONSTANT_IN_LOOP),
        FILLED + in_autocommit(ORDER_READ),
        FILLED + in_autocommit(COPIED),
        ROWS + in_autocommit(LOOKS),
        TABLE + ROWS + in_autocommit(GENERATED_KEY),
        TABLE + ROWS + in_autocommit(KEY_SWALLOWED),
        TABLE + ROWS + in_autocommit(OBJECTS),
    ],
    ids=["rounds", "constant", "order", "copy", "looks", "key", "swallowed", "orm"],
)
def test_what_is_not_certain_is_refused(body: str, stopping: Stopping) -> None:
    """Where what was read, or a key that was generated, decides what is sent, the run says that it cannot go on."""
    stopping.revision("a1", body)
    stopping.apply("x")
    before = stopping.rows(STATE)
    with pytest.raises(Refused, match=r"a1\.py:\d+: revision a1 is half done and cannot be gone on with") as told:
        stopping.apply()
    assert "`erm repair a1`" in told.value.cure
    assert stopping.rows(STATE) == before
    assert stopping.rows("SELECT version_num FROM alembic_version") == []


def test_lines_that_have_moved(stopping: Stopping) -> None:
    """A comment may be added; a value of chance is then not known by its line, and is refused, not doubled."""
    stopping.revision("a1", ROWS + in_autocommit(INSERT_CHANCE + STOP))
    stopping.apply("x")
    stopping.revision("a1", "# a comment\n" + ROWS + in_autocommit(INSERT_CHANCE + STOP))
    with pytest.raises(Refused, match="nobody can know whether this statement is done"):
        stopping.apply()
    assert stopping.rows("SELECT count(*) FROM t") == [(1,)]


@pytest.mark.parametrize(
    ("first", "second", "refused"),
    [
        ("INSERT INTO t (v) VALUES (1)", "INSERT  INTO t (v, u) VALUES (1, NULL)", True),
        ("UPDATE t SET v = v + 1", "UPDATE t SET v = 1 + v", True),
        ("CREATE TABLE one ()", "CREATE TABLE IF NOT EXISTS one (a int)", False),
    ],
)
def test_a_statement_of_an_edited_helper(first: str, second: str, refused: bool, stopping: Stopping) -> None:
    """What is committed and never sent again tells of a module that was edited: the revision is not recorded."""
    stopping.revision(
        "a1", ROWS + in_autocommit(f'op.execute(__import__("os").environ["HELPER"])\n{STOP}')
    )  # fmt: skip
    with stopping.monkeypatch.context() as patch:
        patch.setenv("HELPER", first)
        stopping.apply("x")
        patch.setenv("HELPER", second)
        if not refused:
            stopping.apply()
            return
        with pytest.raises(Refused, match=r"is committed, and the revision has not sent it again|nobody can know"):
            stopping.apply()
    assert stopping.rows("SELECT version_num FROM alembic_version") == []


def test_a_loop_that_has_come_to_its_end(stopping: Stopping) -> None:
    """A loop over what is left finds nothing more to do: the revision goes on behind it."""
    loop = """
while ids := list(op.get_bind().scalars(sa.text("SELECT id FROM t WHERE v > 0 ORDER BY id LIMIT 2"))):
    op.get_bind().execute(sa.text("UPDATE t SET v = -v WHERE id = ANY(:ids)"), dict(ids=ids))
"""
    stopping.revision("a1", FILLED + in_autocommit(loop) + STOP + '\nop.execute("CREATE TABLE behind ()")')
    stopping.apply("x")
    stopping.apply()
    assert stopping.rows("SELECT v FROM t ORDER BY id") == [(-n,) for n in range(1, 7)]
