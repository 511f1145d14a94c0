"""Down scripts that do their work in forms that a careless reader would take for empty: no false alarms."""

# Sources of revisions read best on one line.
# ruff: noqa: E501

from __future__ import annotations

import pytest

from erm_alembic.errors import ProjectError
from erm_alembic.revisions.source.downgrade import inspect_downgrade
from tests.downgrade.test_forms_that_do_nothing import HEAD

WORKS = {
    "a drop": "def downgrade():\n    op.drop_table('t')",
    "a docstring first": 'def downgrade():\n    """Undo."""\n    op.drop_table("t")',
    "one line": "def downgrade(): op.drop_table('t')",
    "through the connection": "def downgrade():\n    conn = op.get_bind()\n    conn.execute(sa.text('DROP TABLE t'))",
    "a local helper": "def _undo():\n    op.drop_table('t')\ndef downgrade():\n    _undo()",
    "a helper below": "def downgrade():\n    _undo()\ndef _undo():\n    op.drop_table('t')",
    "an imported helper": "from app.migrations import drop_all\ndef downgrade():\n    drop_all()",
    "a helper of a star import": "from app.migrations import *\ndef downgrade():\n    drop_all()",
    "an imported helper with an empty fallback": (
        "try:\n    from app import undo\nexcept ImportError:\n    def undo():\n        pass\n"
        "def downgrade():\n    undo()"
    ),
    "a nested helper": "def downgrade():\n    def undo():\n        op.drop_table('t')\n    undo()",
    "a name of the caller is not the helper's": (
        "def undo():\n    drop('t')\ndrop = op.drop_table\ndef downgrade():\n    drop = print\n    undo()"
    ),
    "a helper given as an argument": "def downgrade():\n    op.run_async(lambda c: c.drop())",
    "one branch works": (
        "def downgrade():\n    if context.is_offline_mode():\n        pass\n    else:\n        op.drop_table('t')"
    ),
    "an early return": ("def downgrade():\n    if context.is_offline_mode():\n        return\n    op.drop_table('t')"),
    "a guard that raises": (
        "def downgrade():\n    if context.is_offline_mode():\n        raise RuntimeError\n    op.drop_table('t')"
    ),
    "a loop": "def downgrade():\n    for name in ('a', 'b'):\n        op.drop_table(name)",
    "a comprehension": "def downgrade():\n    [op.drop_table(name) for name in ('a', 'b')]",
    "a batch": "def downgrade():\n    with op.batch_alter_table('t') as batch:\n        batch.drop_column('c')",
    "an autocommit block": (
        "def downgrade():\n    with op.get_context().autocommit_block():\n        op.drop_index('i')"
    ),
    "an unknown context manager": "from app import without_triggers\ndef downgrade():\n    with without_triggers():\n"
    "        pass",
    "try": "def downgrade():\n    try:\n        op.drop_table('t')\n    except Exception:\n        raise",
    "try and finally": "def downgrade():\n    try:\n        pass\n    finally:\n        op.drop_table('t')",
    "a fallback": "def downgrade():\n    try:\n        raise ValueError\n    except ValueError:\n        op.drop_table('t')",
    "match": "def downgrade():\n    match op.get_bind().dialect.name:\n        case 'postgresql':\n"
    "            op.drop_table('t')\n        case _:\n            raise RuntimeError",
    "a walrus": "def downgrade():\n    if (n := op.drop_table('t')):\n        pass",
    "a returned call": "def downgrade():\n    return op.drop_table('t')",
    "an assigned result": "def downgrade():\n    gone = op.execute('DELETE FROM t')",
    "a method on a table": "def downgrade():\n    sa.Table('t', sa.MetaData()).drop(op.get_bind())",
    "an enum dropped": "def downgrade():\n    sa.Enum(name='e').drop(op.get_bind(), checkfirst=True)",
    "getattr": "def downgrade():\n    getattr(op, 'drop_table')('t')",
    "map": "def downgrade():\n    list(map(op.drop_table, ['t']))",
    "through the context": "def downgrade():\n    context.get_bind().exec_driver_sql('DROP TABLE t')",
    "through the implementation": "def downgrade():\n    context.get_context().impl.drop_table(t)",
    "context.execute": "def downgrade():\n    context.execute('DROP TABLE t')",
    "a session": "from sqlalchemy.orm import Session\ndef downgrade():\n    s = Session(bind=op.get_bind())\n    s.commit()",
    "a decorator": "from app import logged\n@logged\ndef downgrade():\n    op.drop_table('t')",
    "a decorator that carries the work": "from app import run_sql\n@run_sql('down.sql')\ndef downgrade():\n    pass",
    "a decorator of this file that does the work": (
        "def undone(f):\n    def inner():\n        op.drop_table('t')\n        f()\n    return inner\n"
        "@undone\ndef downgrade():\n    pass"
    ),
    "an async function that a decorator runs": (
        "from app import run_async\n@run_async\nasync def downgrade():\n    op.drop_table('t')"
    ),
    "an alias of a function": "def _undo():\n    op.drop_table('t')\ndowngrade = _undo",
    "an alias of an import": "from app.undo import undo\ndowngrade = undo",
    "re-exported": "from app.undo import downgrade",
    "re-exported under another name": "from app.undo import undo as downgrade",
    "a star import": "from app.undo import *",
    "a lambda": "downgrade = lambda: op.drop_table('t')",
    "a partial": "import functools\ndowngrade = functools.partial(op.drop_table, 't')",
    "a made pair": "from app import sql_pair\nupgrade, downgrade = sql_pair('0001')",
    "a class method": "class Shop:\n    @classmethod\n    def down(cls):\n        op.drop_table('t')\n"
    "downgrade = Shop.down",
    "a method of an object": "class Shop:\n    def down(self):\n        op.drop_table('t')\ndowngrade = Shop().down",
    "a wrapped function": "from app import logged\ndef _undo():\n    op.drop_table('t')\ndowngrade = logged(_undo)",
    "through globals": "from app import make\nglobals()['downgrade'] = make()",
    "redefined, the last works": "def downgrade():\n    pass\ndef downgrade():\n    op.drop_table('t')",
    "defined on a condition": (
        "if context.is_offline_mode():\n    def downgrade():\n        pass\nelse:\n"
        "    def downgrade():\n        op.drop_table('t')"
    ),
    "recursion": "def undo(n):\n    if n:\n        undo(n - 1)\n    op.drop_table('t')\ndef downgrade():\n    undo(3)",
}


@pytest.mark.parametrize("name", WORKS)
def test_a_down_script_that_works_is_no_false_alarm(name: str) -> None:
    """Every form that can change the database is `ok`."""
    report = inspect_downgrade(HEAD + WORKS[name])
    assert (report.state, report.contains) == ("ok", "")


MERGE = "revision = 'm'\ndown_revision = ('a', 'b')\n"


def test_a_merge_that_does_nothing_in_both_directions_has_nothing_to_undo() -> None:
    """A merge with an empty upgrade and an empty downgrade is `ok`."""
    assert inspect_downgrade(MERGE + "def upgrade(): pass\ndef downgrade(): pass").state == "ok"


def test_a_revision_whose_upgrade_is_empty_has_nothing_to_undo() -> None:
    """An empty upgrade makes an empty downgrade `ok`, whatever the number of parents."""
    source = 'def upgrade():\n    """Marker."""\ndef downgrade():\n    ...'
    assert inspect_downgrade(source).state == "ok"


@pytest.mark.parametrize(
    "source",
    [
        MERGE + "def upgrade(): op.drop_table('x')\ndef downgrade(): pass",
        MERGE + "def upgrade(): pass\ndef downgrade(): raise NotImplementedError",
        MERGE + "async def upgrade(): work()\ndef downgrade(): pass",
        MERGE + "def upgrade(): raise RuntimeError\ndef downgrade(): pass",
    ],
)
def test_nothing_to_undo_is_claimed_only_where_it_is_true(source: str) -> None:
    """An upgrade that works, or a downgrade that raises, is not excused by being a merge."""
    assert inspect_downgrade(source).state == "empty"


@pytest.mark.parametrize(
    ("source", "reason", "line"),
    [
        ("irreversible = 'drops personal data'", "drops personal data", 1),
        ("irreversible: str = 'typed'\ndef downgrade(): pass", "typed", 1),
        ("x = 1\nirreversible = (\n    'split '\n    'in two'\n)", "split in two", 3),
        ("irreversible = 'a ' + 'b'\ndef downgrade(): op.drop_table('t')", "a b", 1),
        ("irreversible = f'constant'", "constant", 1),
        ('irreversible = """\n  long\n"""', "long", 1),
    ],
)
def test_a_declared_reason_makes_a_revision_irreversible(source: str, reason: str, line: int) -> None:
    """`irreversible = "reason"` is read from any form of a constant string, and beats what downgrade does."""
    report = inspect_downgrade(source)
    assert (report.state, report.reason, report.line) == ("irreversible", reason, line)


def test_a_reason_that_only_running_the_code_tells_is_no_declaration() -> None:
    """A computed or conditional `irreversible` promises nothing."""
    assert inspect_downgrade("irreversible = why()\ndef downgrade(): pass").state == "empty"
    assert inspect_downgrade("if x:\n    irreversible = 'r'\ndef downgrade(): pass").state == "empty"


def test_a_syntax_error_names_file_and_line() -> None:
    """A file that is not Python raises, with the place to correct."""
    with pytest.raises(ProjectError) as caught:
        inspect_downgrade("def downgrade():\n    op.drop_table(\n", path="versions/a.py")
    assert str(caught.value) == "versions/a.py:2: this revision file is not valid Python: '(' was never closed."
    assert caught.value.cure == "Correct versions/a.py:2, then run the command again."


def test_a_null_byte_is_a_syntax_error_too() -> None:
    """A damaged file raises the same error, not a traceback."""
    with pytest.raises(ProjectError, match=r"a\.py.*not valid Python"):
        inspect_downgrade("x = 1\0", path="a.py")


def test_encodings_and_byte_order_marks_are_read() -> None:
    """Bytes are decoded as Python decodes them."""
    latin = "# -*- coding: latin-1 -*-\nirreversible = 'gelöscht'\n".encode("latin-1")
    assert inspect_downgrade(latin).reason == "gelöscht"
    assert inspect_downgrade(b"\xef\xbb\xbfirreversible = 'bom'").reason == "bom"
    assert inspect_downgrade("\ufeffirreversible = 'bom'").reason == "bom"


def test_a_doubtful_escape_in_an_old_revision_prints_nothing(recwarn: pytest.WarningsRecorder) -> None:
    """Python's warnings about a revision's strings are not shown by the check."""
    inspect_downgrade("x = '\\d'\ndef downgrade(): op.drop_table(x)")
    assert not recwarn.list


def test_data_nested_too_deep_to_follow_is_no_false_alarm() -> None:
    """A long sum of strings, deeper than Python's own stack, is taken for work instead of a traceback."""
    total = " + ".join(f"'{number}'" for number in range(900))
    assert inspect_downgrade(f"def downgrade():\n    run({total})\n").state == "ok"
