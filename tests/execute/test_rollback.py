"""Rollback: everything is checked before the first statement, and data is lost only when that is said."""

from __future__ import annotations

import json

import pytest

from tests.faults.deploying import Project, tables, told
from tests.support.databases import Database


def deployed(project: Project) -> Project:
    """Three tables, each made by a revision on top of the other."""
    project.table("a1", "first")
    project.table("b2", "second", down="a1")
    project.table("c3", "third", down="b2")
    assert project.apply().returncode == 0
    return project


def back(project: Project, *args: str) -> tuple[int, str]:
    """Roll back: the exit code and everything that was said."""
    done = project.apply("--mode", "rollback", *args)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("arguments", "left"),
    [
        ([], {"first", "second"}),
        (["--steps", "2"], {"first"}),
        (["--to", "a1"], {"first"}),
        (["--to", "base"], set()),
    ],
)
def test_how_far(arguments: list[str], left: set[str], project: Project, one_database: Database) -> None:
    """One step by default, `--steps` of them, down to the revision that `--to` keeps, or all; empty tables just go."""
    code, said = back(deployed(project), *arguments)
    assert code == 0, said
    assert tables(one_database) == {*left, "alembic_version"}
    run = project.runs()[-1]
    assert (run["mode"], run["outcome"]) == ("rollback", "done")
    assert {each["direction"] for each in run["revisions"]} == {"downgrade"}


def test_nothing_to_roll_back(project: Project) -> None:
    """A database without revisions has nothing to roll back, and that is no error."""
    project.table("a1", "first")
    assert back(project)[0] == 0


def test_an_unknown_revision(project: Project, one_database: Database) -> None:
    """`--to` a revision that does not exist is a usage error."""
    code, said = back(deployed(project), "--to", "nope")
    assert (code, "--to nope cannot be planned" in said) == (2, True)
    assert tables(one_database) == {"first", "second", "third", "alembic_version"}


def test_a_revision_above_the_current_one(project: Project) -> None:
    """`--to` a revision that is not applied says so, where the database is, and nothing of Alembic's insides."""
    deployed(project)
    project.table("d4", "fourth", down="c3")
    code, said = back(project, "--to", "d4")
    assert code == 2
    assert "error:  --to d4: revision d4 is not applied; the database is at c3.\n" in said
    assert "d4" not in said.partition("cure:")[2]


@pytest.mark.parametrize("beyond", ["d4+1", "c3+9", "c3-9"])
def test_a_way_beyond_the_last_revision(project: Project, beyond: str) -> None:
    """A relative revision that does not exist is a usage error, up and down."""
    deployed(project)
    project.table("d4", "fourth", down="c3")
    for way in (project.apply("--to", beyond), project.erm("migrate", "--mode", "rollback", "--to", beyond)):
        assert (way.returncode, f"error:  --to {beyond} cannot be planned: " in way.stderr) == (2, True), way.stderr


@pytest.mark.parametrize(
    ("downgrade", "rule", "said"),
    [
        ("pass", "missing-downgrade", "migrations/versions/b2.py"),
        (None, "missing-downgrade", "migrations/versions/b2.py"),
        ("irreversible", "irreversible-revision", "the old rates are gone"),
    ],
)
def test_a_way_that_does_not_exist(
    downgrade: str | None, rule: str, said: str, project: Project, one_database: Database
) -> None:
    """A down script that is empty, missing or declared irreversible halts the whole rollback before it begins."""
    project.table("a1", "first")
    path = project.table("b2", "second", down="a1")
    project.table("c3", "third", down="b2")
    text = path.read_text()
    if downgrade == "irreversible":
        path.write_text(text + "\n\nirreversible = 'the old rates are gone'\n")
    elif downgrade is None:
        path.write_text(text.split("def downgrade")[0])
    else:
        path.write_text(text.replace("op.drop_table('second')", downgrade))
    code = project.apply("--override", "missing-downgrade", "--reason", "tested below").returncode
    assert code == 0
    code, out = back(project, "--steps", "2", "--allow-data-loss")
    assert code == 1
    assert f"error {rule}" in out
    assert said in out
    assert "Refused: nothing was changed." in out
    assert tables(one_database) == {"first", "second", "third", "alembic_version"}
    assert one_database.execute("SELECT version_num FROM alembic_version") == [("c3",)]
    # What lies above the obstacle can still be taken back.
    assert back(project)[0] == 0


def without_downgrade(project: Project, extra: str = "") -> None:
    """Two revisions that were applied; the latter has lost its downgrade()."""
    project.table("a1", "first")
    path = project.table("b2", "second", down="a1")
    path.write_text(path.read_text().split("def downgrade")[0] + extra)
    assert project.apply("--override", "missing-downgrade", "--reason", "tested below").returncode == 0


@pytest.mark.parametrize(
    ("extra", "rule"),
    [("", "missing-downgrade"), ("irreversible = 'the rates are gone'\n", "irreversible-revision")],
)
@pytest.mark.parametrize("how", ["override", "rule off"])
def test_no_rule_runs_a_downgrade_that_is_not_there(
    extra: str, rule: str, how: str, project: Project, one_database: Database
) -> None:
    """A missing downgrade() stays a halt with the rule off or overridden: nothing stands there that could be run."""
    without_downgrade(project, extra)
    runs = len(project.runs())
    if how == "rule off":
        project.config(f"safety: {{rules: {{{rule}: 'off'}}}}\n")
        looked = project.apply("--mode", "rollback", "--check", "--steps", "2")
        said = "Blocked: rollback cannot run this plan: revision b2 has no downgrade() to run; add one."
        assert (looked.returncode, said in looked.stdout) == (1, True), looked.stdout
    arguments = ["--override", rule, "--reason", "I said so"] if how == "override" else []
    assert told(project.apply("--mode", "rollback", "--steps", "2", *arguments)) == (
        1,
        [
            "error:  Revision b2 has no downgrade() to run; add one.",
            "effect: Nothing was changed.",
            "cure:   Do that, then plan again; no rule and no override lets this pass.",
        ],
    )
    assert tables(one_database) == {"first", "second", "alembic_version"}
    assert len(project.runs()) == runs


def test_an_empty_downgrade_runs_when_that_is_said(project: Project, one_database: Database) -> None:
    """A downgrade() of `pass` can be run: overridden, it takes the revision out of the version table and no more."""
    project.table("a1", "first")
    project.revision("b2", "op.execute('CREATE TABLE second (id int)')", "pass", down="a1")
    overridden = ("--override", "missing-downgrade", "--reason", "nothing to take back")
    assert project.apply(*overridden).returncode == 0
    code, said = back(project, *overridden)
    assert code == 0, said
    assert tables(one_database) == {"first", "second", "alembic_version"}
    assert one_database.execute("SELECT version_num FROM alembic_version") == [("a1",)]


def test_an_exemption_may_be_abbreviated_and_counts_what_it_lets_pass(project: Project) -> None:
    """A beginning of the id in `safety.downgrades_since` exempts that revision and its ancestors from the rule."""
    project.revision("a1b2", "op.execute('SELECT 1')", "pass")
    project.revision("b2c3", "op.execute('SELECT 2')", "pass", down="a1b2")
    project.config("safety: {downgrades_since: b2}\n")
    planned = project.apply("--mode", "plan")
    assert planned.returncode == 0
    assert "safety.downgrades_since exempts 2 revisions without a downgrade." in planned.stdout


def test_a_mistyped_exemption_names_the_nearest_revisions(project: Project) -> None:
    """A plan says the same of a typo in `safety.downgrades_since` as `erm check` does."""
    project.table("a1b2", "first")
    project.config("safety: {downgrades_since: a1b3}\n")
    for command in (["migrate", "--mode", "plan"], ["check", "downgrades"]):
        assert told(project.erm(*command)) == (
            2,
            [
                "error:  safety.downgrades_since: 'a1b3' is not a revision of this project.",
                "effect: It is unknown which revisions are exempt from the down-script rule. Nothing was changed.",
                "cure:   Correct safety.downgrades_since in erm.yaml. The nearest are: a1b2.",
            ],
        )


TABLES = """
op.execute("CREATE TABLE t (id int, note text, blank text)")
op.execute("CREATE INDEX t_id ON t (id)")
op.execute("CREATE TABLE empty (id int)")
"""
LOSES = {
    'op.execute("DELETE FROM t WHERE id > 1")': ("rows", "t", 2),
    'op.drop_column("t", "note")': ("column", "t.note", 2),
    'op.execute("DO $$ BEGIN DELETE FROM t WHERE false; END $$")': (
        "statement",
        "DO $$ BEGIN DELETE FROM t WHERE false; END $$",
        None,
    ),
    'op.drop_table("t")': ("table", "t", 3),
}
LOSES_NOTHING = (
    'op.execute("DELETE FROM t WHERE id > 9")',
    'op.execute("DROP INDEX t_id")',
    'op.drop_column("t", "blank")',
    'op.drop_table("empty")',
)


def with_rows(project: Project, database: Database, downgrade: str) -> None:
    """A revision that was applied, whose table has three rows by now."""
    project.revision("a1", TABLES, downgrade)
    assert project.apply().returncode == 0
    database.execute("INSERT INTO t VALUES (1, 'x', NULL), (2, 'y', NULL), (3, NULL, NULL)")


def test_rows_and_values_are_counted(project: Project, one_database: Database) -> None:
    """Rows, values and what cannot be read are counted one by one, and need --allow-data-loss, which is recorded."""
    with_rows(project, one_database, "\n".join(LOSES))
    planned = project.apply("--mode", "rollback", "--check", "--format", "json")
    assert planned.returncode == 1
    document = json.loads(planned.stdout)
    assert [(loss["kind"], loss["object"], loss["rows"]) for loss in document["data_loss"]] == list(LOSES.values())
    assert [finding["rule"] for finding in document["findings"]] == ["data-loss"] * len(LOSES)
    code, said = back(project)
    assert (code, "--allow-data-loss" in said) == (1, True), said
    assert one_database.execute("SELECT count(*) FROM t") == [(3,)]
    assert back(project, "--allow-data-loss")[0] == 0
    assert tables(one_database) == {"empty", "alembic_version"}
    assert project.runs()[-1]["overrides"] == ["data-loss: --allow-data-loss"]


@pytest.mark.parametrize(
    ("overridden", "kept"),
    [((), []), (("--override", "edited-revision", "--reason", "a comment"), ["edited-revision: a comment"])],
)
def test_the_reason_for_losing_data_is_kept(
    project: Project, one_database: Database, overridden: tuple[str, ...], kept: list[str]
) -> None:
    """`--allow-data-loss --reason TEXT` puts the reason into the ledger; with overrides, it comes after theirs."""
    with_rows(project, one_database, "\n".join(LOSES))
    code, said = back(project, *overridden, "--allow-data-loss", "--reason", "backed up at noon")
    assert code == 0, said
    assert project.runs()[-1]["overrides"] == [*kept, "data-loss: backed up at noon"]


def test_what_holds_nothing_needs_no_flag(project: Project, one_database: Database) -> None:
    """Empty tables, columns without values, indexes and a DELETE that meets no row are dropped without a flag."""
    with_rows(project, one_database, "\n".join(LOSES_NOTHING))
    code, said = back(project)
    assert code == 0, said
    assert one_database.execute("SELECT count(*) FROM t") == [(3,)]


def branched(project: Project) -> None:
    project.table("a1", "first")
    project.table("b2", "second", down="a1")
    project.table("c3", "third", down="a1")


def test_branches_go_back_in_the_order_of_the_ledger(project: Project, one_database: Database) -> None:
    """On two branches the one that was applied last goes first."""
    branched(project)
    assert project.apply("--to", "c3").returncode == 0
    assert project.apply().returncode == 0
    code, said = back(project)
    assert code == 0, said
    assert tables(one_database) == {"first", "third", "alembic_version"}


def test_branches_without_a_ledger_are_ambiguous(project: Project, one_database: Database) -> None:
    """Where plain Alembic applied the branches, nobody knows which came last: it must be said."""
    branched(project)
    assert project.apply().returncode == 0
    one_database.execute("DROP SCHEMA erm CASCADE")
    code, said = back(project)
    assert code == 2
    assert said.splitlines() == [
        "error:  The database stands on several branches (b2, c3); the ledger does not know which came last.",
        "effect: Nothing was planned or run.",
        "cure:   Say what shall remain: --to REV, instead of --steps.",
    ]
    assert tables(one_database) == {"first", "second", "third", "alembic_version"}
    project.revision("d4", "pass", "pass", down=("b2", "c3"))
    assert project.apply("--no-rehearse").returncode == 0
    one_database.execute("DROP SCHEMA erm CASCADE")
    code, said = back(project, "--steps", "2")
    assert code == 2
    assert said.splitlines() == [
        "error:  With d4 taken back, the database stands on several branches (b2, c3); the ledger does not know which "
        "came last.",
        "effect: Nothing was planned or run.",
        "cure:   Say what shall remain, instead of --steps: --to b2 takes back d4 and leaves b2, c3; --to a revision "
        "below takes these back too.",
    ]


def test_a_downgrade_that_fails(project: Project, one_database: Database) -> None:
    """A downgrade that fails is rolled back alone; those before it stay taken back."""
    project.table("a1", "first")
    project.revision("b2", "op.execute('SELECT 1')", 'op.drop_table("first")\nop.execute("SELECT 1 / 0")', down="a1")
    project.table("c3", "third", down="b2")
    assert project.apply().returncode == 0
    code, said = back(project, "--steps", "3")
    assert code == 1
    assert "migrations/versions/b2.py:17: division by zero (SQLSTATE 22012)" in said
    assert tables(one_database) == {"first", "alembic_version"}
    assert one_database.execute("SELECT version_num FROM alembic_version") == [("b2",)]


def test_counting_what_would_be_lost_runs_nothing_that_acts(project: Project, one_database: Database) -> None:
    """A WHERE that calls a function with effects is not evaluated to count rows: how many is unknown."""
    path = project.table("a1", "first")
    victim = one_database.connect()
    pid = victim.info.backend_pid
    text = path.read_text()
    body = f"op.execute('DELETE FROM first WHERE pg_terminate_backend({pid})')"
    path.write_text(text.split("def downgrade")[0] + f"def downgrade():\n    {body}\n")
    assert project.apply().returncode == 0
    code, said = back(project, "--check")
    assert (code, "Deleting from first loses rows; how many could not be counted." in said) == (1, True), said
    with victim.cursor() as cursor:
        cursor.execute("SELECT 1")
        assert cursor.fetchone() == (1,)
    victim.close()
