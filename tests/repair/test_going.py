"""`erm repair`: the ways out of a half-done revision, gone under the deploy lock and kept in the ledger."""

from __future__ import annotations

import io
import json
import signal
import subprocess
from typing import Any

import pytest

import erm_alembic
from erm_alembic.errors import Refused
from erm_alembic.repairs import half_done as look
from tests.cli.pipeline import erm
from tests.faults.deploying import Project, until
from tests.repair.halves import (
    DOWN,
    UP,
    current,
    execute,
    half_done,
    mend,
    not_null,
    present,
    progress,
    report,
    status,
)

NEXT = "\n    "
ALTER = 'op.execute("ALTER TABLE orders ALTER COLUMN note DROP NOT NULL")'
YES = ("--yes", "--format", "json")


def repaired(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """What a repair that ended well prints as JSON."""
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    assert document["outcome"]["result"] == "done"
    return document


def last_run(project: Project) -> dict[str, Any]:
    """The latest run in the ledger."""
    return project.runs()[-1]


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


def test_take_back_undoes_what_is_done_and_passes_over_the_rest(project: Project) -> None:
    """Alembic's version table is left alone, the notes are gone, and the corrected revision applies from its start."""
    half_done(project)
    document = repaired(project.erm("repair", "--take-back", *YES))
    assert [each.split(": ", 1)[1] for each in document["passed_over"]] == ['table "last" does not exist']
    assert (current(project), progress(project), present(project, "part", "part_id")) == (["a1"], 0, [])
    run = last_run(project)
    assert (run["mode"], [(each["revision"], each["direction"]) for each in run["revisions"]]) == (
        "repair",
        [("b2", "downgrade")],
    )
    mend(project)
    project.revision("b2", UP.replace("last", "other"), DOWN.replace("last", "other"), down="a1")
    assert project.apply().returncode == 0
    assert present(project, "part_id", "other") == ["part_id", "other"]


def test_what_was_never_dropped_is_not_made_again(project: Project) -> None:
    """A part that never ran may have dropped something: it is there still, and stays as it is."""
    up = """
    with op.get_context().autocommit_block():
        op.execute("CREATE TABLE part (id int)")
    op.execute("ALTER TABLE orders ALTER COLUMN note SET NOT NULL")
    op.execute("ALTER TABLE orders DROP COLUMN id")
    """
    down = 'op.add_column("orders", sa.Column("id", sa.Integer))\nop.drop_table("part")'
    half_done(project, up, down)
    document = repaired(project.erm("repair", "--take-back", *YES))
    assert document["passed_over"][0].endswith('column "id" of relation "orders" already exists')
    assert execute(project, "SELECT id FROM orders") == [(1,)]
    assert present(project, "part") == []


def test_what_cannot_be_made_again_is_not_passed_over(project: Project) -> None:
    """A view that upgrade() has dropped and that downgrade() cannot make again is a failure, as in a rollback."""
    execute(project, "CREATE VIEW notes AS SELECT note FROM orders")
    up = """
    with op.get_context().autocommit_block():
        op.execute("DROP VIEW notes")
    op.execute("ALTER TABLE orders ALTER COLUMN note SET NOT NULL")
    """
    half_done(project, up, 'op.execute("CREATE VIEW notes AS SELECT remark FROM orders")')
    failed = project.erm("repair", "--take-back", "--yes")
    assert (failed.returncode, 'column "remark" does not exist' in failed.stdout) == (1, True)
    project.revision("b2", up, 'op.execute("CREATE VIEW notes AS SELECT note FROM orders")', down="a1")
    assert project.erm("repair", "--take-back", "--yes").returncode == 1
    project.revision("b2", up, 'op.execute("CREATE VIEW notes AS SELECT remark FROM orders")', down="a1")
    execute(project, "ALTER TABLE orders ADD remark text")
    assert repaired(project.erm("repair", "--take-back", *YES))["passed_over"] == []


def test_what_a_trigger_misses_is_not_passed_over(project: Project) -> None:
    """An object that a function asks for is not the one that is taken back."""
    execute(
        project,
        "CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO gone VALUES (1); END $$",
    )
    up = """
    with op.get_context().autocommit_block():
        op.execute("INSERT INTO orders VALUES (2, 'made')")
        op.execute("CREATE TRIGGER audited BEFORE DELETE ON orders FOR EACH ROW EXECUTE FUNCTION audit()")
    op.execute("ALTER TABLE orders ALTER COLUMN note SET NOT NULL")
    """
    half_done(project, up, 'op.execute("DELETE FROM orders WHERE id = 2")')
    failed = project.erm("repair", "--take-back", "--yes", "--allow-data-loss")
    assert (failed.returncode, 'relation "gone" does not exist' in failed.stdout) == (1, True)


def test_a_take_back_in_one_transaction_is_whole_or_not_at_all(project: Project) -> None:
    """Where downgrade() fails for another reason than a missing object, nothing of it is done."""
    up = UP.replace(", postgresql_concurrently=True", "")
    half_done(
        project, up, 'op.drop_table("part")\nop.execute("ALTER TABLE orders DROP COLUMN note, DROP COLUMN nothing")'
    )
    failed = project.erm("repair", "--take-back", "--yes", "--allow-data-loss")
    assert failed.returncode == 1
    assert 'column "nothing" of relation "orders" does not exist' in failed.stdout
    half = status(project)["half_done"][0]
    assert (half["obstacle"], half["committed"], present(project, "part")) == (None, 2, ["part"])


def test_a_take_back_that_stops_in_the_middle_is_gone_on_with_by_itself_only(project: Project) -> None:
    """Once a part of it is committed, no apply goes on with the revision; the same command again ends it."""
    half_done(project, down=f"{DOWN}\nop.execute('ALTER TABLE orders ADD CHECK (note IS NOT NULL)')")
    failed = project.erm("repair", "--take-back", "--yes")
    assert failed.returncode == 1
    half = status(project)["half_done"][0]
    assert (half["obstacle"], present(project, "part", "part_id")) == ("taking-back", ["part"])
    mend(project)
    refused = project.apply()
    assert refused.returncode == 1
    assert "`erm repair --take-back` has begun to undo it" in refused.stdout
    forced = project.apply("--override", "half-done-revision", "--reason", "I know")
    assert (forced.returncode, current(project)) == (1, ["a1"])
    assert {action for action, way in report(project)["half_done"][0]["ways"].items() if way["closed"] is None} == {
        "mark-done",
        "take-back",
        "forget",
    }
    project.revision("b2", UP, DOWN, down="a1")
    closed = project.erm("repair", "--take-back", "--yes")
    assert (closed.returncode, "more than its upgrade() was edited since" in closed.stderr) == (1, True)
    repaired(project.erm("repair", "--forget", "--reason", "the rest was dropped by hand", *YES))
    assert (progress(project), status(project)["half_done"]) == (0, [])


def test_a_take_back_that_commits_by_itself_is_known_for_begun(project: Project) -> None:
    """Where downgrade() drops, commits and fails, no apply goes on over what it has undone; a take-back ends it."""
    down = """
    op.drop_index("part_id")
    op.get_bind().connection.commit()
    op.execute("ALTER TABLE orders ADD CHECK (note IS NOT NULL)")
    op.drop_table("part")
    """
    half_done(project, down=down)
    assert project.erm("repair", "--take-back", "--yes").returncode == 1
    assert (status(project)["half_done"][0]["obstacle"], present(project, "part", "part_id")) == (
        "taking-back",
        ["part"],
    )
    mend(project)
    assert project.apply("--override", "half-done-revision", "--reason", "I know").returncode == 1
    assert current(project) == ["a1"]
    repaired(project.erm("repair", "--take-back", *YES))
    assert (present(project, "part"), progress(project)) == ([], 0)
    project.revision("b2", UP, down, down="a1")
    assert project.apply().returncode == 0
    assert present(project, "part", "part_id", "last") == ["part", "part_id", "last"]


def test_a_killed_take_back_is_ended_by_the_same_command(project: Project) -> None:
    """kill -9 in the middle of a take-back: the ledger knows, apply refuses, and a second take-back ends it."""
    down = """
    with op.get_context().autocommit_block():
        op.drop_index("part_id", postgresql_concurrently=True)
    op.execute("ALTER TABLE orders ALTER COLUMN note DROP NOT NULL")
    op.drop_table("part")
    """
    half_done(project, down=down)
    assert project.database is not None
    holder = project.database.connect()
    with holder.cursor() as cursor, project.running("repair", "--take-back", "--yes") as repairer:
        cursor.execute("BEGIN; LOCK TABLE orders IN ACCESS SHARE MODE")
        until(lambda: waiting(project))
        repairer.kill()
    until(lambda: gone(project))
    holder.close()
    assert present(project, "part", "part_id") == ["part"]
    assert status(project)["half_done"][0]["obstacle"] == "taking-back"
    assert project.apply().returncode == 1
    document = repaired(project.erm("repair", "--take-back", *YES))
    assert [each.split(": ", 1)[1] for each in document["passed_over"]] == ['index "part_id" does not exist']
    assert (present(project, "part"), progress(project)) == ([], 0)
    assert [run["outcome"] for run in project.runs()][-2:] == ["died", "done"]


def test_a_signal_ends_a_take_back_in_words(project: Project) -> None:
    """Ctrl-C cancels it, rolls back what can be, and is in the ledger; the same command again ends it."""
    half_done(project, UP.replace(", postgresql_concurrently=True", ""), f"{ALTER}\nop.drop_table('part')")
    assert project.database is not None
    holder = project.database.connect()
    with holder.cursor() as cursor, project.running("repair", "--take-back", "--yes") as repairer:
        cursor.execute("BEGIN; LOCK TABLE orders IN ACCESS SHARE MODE")
        until(lambda: waiting(project))
        repairer.signal(signal.SIGINT)
        code, out, _ = repairer.ended()
    holder.close()
    assert (code, "Interrupted: revision b2 is half done yet" in out) == (130, True)
    assert (status(project)["half_done"][0]["obstacle"], last_run(project)["outcome"]) == (None, "interrupted")
    repaired(project.erm("repair", "--take-back", *YES))
    assert present(project, "part") == []


def test_two_repairs_at_once_do_not_both_repair(project: Project) -> None:
    """The one that has waited for the deploy lock looks again, and leaves alone what is not as it was shown."""
    half_done(project)
    assert project.database is not None
    holder = project.database.connect()
    with holder.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s, 1)", [0x65726D])
        with project.running("repair", "--take-back", "--yes", "--wait", "1m") as repairer:
            until(lambda: sessions(project))
            execute(project, "DELETE FROM erm.progress")
            holder.close()
            code, _, err = repairer.ended()
    assert (code, err.splitlines()[-3]) == (
        1,
        "error:  Somebody else has worked on revision b2 since it was looked at.",
    )
    assert (present(project, "part", "part_id"), last_run(project)["outcome"]) == (["part", "part_id"], "failed")


def sessions(project: Project) -> list[tuple[Any, ...]]:
    """The sessions of repairs that have looked and go on, or wait to go on."""
    return execute(
        project,
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'erm repair'",
    )


def waiting(project: Project) -> list[tuple[Any, ...]]:
    """The repairs that wait for a lock."""
    return execute(
        project,
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
        " AND application_name = 'erm repair' AND wait_event_type = 'Lock'",
    )


def gone(project: Project) -> bool:
    """Whether nothing is left in the server of a repair that was killed; what is, is ended."""
    for (pid,) in waiting(project):
        execute(project, "SELECT pg_terminate_backend(%s)", pid)
    return not sessions(project)


def test_rows_are_not_changed_back_that_were_never_changed(project: Project) -> None:
    """Where downgrade() changes rows and its counterpart in upgrade() never ran, take-back is closed and says so."""
    up = f"{UP}\nop.execute('UPDATE orders SET id = id * 100')"
    half_done(project, up, f"op.execute('UPDATE orders SET id = id / 100')\n{DOWN}")
    refused = project.erm("repair", "--take-back", "--yes")
    assert refused.returncode == 1
    assert "of its downgrade() changes rows, and it is not certain" in refused.stderr
    assert execute(project, "SELECT id FROM orders") == [(1,)]


def test_rows_that_were_changed_are_changed_back(project: Project) -> None:
    """Where all that changes rows in upgrade() is done, downgrade() takes it back like everything else."""
    up = UP.replace("op.create_index", 'op.execute("UPDATE orders SET id = id * 100")\n    op.create_index')
    half_done(project, up, f"op.execute('UPDATE orders SET id = id / 100')\n{DOWN}")
    repaired(project.erm("repair", "--take-back", *YES))
    assert execute(project, "SELECT id FROM orders") == [(1,)]


def test_a_take_back_counts_what_it_would_lose(project: Project) -> None:
    """Rows in what upgrade() has made are lost only when somebody says so."""
    half_done(project)
    execute(project, "INSERT INTO part VALUES (1), (2)")
    shown = project.erm("repair")
    assert "loses 2 rows of table part" in shown.stdout
    refused = project.erm("repair", "--take-back", "--yes")
    assert refused.returncode == 1
    assert "would lose rows or values: table part (2)" in refused.stderr
    assert progress(project) == 2
    repaired(project.erm("repair", "--take-back", "--allow-data-loss", *YES))
    assert present(project, "part") == []


def test_a_revision_without_a_way_down_cannot_be_taken_back(project: Project) -> None:
    """An empty downgrade() takes nothing back."""
    project.revision("b2", UP, "pass", down="a1")
    failed = project.apply("--override", "missing-downgrade", "--reason", "for the test")
    assert failed.returncode == 1
    refused = project.erm("repair", "--take-back", "--yes")
    assert refused.returncode == 1
    assert "its downgrade is empty: there is nothing that takes it back" in refused.stderr
    assert "--resume, --mark-done, --forget" in refused.stderr


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
