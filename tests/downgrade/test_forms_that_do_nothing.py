"""Down scripts that do nothing, in the many forms in which people write them."""

# Sources of revisions read best on one line.

from __future__ import annotations

import pytest

from erm_alembic.revisions.source.downgrade import inspect_downgrade

HEAD = """
import logging
import warnings
import sqlalchemy as sa
from alembic import context, op
logger = logging.getLogger(__name__)

def upgrade():
    op.create_table("t", sa.Column("id", sa.Integer))

"""

# name -> (source after HEAD, what the report says that it contains)
EMPTY = {
    "bare pass": ("def downgrade():\n    pass", "only `pass`"),
    "docstring": ('def downgrade():\n    """Nothing."""', "only a docstring"),
    "docstring and pass": ('def downgrade():\n    """Nothing."""\n    pass', "only `pass`"),
    "ellipsis": ("def downgrade():\n    ...", "only `...`"),
    "ellipsis on one line": ("def downgrade() -> None: ...", "only `...`"),
    "bare return": ("def downgrade():\n    return", "only `return`"),
    "return None": ("def downgrade():\n    return None", "only `return None`"),
    "raise": ("def downgrade():\n    raise NotImplementedError", "only `raise NotImplementedError`"),
    "raise with a message": (
        "def downgrade():\n    raise NotImplementedError('no way back')",
        "only `raise NotImplementedError`",
    ),
    "print, then raise": (
        "def downgrade():\n    print('no')\n    raise RuntimeError('no')",
        "only `raise RuntimeError`",
    ),
    "log, then raise": (
        "def downgrade():\n    logger.warning('no')\n    logging.info('x')\n    raise Exception()",
        "only `raise Exception`",
    ),
    "warn, then pass": (
        "def downgrade():\n    warnings.warn('no')\n    pass",
        "nothing that changes the database",
    ),
    "an imported logger": (
        "from app.log import logger as log\ndef downgrade():\n    log.info('nothing to do')",
        "nothing that changes the database",
    ),
    "work, then always raise": (
        "def downgrade():\n    op.drop_table('t')\n    raise RuntimeError('by hand, please')",
        "work that always ends in `raise RuntimeError`",
    ),
    "raise through a helper": (
        "def _refuse():\n    raise RuntimeError('no')\ndef downgrade():\n    _refuse()\n    op.drop_table('t')",
        "only an exception on every way through it",
    ),
    "sys.exit": (
        "import sys\ndef downgrade():\n    sys.exit('no')",
        "only an exception on every way through it",
    ),
    "both branches raise": (
        "def downgrade():\n    if context.is_offline_mode():\n        raise ValueError\n    else:\n"
        "        raise TypeError",
        "only `raise ValueError`",
    ),
    "an if with nothing in it": (
        "def downgrade():\n    if op.get_context().dialect.name == 'postgresql':\n        pass",
        "nothing that changes the database",
    ),
    "return first": ("def downgrade():\n    return\n    op.drop_table('t')", "only `return`"),
    "raise first": (
        "def downgrade():\n    raise NotImplementedError\n    op.drop_table('t')",
        "only `raise NotImplementedError`",
    ),
    "if False": (
        "def downgrade():\n    if False:\n        op.drop_table('t')",
        "nothing that changes the database",
    ),
    "if TYPE_CHECKING": (
        "from typing import TYPE_CHECKING\ndef downgrade():\n    if TYPE_CHECKING:\n        op.drop_table('t')",
        "nothing that changes the database",
    ),
    "while 0": (
        "def downgrade():\n    while 0:\n        op.drop_table('t')",
        "nothing that changes the database",
    ),
    "a loop over nothing": (
        "def downgrade():\n    for name in ():\n        op.drop_table(name)",
        "nothing that changes the database",
    ),
    "False and": ("def downgrade():\n    False and op.drop_table('t')", "nothing that changes the database"),
    "assert False": (
        "def downgrade():\n    assert False, 'no'\n    op.drop_table('t')",
        "only an exception on every way through it",
    ),
    "async def": (
        "async def downgrade():\n    op.drop_table('t')",
        "an `async def`, which Alembic calls but never awaits",
    ),
    "a generator": (
        "def downgrade():\n    op.drop_table('t')\n    yield",
        "a generator, which Alembic calls but never iterates",
    ),
    "variables only": (
        "def downgrade():\n    a = 1\n    b: int = 2\n    a += b\n    del a",
        "nothing that changes the database",
    ),
    "the connection alone": ("def downgrade():\n    op.get_bind()", "nothing that changes the database"),
    "the connection in a variable": (
        "def downgrade():\n    conn = op.get_bind()\n    name = conn.dialect.name",
        "nothing that changes the database",
    ),
    "a statement that is built and not sent": (
        "def downgrade():\n    t = sa.table('t', sa.column('id'))\n    gone = t.delete().where(t.c.id == 1)",
        "nothing that changes the database",
    ),
    "a batch with nothing in it": (
        "def downgrade():\n    with op.batch_alter_table('t') as batch:\n        pass",
        "nothing that changes the database",
    ),
    "an autocommit block with nothing in it": (
        "def downgrade():\n    with op.get_context().autocommit_block():\n        pass",
        "nothing that changes the database",
    ),
    "try with nothing in it": (
        "def downgrade():\n    try:\n        pass\n    except Exception:\n        op.drop_table('t')",
        "nothing that changes the database",
    ),
    "an import alone": ("def downgrade():\n    import os", "nothing that changes the database"),
    "a nested function never called": (
        "def downgrade():\n    def undo():\n        op.drop_table('t')",
        "nothing that changes the database",
    ),
    "an empty helper": (
        "def _drop_all():\n    pass\ndef downgrade():\n    _drop_all()",
        "nothing that changes the database",
    ),
    "helpers that call each other": (
        "def a():\n    b()\ndef b():\n    a()\ndef downgrade():\n    a()",
        "nothing that changes the database",
    ),
    "an alias of an empty function": ("def _undo():\n    pass\ndowngrade = _undo", "only `pass`"),
    "an alias of an alias": ("def _undo():\n    ...\nlater = _undo\ndowngrade = later", "only `...`"),
    "lambda: None": ("downgrade = lambda: None", "a lambda that does nothing"),
    "None": ("downgrade = None", "`None`, which is not a function"),
    "a partial of print": (
        "from functools import partial\ndowngrade = partial(print, 'no')",
        "only `partial(print, 'no')`",
    ),
    "a partial of an empty function": (
        "import functools\ndef _undo(x): pass\ndowngrade = functools.partial(_undo, 1)",
        "only `functools.partial(_undo, 1)`",
    ),
    "a static method": (
        "class Shop:\n    @staticmethod\n    def down():\n        pass\ndowngrade = Shop.down",
        "only `pass`",
    ),
    "a bare decorator": (
        "from app.migrations import logged\n@logged\ndef downgrade():\n    pass",
        "only `pass`",
    ),
    "a wrapper in this file": (
        "import functools\ndef logged(f):\n    @functools.wraps(f)\n    def inner(*a):\n        print('down')\n"
        "        return f(*a)\n    return inner\n@logged\ndef downgrade():\n    pass",
        "only `pass`",
    ),
    "redefined, the last is empty": (
        "def downgrade():\n    op.drop_table('t')\ndef downgrade():\n    pass",
        "only `pass`",
    ),
    "defined empty in both branches": (
        "if context.is_offline_mode():\n    def downgrade():\n        pass\nelse:\n    def downgrade():\n        ...",
        "only `...`",
    ),
    "an irreversible without a reason": (
        "irreversible = '  '\ndef downgrade():\n    pass",
        "only `pass`, and `irreversible` gives no reason",
    ),
    "an irreversible that is only True": (
        "irreversible = True\ndef downgrade():\n    pass",
        "only `pass`, and `irreversible` gives no reason",
    ),
}


@pytest.mark.parametrize("name", EMPTY)
def test_a_down_script_that_does_nothing_is_empty_and_says_what_it_contains(name: str) -> None:
    """Every form of doing nothing is `empty`, with its line and what stands there in words."""
    source, contains = EMPTY[name]
    report = inspect_downgrade(HEAD + source)
    assert (report.state, report.contains) == ("empty", contains)
    assert report.line is not None and report.line > HEAD.count("\n")


MISSING = {
    "not there": "",
    "another name": "def downgrades():\n    op.drop_table('t')",
    "inside a class": "class Shop:\n    def downgrade(self):\n        op.drop_table('t')",
    "deleted": "def downgrade():\n    op.drop_table('t')\ndel downgrade",
    "behind if False": "if False:\n    def downgrade():\n        op.drop_table('t')",
    "in a comment": "# def downgrade():\n#     op.drop_table('t')",
}


@pytest.mark.parametrize("name", MISSING)
def test_a_revision_without_a_downgrade_function_is_missing_it(name: str) -> None:
    """A file in which Alembic would find no `downgrade` is `missing`."""
    report = inspect_downgrade(HEAD + MISSING[name])
    assert (report.state, report.line, report.contains) == ("missing", None, "no `downgrade` function")
