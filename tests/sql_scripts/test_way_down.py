"""The way down of a revision in SQL is read from its script, and an edit of a script is an edit of the revision."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from erm_alembic import plan_rollback, rollback
from erm_alembic.checks.overrides import Override
from erm_alembic.errors import ErmError, ProjectError
from erm_alembic.inspection import restore
from erm_alembic.revisions.source.same_code import same_sql
from erm_alembic.revisions.source.sql_pair import parted
from tests.sql_scripts.building import SqlProject
from tests.sql_scripts.plain import plain_alembic
from tests.support.databases import Database

TABLE, NO_TABLE = "CREATE TABLE a (id int);\n", "DROP TABLE a;\n"
WAYS_DOWN = (
    ("DROP TABLE a;", "ok"),
    ("-- nothing to do\n", "empty"),
    ("BEGIN;\nCOMMIT;\n", "empty"),
    ("SELECT 1;", "empty"),
    ("SELECT drop_it();", "ok"),
    ("-- erm: irreversible the old prices are not kept\n", "irreversible"),
    (None, "missing"),
)


def test_the_plan_and_the_check_read_the_down_script(project: SqlProject) -> None:
    """Missing, empty, irreversible or there: the same word in both, and the finding points at the script."""
    for number, (down, _) in enumerate(WAYS_DOWN):
        up = project.pair(f"t{number}", f"CREATE TABLE t{number} (id int);", "SELECT f();")
        script = up.with_name(up.name.replace(".sql", "_down.sql"))
        script.unlink() if down is None else script.write_text(down, encoding="utf-8")
    plan = project.plan()
    assert [step.downgrade for step in plan.steps] == [state for _, state in WAYS_DOWN]
    check = project.erm("check", "downgrades", "--format", "json")
    assert check.returncode == 1
    found = {each["revision"]: each for each in json.loads(check.stdout)["findings"]}
    bad = {f"{number:03}": state for number, (_, state) in enumerate(WAYS_DOWN, 1) if state in ("missing", "empty")}
    assert set(found) == set(bad) == {finding.revision for finding in plan.findings}
    for number, finding in found.items():
        name = f"{number}_t{int(number) - 1}"
        end = ".py" if bad[number] == "missing" else "_down.sql"
        assert finding["path"] == f"migrations/versions/{name}{end}"
        assert f"{name}_down.sql" in finding["help"] and "-- erm: irreversible REASON" in finding["help"]


def test_a_hook_that_is_given_a_script_checks_its_revision(project: SqlProject) -> None:
    """pre-commit hands over the files that were edited; other SQL files are nobody's."""
    project.pair("good", TABLE, NO_TABLE)
    up = project.pair("bad", TABLE, "-- nothing\n")
    other = project.directory({"seed.sql": "SELECT 1;"}) / "seed.sql"
    check = project.erm("check", "downgrades", up.with_name("002_bad_down.sql"), other, "--format", "json")
    assert [each["revision"] for each in json.loads(check.stdout)["findings"]] == ["002"]
    assert project.erm("check", "downgrades", up.with_name("001_good.sql")).returncode == 0


def test_a_missing_down_script_stops_a_rollback_whatever_is_overridden(project: SqlProject) -> None:
    """There is nothing that could be run, and the script to write is named."""
    up = project.pair("first", TABLE, NO_TABLE)
    assert project.applied().result == "done"
    up.with_name("001_first_down.sql").unlink()
    rules = ("missing-downgrade", "edited-revision", "irreversible-revision")
    with pytest.raises(ErmError, match=r"Revision 001 has no statements to run; write them into 001_first_down\.sql"):
        rollback(overrides=tuple(Override(rule, "at night") for rule in rules), allow_data_loss=True)


def test_a_script_that_says_there_is_no_way_back_is_not_taken_back(project: SqlProject, packages: Path) -> None:
    """By erm, with its reason; nor by plain Alembic."""
    project.pair("first", TABLE, "-- erm: irreversible the old prices are not kept\n")
    assert project.applied().result == "done"
    plan = plan_rollback()
    assert plan.blocked and "the old prices are not kept" in plan.findings[0].message
    plain = plain_alembic(packages, project.root, "downgrade", "base")
    assert plain.returncode == 1 and "there is no way back: the old prices are not kept" in plain.stderr


def test_a_script_that_is_no_sql_is_named_by_the_check(project: SqlProject) -> None:
    """File, line and column, without a database."""
    project.pair("first", TABLE, "DROP TABLE a;\n\\echo gone\n")
    with pytest.raises(ProjectError, match=r"^migrations/versions/001_first_down\.sql:2:1: a command of psql"):
        project.plan()
    check = project.erm("check", "downgrades", ERM_DATABASE_URL=None)
    assert check.returncode == 1
    assert "migrations/versions/001_first_down.sql:2:1: a command of psql" in check.stderr


@pytest.mark.parametrize(
    ("edited", "same"),
    [
        ("create  table a(\n\tid INT -- the key\n) ;\n", True),
        ("-- why\nCREATE TABLE a (id int)", True),
        ("\ufeffCREATE TABLE a (id int);\r\n", True),
        ("CREATE TABLE a (id bigint);\n", False),
        ('CREATE TABLE "A" (id int);\n', False),
        ("-- erm: no-transaction\nCREATE TABLE a (id int);\n", False),
        ("-- erm: irreversible it is so\nCREATE TABLE a (id int);\n", False),
        ("CREATE TABLE a (id int); SELECT 1;\n", False),
        ("CREATE TABLE a (id int); SELECT 'a", False),
    ],
)
def test_a_formatters_run_over_a_script_is_no_edit(edited: str, same: bool) -> None:
    """White space, comments, the case of keywords and a last semicolon do not count; what is sent does."""
    assert same_sql(TABLE, edited) is same
    assert same_sql(edited, TABLE) is same


def test_an_edited_script_is_an_edited_revision(project: SqlProject) -> None:
    """Up or down; a comment is not."""
    up = project.pair("first", TABLE, NO_TABLE)
    down = up.with_name("001_first_down.sql")
    assert project.applied().result == "done"
    for path, text, kinds in (
        (up, f"-- why\n{TABLE}", []),
        (up, "CREATE TABLE a (id bigint);", ["edited-revision"]),
        (up, TABLE, []),
        (down, "DROP TABLE a CASCADE;", ["edited-revision"]),
        (down, NO_TABLE.lower(), []),
    ):
        path.write_text(text, encoding="utf-8")
        assert [drift.kind for drift in project.plan().drift] == kinds, text
    down.unlink()
    assert [drift.kind for drift in project.plan().drift] == ["edited-revision"]


def test_a_script_in_the_ledger_cannot_lead_out_of_its_folder() -> None:
    """A name with a folder in it is no script; nor is a line that only looks like one."""
    for line in ('{"name": "../a.sql", "text": "x"}', '{"name": "a.py", "text": "x"}', "{", '"a"', '{"name": "a.sql"}'):
        source = f"x = 1\n# erm: sql-file {line}\n"
        assert parted(source) == (source, {})


def test_a_lost_revision_comes_back_with_its_scripts(project: SqlProject, one_database: Database) -> None:
    """Byte for byte, whichever of its files is lost; a file that is there stays as it is."""
    up = project.pair("first", "CREATE TABLE a (id int);\r\n-- ä 東京 \U0001f418", NO_TABLE)
    assert project.applied().result == "done"
    before = project.written()
    names = ("001_first.py", "001_first.sql", "001_first_down.sql")
    for lost in (names, names[:1], names[1:2], names[2:]):
        for name in lost:
            up.with_name(name).unlink()
        restore(None, "001")
        assert project.written() == before
    with pytest.raises(ErmError, match="exists"):
        restore(None, "001")
    up.write_text("SELECT 'mine';\n", encoding="utf-8")
    up.with_name("001_first.py").unlink()
    restore(None, "001")
    assert up.read_text(encoding="utf-8") == "SELECT 'mine';\n"
