"""`erm repair`: the ways out of a half-done revision, gone under the deploy lock and kept in the ledger."""

from __future__ import annotations

import io

import pytest

import erm_alembic
from erm_alembic.errors import Refused
from erm_alembic.repairs import half_done as look
from tests.cli.pipeline import erm
from tests.faults.deploying import Project
from tests.repair.halves import (
    DOWN,
    NEXT,
    UP,
    YES,
    current,
    execute,
    half_done,
    last_run,
    mend,
    not_null,
    present,
    progress,
    repaired,
    report,
    status,
)


def test_resume_goes_on_with_that_revision_and_with_nothing_else(project: Project) -> None:
    """What is done is not sent again, the rest is; a later revision stays pending; the ledger has who and why."""
    half_done(project)
    project.table("c3", "third", down="b2")
    mend(project)
    document = repaired(project.erm("repair", "b2", "--resume", "--reason", "the note is filled", *YES))
    assert document["outcome"]["steps"][0]["statements"] == 2
    assert (current(project), progress(project), not_null(project)) == (["b2"], 0, True)
    assert present(project, "part_id", "last", "third") == ["part_id", "last"]
    run = last_run(project)
    assert (run["mode"], run["outcome"], run["overrides"]) == ("repair", "done", ["resume b2: the note is filled"])
    assert "reason  resume b2: the note is filled" in project.erm("history").stdout


def test_resume_that_fails_again_leaves_it_half_done(project: Project) -> None:
    """The failure is told, and the next try goes on at the same statement."""
    half_done(project)
    failed = project.erm("repair", "--resume", "--yes")
    assert "UPDATE public.orders SET note = ... WHERE note IS NULL" in failed.stdout
    assert "then run `erm repair b2 --resume` again." in failed.stdout
    assert failed.returncode == 1
    assert "Failed: revision b2 is half done yet" in failed.stdout
    assert "contains null values" in failed.stdout
    assert (status(project)["half_done"][0]["committed"], last_run(project)["outcome"]) == (2, "failed")


def test_resume_hears_the_checks(project: Project) -> None:
    """A rule that stopped the apply stops the resume too, and the command that lets it pass is named."""
    project.revision("b2", UP, "pass", down="a1")
    assert project.apply("--override", "missing-downgrade", "--reason", "for once").returncode == 1
    mend(project)
    refused = project.erm("repair", "--resume", "--yes")
    assert refused.returncode == 1
    assert "Revision b2 cannot be rolled back" in refused.stderr
    assert "erm migrate --override missing-downgrade --reason TEXT" in refused.stderr


def test_a_repair_leaves_the_ledger_to_the_role_that_logs_in(project: Project) -> None:
    """The revision acts as the role that owns the tables; what the ledger keeps is written by the one that logs in."""
    role = f"owner_{project.root.name[-8:]}".replace("-", "_")
    execute(project, f'CREATE ROLE "{role}"')
    try:
        execute(project, f'GRANT ALL ON SCHEMA public TO "{role}"')
        execute(project, f'ALTER TABLE orders OWNER TO "{role}"')
        execute(project, f'ALTER TABLE alembic_version OWNER TO "{role}"')
        project.config(f"""
            database:
              environments:
                dev: {{url: "${{ERM_DATABASE_URL}}"}}
            migrations: {{directory: migrations, role: {role}}}
        """)
        half_done(project)
        assert execute(project, "SELECT relowner::regrole::text FROM pg_class WHERE relname = 'part'") == [(role,)]
        repaired(project.erm("repair", "--take-back", *YES))
        assert (progress(project), present(project, "part")) == (0, [])
    finally:
        execute(project, f'REASSIGN OWNED BY "{role}" TO CURRENT_USER')
        execute(project, f'DROP OWNED BY "{role}"')
        execute(project, f'DROP ROLE "{role}"')


def test_mark_done_records_what_was_finished_by_hand(project: Project) -> None:
    """Nothing of the revision is sent; Alembic and the ledger have it as applied, and a rollback takes it back."""
    half_done(project)
    refused = project.erm("repair", "--mark-done", "--yes")
    assert (refused.returncode, refused.stderr.splitlines()[0]) == (2, "error:  --mark-done needs a reason.")
    mend(project)
    execute(project, "ALTER TABLE orders ALTER COLUMN note SET NOT NULL")
    execute(project, "CREATE TABLE last (id int)")
    repaired(project.erm("repair", "--mark-done", "--reason", "by hand, ticket 7", *YES))
    assert (current(project), progress(project)) == (["b2"], 0)
    run = last_run(project)
    assert [(each["revision"], each["outcome"], each["statements"]) for each in run["revisions"]] == [("b2", "done", 0)]
    assert project.apply("--mode", "plan", "--check").returncode == 0
    assert project.apply("--mode", "rollback").returncode == 0
    assert present(project, "part", "last") == []


def test_mark_done_of_a_merge_leaves_one_head(project: Project) -> None:
    """The version table changes as Alembic changes it for an apply: two branches become their merge."""
    project.table("b2", "left_side", down="a1")
    project.table("c3", "right_side", down="a1")
    assert project.apply().returncode == 0
    project.revision("d4", UP, DOWN, down=("b2", "c3"))
    assert project.apply().returncode == 1
    assert current(project) == ["b2", "c3"]
    repaired(project.erm("repair", "d4", "--mark-done", "--reason", "by hand", *YES))
    assert current(project) == ["d4"]


def test_forget_removes_the_notes_only(project: Project) -> None:
    """The database stays as it is, and the next apply runs the revision from its start."""
    half_done(project)
    repaired(project.erm("repair", "--forget", "--reason", "dropped by hand", *YES))
    assert (progress(project), present(project, "part", "part_id"), current(project)) == (
        0,
        ["part", "part_id"],
        ["a1"],
    )
    execute(project, "DROP TABLE part")
    mend(project)
    assert project.apply().returncode == 0
    assert present(project, "part_id", "last") == ["part_id", "last"]


@pytest.fixture
def half_rolled_back(project: Project) -> Project:
    """A revision whose rollback stopped half-way: its index is gone, its table is not."""
    project.revision(
        "b2",
        UP.replace('op.execute("ALTER TABLE orders ALTER COLUMN note SET NOT NULL")', ""),
        """
        with op.get_context().autocommit_block():
            op.drop_index("part_id", postgresql_concurrently=True)
        op.execute("ALTER TABLE orders ALTER COLUMN note SET NOT NULL")
        op.drop_table("last")
        op.drop_table("part")
        """,
        down="a1",
    )
    assert project.apply().returncode == 0
    assert project.apply("--mode", "rollback").returncode == 1
    assert (current(project), present(project, "part", "part_id")) == (["b2"], ["part"])
    return project


def test_a_rollback_that_stopped_is_gone_on_with(half_rolled_back: Project) -> None:
    """Resume goes on down; taking it back is closed, because what was dropped cannot be brought back."""
    project = half_rolled_back
    (half,) = report(project)["half_done"]
    assert (half["direction"], half["ways"]["take-back"]["closed"] is not None) == ("downgrade", True)
    assert "Revision b2 is half rolled back" in project.erm("status").stdout
    assert project.apply().returncode == 1
    mend(project)
    repaired(project.erm("repair", "b2", "--resume", *YES))
    assert (current(project), present(project, "part", "last"), progress(project)) == (["a1"], [], 0)


def test_a_rollback_that_was_finished_by_hand_is_recorded(half_rolled_back: Project) -> None:
    """Mark-done takes the revision out of Alembic's version table, as the rollback would have."""
    project = half_rolled_back
    execute(project, "DROP TABLE part, last")
    repaired(project.erm("repair", "b2", "--mark-done", "--reason", "dropped by hand", *YES))
    assert (current(project), progress(project)) == (["a1"], 0)


def test_a_rollback_that_was_undone_by_hand_is_forgotten(half_rolled_back: Project) -> None:
    """Forget leaves the revision as applied."""
    project = half_rolled_back
    repaired(project.erm("repair", "b2", "--forget", "--reason", "the index is back", *YES))
    assert (current(project), progress(project), project.apply("--mode", "plan", "--check").returncode) == (
        ["b2"],
        0,
        0,
    )


class Terminal(io.StringIO):
    """A standard input at which somebody sits."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("answer", "code", "left"), [("n\n", 1, 2), ("y\n", 0, 0)])
def test_at_a_terminal_it_asks_first(
    answer: str, code: int, left: int, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What would be done is shown, then the question; no answer but yes changes anything."""
    half_done(project)
    monkeypatch.setattr("sys.stdin", Terminal(answer))
    done = project.erm("repair", "--take-back")
    assert (done.returncode, progress(project)) == (code, left)
    assert "DROP INDEX CONCURRENTLY part_id" in done.stdout
    assert "--take-back of revision b2 in dev: do it?" in done.stderr


def test_without_a_terminal_it_needs_yes(project: Project) -> None:
    """A job in CI does not hang on a question, and does nothing that nobody agreed to."""
    half_done(project)
    done = project.erm("repair", "--take-back")
    assert (done.returncode, done.stderr.splitlines()[0], progress(project)) == (
        2,
        "error:  erm repair --take-back asks first, and there is no terminal to answer.",
        2,
    )


@pytest.mark.parametrize("words", [("--resume", "--forget"), ("--reason", "x"), ("--yes",), ("--wait", "1s")])
def test_options_that_contradict_each_other_are_refused(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """Two ways at once, or an option of a repair without a way, is refused before anything is connected to."""
    code, out, err = erm(capsys, "repair", *words)
    assert (code, out, "effect: Nothing was changed." in err) == (2, "", True)


def test_a_repair_waits_for_the_deploy_lock(project: Project) -> None:
    """While another deployer works, nothing is repaired."""
    half_done(project)
    assert project.database is not None
    holder = project.database.connect()
    with holder.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s, 1)", [0x65726D])
    refused = project.erm("repair", "--forget", "--reason", "x", "--yes", "--wait", "0s")
    holder.close()
    assert refused.returncode == 1
    assert "The deploy lock of this database was not had" in refused.stderr
    assert progress(project) == 2


def test_what_was_shown_is_what_is_done(project: Project) -> None:
    """A repair that was agreed to is refused when the database is not as it was shown."""
    half_done(project)
    (shown,) = look().revisions
    execute(project, "UPDATE erm.progress SET at = at + interval '1 s' WHERE place = '{1}'")
    with pytest.raises(Refused, match="is not what was shown any more"):
        erm_alembic.repair(action="take-back", shown=shown)
    assert progress(project) == 2


def test_no_value_of_a_parameter_is_shown(project: Project, secret: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither what is done nor what would be sent shows what was bound to it, and the ledger does not have it."""
    monkeypatch.setenv("APP_SECRET", secret)
    bound = '__import__("os").environ["APP_SECRET"]'
    insert = f'op.get_bind().execute(sa.text("INSERT INTO part VALUES (length(:word))"), {{"word": {bound}}})'
    remove = f'op.get_bind().execute(sa.text("DELETE FROM part WHERE id = length(:word)"), {{"word": {bound}}})'
    half_done(
        project, f"{UP.replace('op.create_index', f'{insert}{NEXT}op.create_index')}\n{insert}", f"{remove}{DOWN}"
    )
    for args in (("status",), ("repair",), ("repair", "-v"), ("repair", "--format", "json")):
        assert project.erm(*args).returncode == 0
    assert execute(project, "SELECT count(*) FROM erm.progress") == [(3,)]
    assert execute(project, "SELECT 1 FROM erm.progress WHERE progress::text LIKE %s", f"%{secret}%") == []


def test_a_repair_from_python_is_a_value(project: Project) -> None:
    """The same ways for Python callers: what is half done, and how its repair ended."""
    half_done(project)
    (ways,) = look().revisions
    assert [way.action for way in ways.ways if way.closed is None] == ["resume", "mark-done", "take-back", "forget"]
    done = erm_alembic.repair(action="take-back", reason="a value")
    assert (done.outcome.result, done.half_done.revision, len(done.passed_over)) == ("done", "b2", 1)
    assert look().revisions == ()
