"""When hooks run, what they are told, and what their failure means."""

from __future__ import annotations

import contextlib
import json
import shlex
from typing import Any

from jsonschema import Draft202012Validator

from erm_alembic.render.schema import plan_schema
from tests.faults.deploying import tables
from tests.hooks.conftest import EVENTS, Hooked


def events(hooked: Hooked) -> list[tuple[str, str | None]]:
    """What was noted: event and revision."""
    return [(note["env"]["ERM_HOOK"], note["env"]["ERM_REVISION"]) for note in hooked.notes()]


def test_before_and_after_a_run_and_each_of_its_revisions(hooked: Hooked) -> None:
    """The commands run in their order; an apply and a rollback have the same events."""
    hooked.note_everything()
    around = [(event, revision) for revision in ("a1", "b2") for event in ("before_revision", "after_revision")]
    assert hooked.project.apply("--to", "b2").returncode == 0
    assert events(hooked) == [("before_run", None), *around, ("after_run", None)]
    assert hooked.project.apply("--mode", "rollback").returncode == 0
    assert events(hooked) == [
        ("before_run", None),
        ("before_revision", "b2"),
        ("after_revision", "b2"),
        ("after_run", None),
    ]


def test_nothing_runs_when_nothing_is_to_be_done(hooked: Hooked, one_database: Any) -> None:
    """A plan, a look, a refused plan, an apply without pending revisions: no hook, and no row in the ledger."""
    path = hooked.project.revision("d4", "op.execute('SELECT 1')", "pass", down="c3")
    hooked.note_everything()
    hooked.project.apply("--mode", "plan")
    hooked.project.apply("--mode", "plan", "--check")
    assert hooked.project.apply().returncode == 1  # d4 has no way down
    assert hooked.notes() == []
    path.unlink()
    assert hooked.project.apply().returncode == 0
    assert hooked.notes() != []
    assert hooked.project.apply().returncode == 0
    assert hooked.project.apply("--mode", "rollback", "--check", "--to", "base").returncode == 3
    assert hooked.notes() == []
    assert one_database.execute("SELECT count(DISTINCT run_id) FROM erm.hook") == [(1,)]


def test_what_a_command_is_told(hooked: Hooked) -> None:
    """stdin holds the object of `--format json`: the plan, the outcome after it, for a revision its step alone."""
    hooked.note_everything()
    schema = Draft202012Validator(plan_schema())
    planned = json.loads(hooked.project.apply("--mode", "plan", "--format", "json").stdout)
    done = hooked.project.apply("--format", "json")
    printed = json.loads(done.stdout)
    before_run, before_first, after_first, *_, after_run = hooked.notes()
    for note in (before_run, before_first, after_first, after_run):
        schema.validate(note["told"])
        assert note["told"]["digest"] == planned["digest"]
    assert before_run["told"] == planned
    assert after_run["told"] == printed
    assert before_first["told"]["pending"] == planned["pending"][:1]
    assert "outcome" not in before_first["told"]
    (step,) = after_first["told"]["outcome"]["steps"]
    assert (step["revision"], step["outcome"], after_first["told"]["outcome"]["current"]) == ("a1", "done", ["a1"])
    assert step == printed["outcome"]["steps"][0]


def test_where_and_with_what_environment_a_command_runs(hooked: Hooked) -> None:
    """In the folder of erm.yaml, with event, profile, run and revision in variables, without erm's own address."""
    hooked.note_everything()
    below = hooked.root / "migrations"
    hooked.project.env["ERM_ENV"] = "staging"
    hooked.project.env["ERM_REVISION"] = "of somebody else"
    assert hooked.project.erm("--config", hooked.root / "erm.yaml", "migrate", "--to", "a1").returncode == 0
    assert below.is_dir()
    before_run, before_revision, *_ = hooked.notes()
    assert before_run["cwd"] == str(hooked.root.resolve())
    assert before_run["args"] == ["two words"]
    expected = {"ERM_ENV": "staging", "ERM_RUN_ID": "1", "ERM_DATABASE_URL": None}
    assert before_run["env"] == {**expected, "ERM_HOOK": "before_run", "ERM_REVISION": None}
    assert before_revision["env"] == {**expected, "ERM_HOOK": "before_revision", "ERM_REVISION": "a1"}


def test_a_before_run_that_fails_stops_the_run_before_anything_changes(hooked: Hooked, one_database: Any) -> None:
    """Exit code 1, with the command, its exit status and its last lines; the commands after it do not run."""
    gate = hooked.script("gate.py", "import sys\nfor n in range(9): print('line', n)\nsys.exit(3)")
    note = hooked.script("note.py", "open('ran', 'w')")
    hooked.hooks(before_run=[gate, note], on_failure=f"{note} on_failure")
    done = hooked.project.apply("--format", "json")
    outcome = json.loads(done.stdout)["outcome"]
    assert (done.returncode, outcome["result"]) == (1, "failed")
    assert [step["outcome"] for step in outcome["steps"]] == ["not-run"] * 3
    assert outcome["error"].splitlines() == [
        f"hook before_run: `{shlex.join(shlex.split(gate))}` failed with exit status 3",
        *(f"  | line {n}" for n in range(4, 9)),
    ]
    assert tables(one_database) <= {"alembic_version"}
    assert [row[:3] for row in hooked.kept()] == [("before_run", "failed", 3), ("on_failure", "done", 0)]
    (run,) = hooked.project.runs()
    assert (run["outcome"], run["error"], run["revisions"]) == ("failed", outcome["error"], [])
    # The gate opens: the same command deploys.
    hooked.script("gate.py", "")
    assert hooked.project.apply().returncode == 0


def test_a_before_run_that_fails_is_told_in_text(hooked: Hooked) -> None:
    """The last word of a stopped run is the command, its exit status, its last lines, and where the database is."""
    hooked.hooks(before_run="sh -c 'echo frozen until Monday; exit 3'")
    done = hooked.project.apply()
    assert done.returncode == 1
    assert "  before_run | frozen until Monday\n" in done.stderr
    assert done.stdout.splitlines()[-3:] == [
        "  hook before_run: `sh -c 'echo frozen until Monday; exit 3'` failed with exit status 3",
        "    | frozen until Monday",
        "The database is now at base: no revision is recorded.",
    ]


def test_a_before_revision_that_fails_stops_the_run_there(hooked: Hooked, one_database: Any) -> None:
    """What was done before it stays done, that revision and the rest are not run, and the next run goes on there."""
    hooked.hooks(before_revision="sh -c 'test $ERM_REVISION != b2'")
    done = hooked.project.apply("--format", "json")
    outcome = json.loads(done.stdout)["outcome"]
    assert (done.returncode, outcome["result"], outcome["current"]) == (1, "failed", ["a1"])
    assert [step["outcome"] for step in outcome["steps"]] == ["done", "not-run", "not-run"]
    assert tables(one_database) == {"first", "alembic_version"}
    hooked.hooks()
    assert hooked.project.apply().returncode == 0
    assert tables(one_database) == {"first", "second", "third", "alembic_version"}


def test_a_hook_that_objects_is_heard_although_env_py_keeps_it_to_itself(hooked: Hooked, one_database: Any) -> None:
    """An env.py that swallows every exception does not turn a refusal into a success."""
    env_py = (hooked.root / "migrations" / "env.py").read_text()
    body = env_py.replace(
        "        context.run_migrations()", "        try: context.run_migrations()\n        except Exception: pass"
    )
    assert body != env_py
    hooked.project.env_py(body)
    hooked.hooks(before_revision="sh -c 'test $ERM_REVISION != b2'")
    done = hooked.project.apply()
    assert (done.returncode, "failed with exit status 1" in done.stdout) == (1, True), done.stdout
    assert tables(one_database) == {"first", "alembic_version"}


def test_an_after_hook_that_fails_is_a_warning_and_changes_no_outcome(hooked: Hooked) -> None:
    """after_revision, after_run and on_failure may fail: exit code and ledger stay what the run made them."""
    hooked.hooks(after_revision="false", after_run=["sh -c 'exit 7'", "echo still run"])
    done = hooked.project.apply()
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("Warning: hook after_revision: `false` failed with exit status 1; how the run ended") == 3
    assert "Warning: hook after_run: `sh -c 'exit 7'` failed with exit status 7; how the run ended stays as it is." in (
        done.stderr
    )
    assert hooked.kept()[-1] == ("after_run", "done", 0, "still run\n")
    assert hooked.project.runs()[-1]["outcome"] == "done"


def test_a_failed_run_is_told_to_on_failure_and_then_to_after_run(hooked: Hooked) -> None:
    """A revision that fails: after_revision with its outcome, on_failure, after_run, each with the error."""
    hooked.project.revision("d4", "op.execute('SELECT 1 / 0')", down="c3")
    hooked.note_everything()
    done = hooked.project.apply()
    assert done.returncode == 1
    *_, after_revision, on_failure, after_run = hooked.notes()
    assert [note["env"]["ERM_HOOK"] for note in (after_revision, on_failure, after_run)] == [
        "after_revision",
        "on_failure",
        "after_run",
    ]
    assert after_revision["env"]["ERM_REVISION"] == "d4"
    outcome = after_revision["told"]["outcome"]
    assert (outcome["result"], outcome["steps"][0]["outcome"], outcome["current"]) == ("failed", "failed", ["c3"])
    assert "division by zero" in outcome["error"]
    assert on_failure["told"] == after_run["told"]
    assert on_failure["told"]["outcome"]["result"] == "failed"
    assert set(EVENTS) == {row[0] for row in hooked.kept()}


def test_a_run_that_fails_before_its_first_hook_has_no_last_one(hooked: Hooked, one_database: Any) -> None:
    """What another deployer changed meanwhile stops a run before before_run: on_failure is told, after_run is not."""
    hooked.note_everything()
    with contextlib.closing(one_database.connect()) as other:
        cursor = other.cursor()
        cursor.execute("SELECT pg_advisory_lock(%s, 1)", [0x65726D])
        with hooked.project.deploying("--wait", "1m") as waiter:
            assert waiter.process.stderr is not None
            assert waiter.process.stderr.readline().startswith("Waiting for the deploy lock")
            cursor.execute("CREATE TABLE IF NOT EXISTS alembic_version (version_num text)")
            cursor.execute("INSERT INTO alembic_version VALUES ('of another branch')")
            cursor.execute("SELECT pg_advisory_unlock_all()")
            assert waiter.ended()[0] == 1
    assert events(hooked) == [("on_failure", None)]


LOOK = """
import psycopg2
connection = psycopg2.connect({url!r})
with connection.cursor() as cursor:
    cursor.execute(
        "SELECT (SELECT count(*) FROM pg_locks l WHERE l.pid = a.pid AND locktype = 'advisory'),"
        " backend_xid IS NULL AND backend_xmin IS NULL"
        " FROM pg_stat_activity a WHERE datname = current_database() AND application_name = 'erm apply'"
    )
    print(*cursor.fetchall())
"""


def test_a_command_runs_under_the_deploy_lock_and_holds_nobody_up(hooked: Hooked, one_database: Any) -> None:
    """While a command takes its time nobody else deploys, and the migration's session has written nothing that waits
    for its commit and holds back no vacuum."""
    assert hooked.project.apply("--to", "a1").returncode == 0
    look = hooked.script("look.py", LOOK.format(url=one_database.url))
    hooked.hooks(**dict.fromkeys(EVENTS, look))
    done = hooked.project.apply()
    assert done.returncode == 0, done.stderr
    assert {(row[0], row[3]) for row in hooked.kept()} == {
        (event, "(1, True)\n") for event in ("before_run", "before_revision", "after_revision", "after_run")
    }


def test_the_history_shows_what_hooks_said(hooked: Hooked) -> None:
    """`erm history -v` and its JSON have each command with its ending and its output; without -v they stay away."""
    hooked.hooks(before_run="echo two\\ lines", after_revision="sh -c 'printf \"\\033[2Jodd\\n\"; exit 4'")
    assert hooked.project.apply("--to", "a1").returncode == 0
    assert "hook" not in hooked.project.erm("history").stdout
    lines = [line.partition("  (")[0] for line in hooked.project.erm("history", "-v").stdout.splitlines()]
    assert lines[2:] == [
        "  hook  before_run  echo 'two lines'",
        "        | two lines",
        "  hook  after_revision a1  sh -c 'printf \"\\033[2Jodd\\n\"; exit 4'",
        "        | \\x1b[2Jodd",
    ]
    (run,) = hooked.project.history()
    assert [
        (each["event"], each["revision"], each["outcome"], each["exit_status"], each["output"]) for each in run["hooks"]
    ] == [("before_run", None, "done", 0, "two lines\n"), ("after_revision", "a1", "failed", 4, "\x1b[2Jodd\n")]
