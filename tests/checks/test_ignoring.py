"""`erm: ignore[rule] reason`: which comments count, and what each is about."""

from __future__ import annotations

import json

import pytest

from erm_alembic.checks.ignores import without_ignored
from erm_alembic.findings import Finding, Ignored
from erm_alembic.revisions.source.ignores import Ignore, ignores_in_python, ignores_in_sql
from tests.checks.building import revision

PYTHON = '''"""A revision.  # erm: ignore[in-docstring] x"""
# erm: ignore[whole-file] every table is small
import sqlalchemy as sa

text = "# erm: ignore[in-string] x"


def upgrade():
    op.add_column(
        "t",
        sa.Column("a", sa.Text),  # erm: ignore[within] why
    )
    # erm: ignore[above, second] why not
    op.drop_column("t", "b")
    op.drop_column("t", "c")  #erm:ignore[behind]: it goes
    op.drop_column("t", "d")  # erm: ignore[no-reason]
    # noqa, and erm: ignore[not-a-comment-of-its-own]
    if True:  # erm: ignore[header] only the line of the if
        op.drop_column("t", "e")
'''


def test_a_comment_is_about_the_statement_that_it_stands_in_or_that_follows_it() -> None:
    """Over all of its lines; at the top of the file it is about all of it."""
    found = {each.rules: (each.first, each.last, each.reason) for each in ignores_in_python(PYTHON)}
    assert found == {
        ("whole-file",): (0, None, "every table is small"),
        ("within",): (9, 12, "why"),
        ("above", "second"): (14, 14, "why not"),
        ("behind",): (15, 15, "it goes"),
        ("no-reason",): (16, 16, ""),
        ("header",): (18, 18, "only the line of the if"),
    }


SQL = """-- erm: ignore[whole-script] small tables
CREATE TABLE a (b text DEFAULT '-- erm: ignore[in-string] x');
-- erm: ignore[above] why
ALTER TABLE a
  DROP COLUMN b, -- erm: ignore[within] it goes
  DROP COLUMN c; -- erm: ignore[behind] it went
CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$
BEGIN -- erm: ignore[in-body] x
  RETURN 1;
END $$;
-- erm: ignore[at-the-end] nothing follows
"""


def test_a_script_has_them_behind_two_dashes() -> None:
    """Strings and bodies of functions are none."""
    found = {each.rules: (each.first, each.last) for each in ignores_in_sql(SQL)}
    assert found == {
        ("whole-script",): (0, None),
        ("above",): (4, 6),
        ("within",): (4, 6),
        ("behind",): (4, 6),
        ("at-the-end",): (11, 11),
    }


@pytest.mark.parametrize("source", ["x = (  # erm: ignore[a] b\n", "if:\n  '''  # erm: ignore[a] b"])
def test_a_file_that_is_no_python_ignores_nothing(source: str) -> None:
    """It cannot be loaded either."""
    assert ignores_in_python(source) == ()


def test_a_family_stands_for_its_rules_and_a_line_for_itself() -> None:
    """A finding without a line is covered by a comment about the whole file only."""
    line, whole = Ignore(("squawk",), "x", "a.py", 4, 4, 6), Ignore(("a",), "x", "a.py", 1, 0)
    assert line.covers("squawk/ban-drop-column", 6) and line.covers("squawk", 4)
    assert not line.covers("squawk/ban-drop-column", 7) and not line.covers("squawk/x", None)
    assert whole.covers("a", None) and whole.covers("a", 99) and not whole.covers("b", 1)


RULE = "work-after-exclusive-lock"


def test_what_is_ignored_is_counted_with_its_reason() -> None:
    """In the file that the finding is about; nothing is without a reason, nor a rule that is not about files."""
    here = Finding(RULE, "warning", "m", revision="a", path="versions/a.py", line=1)
    lost = Finding("data-loss", "error", "m", revision="a", path="versions/a.py", line=1)
    file = revision("a", source=f"x = 1  # erm: ignore[{RULE}, data-loss] few rows\n")
    kept, ignored = without_ignored([here, lost], [file])
    assert kept == (lost,)
    assert ignored == (Ignored(RULE, "few rows", "a", "versions/a.py", 1),)
    assert without_ignored([here], [revision("a", source=f"x = 1  # erm: ignore[{RULE}]\n")])[0] == (here,)
    assert without_ignored([here], [revision("b", source=file.source)])[0] == (here,)


def test_a_finding_about_a_script_is_ignored_in_the_script() -> None:
    """Its lines are not those of the revision file."""
    script = json.dumps({"name": "1_a.sql", "text": f"SELECT 1;\n-- erm: ignore[{RULE}] why\nSELECT 2;\n"})
    file = revision("a", source=f"x = 1\n# erm: sql-file {script}\n")
    there = Finding(RULE, "warning", "m", revision="a", path="versions/1_a.sql", line=3)
    elsewhere = Finding(RULE, "warning", "m", revision="a", path="versions/a.py", line=3)
    kept, ignored = without_ignored([there, elsewhere], [file])
    assert kept == (elsewhere,)
    assert [(each.path, each.line) for each in ignored] == [("versions/1_a.sql", 3)]
