"""What came late goes on top of what a database has, and the new order is seen to go through."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from tests.faults.deploying import Project, told
from tests.support.databases import Database

LATE = """\
# -*- coding: latin-1 -*-
'''m\xe9ssage, which says  Revises: nothing

Revision ID: c3
Revises:   a1
Create Date: 2026-01-01
'''
from alembic import op

# identifiers, used by Alembic.
revision: str = 'c3'
down_revision: "str | None" = 'a1'   # d\xe9j\xe0 vu
branch_labels = None
depends_on = None


def upgrade():
    op.execute("CREATE TABLE late (id integer)")


def downgrade():
    op.drop_table('late')
"""


TEMPLATE = """\
revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}

def upgrade():
    pass

def downgrade():
    pass
"""


def two_heads(project: Project) -> Path:
    """`b2` and `c3` build on `a1`; the database has `b2`."""
    project.table("a1", "users")
    project.table("b2", "orders", down="a1")
    assert project.apply().returncode == 0
    path = project.versions / "c3_late.py"
    path.write_bytes(LATE.replace("\n", "\r\n").encode("latin-1"))
    return path


def rebased(project: Project, *args: str) -> subprocess.CompletedProcess[str]:
    """`erm rebase` with the shadow."""
    return project.erm("rebase", *args, ERM_NO_SHADOW=None)


def test_what_the_database_has_not_goes_on_top(project: Project, one_database: Database) -> None:
    """Two words of the file change and nothing else; then apply has one revision to run."""
    path = two_heads(project)
    before = path.read_bytes()
    look = rebased(project, "--dry-run")
    assert look.returncode == 0 and path.read_bytes() == before
    assert "-down_revision: \"str | None\" = 'a1'" in look.stdout and "Nothing was changed." in look.stdout
    done = rebased(project)
    assert done.returncode == 0, done.stderr
    assert "c3 builds on b2, no longer on a1" in done.stdout and "The head is c3." in done.stdout
    expected = before.replace(b"Revises:   a1", b"Revises: b2").replace(b"= 'a1'   #", b"= 'b2'   #")
    assert path.read_bytes() == expected
    applied = project.apply()
    assert applied.returncode == 0, applied.stderr
    assert one_database.execute("SELECT version_num FROM alembic_version") == [("c3",)]
    assert told(rebased(project))[1][0] == "error:  There is one head, c3: nothing came beside it."


def test_what_was_applied_is_not_moved(project: Project) -> None:
    """Not by its name either, and not when the database has both; these can be merged."""
    path = two_heads(project)
    code, lines = told(rebased(project, "b2"))
    assert (code, lines[0]) == (
        1,
        "error:  The database has revision b2 already: what was applied is not put elsewhere.",
    )
    assert project.apply("--to", "c3").returncode == 0
    before = path.read_bytes()
    assert "The database has revisions of several branches: b2, c3." in rebased(project).stderr
    assert path.read_bytes() == before
    (project.root / "migrations" / "script.py.mako").write_text(TEMPLATE, encoding="utf-8")
    done = rebased(project, "--merge", "-m", "both", "--format", "json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert len(document["heads"]) == 1 and Path(document["merge"]).exists()
    assert project.apply().returncode == 0
    assert told(rebased(project, "--merge"))[0] == 1


def test_several_late_branches_go_on_top_of_each_other(project: Project) -> None:
    """Each with all of its revisions; a branch with a label is meant to be one, and stays."""
    two_heads(project)
    project.table("d4", "one", down="a1")
    project.table("e5", "two", down="d4")
    labelled = project.table("f6", "own", down=None)
    labelled.write_text(
        labelled.read_text("utf-8").replace("branch_labels = None", 'branch_labels = ("own",)'), "utf-8"
    )
    done = rebased(project, "--format", "json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    moves = [(move["revisions"], move["before"], move["onto"]) for move in document["moves"]]
    assert moves == [(["c3"], "a1", "b2"), (["d4", "e5"], "a1", "c3")]
    assert document["heads"] == ["e5", "f6"]
    assert project.apply().returncode == 0


def test_an_order_that_does_not_go_through_is_taken_back(project: Project) -> None:
    """Two branches that make the same table cannot be put on each other."""
    project.table("a1", "users")
    project.table("b2", "orders", down="a1")
    assert project.apply().returncode == 0
    path = project.table("c3", "orders", down="a1")
    before = path.read_bytes()
    code, lines = told(rebased(project))
    assert code == 1 and lines[0].startswith("error:  The new order cannot be replayed:")
    assert lines[1] == "effect: Every file is as it was."
    assert path.read_bytes() == before


def test_it_says_when_it_cannot_know_which_came_late(project: Project) -> None:
    """A database that has neither branch does not tell; a name does. A file that cannot be edited is named."""
    project.table("a1", "users")
    project.table("b2", "orders", down="a1")
    path = project.table("c3", "rates", down="a1")
    code, lines = told(rebased(project))
    assert (code, lines[0]) == (2, "error:  Which of the heads came late is not certain: b2, c3.")
    path.write_text(path.read_text("utf-8").replace("down_revision = 'a1'", "down_revision = 'a' + '1'"), "utf-8")
    code, lines = told(rebased(project, "c3"))
    assert (code, lines[0]) == (1, "error:  migrations/versions/c3.py: down_revision is not written down as one id.")
    assert told(rebased(project, "b2", "--onto", "a1"))[0] == 2
    done = rebased(project, "b2", "--onto", "c3")
    assert done.returncode == 0, done.stderr
