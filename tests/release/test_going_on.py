"""A release that was stopped, interrupted or killed goes on where it was, and only as the release that was begun."""

from __future__ import annotations

import json
import shutil
import signal

import pytest

from erm_alembic.errors import LockNotHad, Refused
from erm_alembic.postgres.release_lock import try_release_lock
from erm_alembic.release import api
from erm_alembic.render.releases import state_of
from tests.release.conftest import ONCE, Released

TWICE = [("warm", "died"), ("warm", "done")]


def test_it_is_killed_in_one_stage_after_the_other_and_goes_on(released: Released) -> None:
    """While it plans, within a revision, in a command of the team's own, between two that promote: nothing is lost."""
    released.config(
        {
            "stages": {"warm": {"after": "apply", "run": released.killed_once("warm")}},
            "promote": [["touch", "first"], released.killed_once("second"), ["sh", "-c", "echo once >> third"]],
        }
    )
    inside = ONCE.format(marker=str(released.root / "{}.killed"), whom="getpid")
    env_py = released.root / "migrations" / "env.py"
    env_py.write_text(inside.replace("{}", "plan") + env_py.read_text())
    create = 'op.create_table("second", sa.Column("id", sa.Integer, primary_key=True))\n'
    # While it is planned, its statements are held back; only the run is killed.
    running = 'if op.get_bind().exec_driver_sql("SHOW default_transaction_read_only").scalar() == "off":\n'
    killing = "\n".join(f"    {line}" for line in inside.replace("{}", "apply").strip().splitlines())
    released.project.revision("b2", create + running + killing, 'op.drop_table("second")', down="a1")
    endings = [released.erm(*words).returncode for words in ((), ("resume",), ("resume",), ("resume",))]
    assert endings == [-signal.SIGKILL] * 4
    assert [name for name, outcome in released.stages() if outcome == "died"] == ["plan", "apply", "warm"]
    known = api.releases("prod", config=released.root / "erm.yaml")
    assert state_of(known.releases[0], known.holder) == "died"
    result = released.resume()
    assert (result.record.outcome, released.outcomes(), released.current()) == ("done", ["done"], ["b2"])
    applied = result.record.last("apply")
    assert applied is not None and applied.details["applied"] == ["a1", "b2"]
    assert (released.root / "third").read_text() == "once\n"
    promoted = result.record.last("promote")
    assert promoted is not None and [each["outcome"] for each in promoted.details["commands"]] == ["done"] * 3


def test_a_signal_leaves_a_release_that_goes_on(released: Released) -> None:
    """Ctrl-C ends the command under way; stdout says which command goes on, and the exit code which signal it was."""
    released.config({"stages": {"warm": {"after": "apply", "run": ["sleep", "600"]}}})
    with released.project.running("release", "--env", "prod") as deployer:
        deployer.until(lambda: released.project.database and "warm" in _begun(released))
        deployer.signal(signal.SIGTERM)
        code, out, _ = deployer.ended()
    assert (code, released.stages()[-1]) == (143, ("warm", "interrupted"))
    assert "next: erm release resume --env prod" in out
    released.config({"stages": {"warm": {"after": "apply", "run": ["true"]}}})
    with pytest.raises(Refused, match=r"settings: release.stages.warm.run\.$"):
        released.resume()


def test_it_is_refused_where_a_revision_file_has_changed(released: Released) -> None:
    """The file is named, and nothing is run; taken back, the release goes on."""
    released.config({"stages": {"warm": {"after": "apply", "run": released.killed_once("warm")}}})
    released.erm()
    path = released.project.versions / "b2.py"
    before = path.read_text()
    path.write_text(before + "# edited\n")
    with pytest.raises(Refused, match=r"revision files: migrations/versions/b2\.py\.$") as raised:
        released.resume()
    assert "erm release abandon --env prod --reason TEXT" in raised.value.cure
    path.write_text(before)
    assert released.resume().record.outcome == "done"


def test_it_applies_nothing_that_it_has_not_looked_at(released: Released) -> None:
    """A revision that came after the plan was made is not applied with it."""
    released.config({"stages": {"warm": {"after": "plan", "run": released.killed_once("warm")}}})
    released.erm()
    released.project.table("c3", "third", down="b2")
    result = released.resume()
    assert (result.record.outcome, released.stages()[-1]) == ("stopped", ("apply", "failed"))
    failed = result.record.last("apply")
    assert failed is not None and "added: c3" in failed.reason
    assert released.database.execute("SELECT to_regclass('first')") == [(None,)]


def test_an_unfinished_release_is_gone_on_with_or_ended(released: Released) -> None:
    """A new one does not begin over it once it has applied something; who ends it says why."""
    released.config({"stages": {"warm": {"after": "apply", "run": ["false"]}}})
    assert released.release().record.outcome == "stopped"
    with pytest.raises(Refused, match="it was stopped at warm") as raised:
        released.release()
    assert "erm release resume --env prod" in raised.value.cure
    record = api.abandon("prod", "goes out with the next one", config=released.root / "erm.yaml")
    assert (record.outcome, record.error) == ("abandoned", "goes out with the next one")
    with pytest.raises(Refused, match="is abandoned"):
        released.resume()
    assert released.release(skip={"warm": "not now"}).record.outcome == "done"


def test_one_that_has_changed_nothing_makes_way(released: Released) -> None:
    """What failed before the apply needs no word: the next release is just begun."""
    released.config({"stages": {"check": {"after": "plan", "run": ["false"]}}})
    assert released.release().record.outcome == "stopped"
    released.config()
    assert released.release().record.outcome == "done"
    assert released.outcomes() == ["superseded", "done"]


def test_two_at_once_are_one(released: Released) -> None:
    """The second one is refused with who holds the lock; status says that one is under way."""
    with released.database.connect() as holder, holder.cursor() as cursor:
        cursor.execute("SET application_name = 'erm release'")
        assert try_release_lock(cursor)
        with pytest.raises(LockNotHad, match=rf"by pid {holder.info.backend_pid} \(erm release, "):
            released.release()
        known = api.releases("prod", config=released.root / "erm.yaml")
        assert known.holder is not None and known.holder.pid == holder.info.backend_pid
    holder.close()


def test_a_lost_session_takes_the_lock_again(released: Released) -> None:
    """The session of a lock may be lost in the days that a release observes; nobody else has begun meanwhile."""
    end = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name = 'erm release' AND datname = current_database()"
    )
    script = f"import psycopg2; psycopg2.connect({released.database.url!r}).cursor().execute({end!r})"
    released.config({"stages": {"cut": {"after": "apply", "run": released.script("cut.py", script)}}})
    assert released.release().record.outcome == "done"


def test_one_that_was_ended_meanwhile_does_nothing_more(released: Released) -> None:
    """Whoever had lost the lock with its session, and was taken for dead, finds that out before the next stage."""
    end = "UPDATE erm.release SET outcome = 'abandoned'"
    script = (
        f"import psycopg2; c = psycopg2.connect({released.database.url!r}); c.cursor().execute({end!r}); c.commit()"
    )
    released.config({"stages": {"cut": {"after": "apply", "run": released.script("cut.py", script)}}})
    with pytest.raises(Refused, match="Release 1 was ended meanwhile: it is abandoned"):
        released.release()
    assert released.stages()[-1] == ("cut", "done")


def test_it_is_the_same_release_in_another_checkout(released: Released) -> None:
    """A job on another machine goes on with it: paths count from the folder of erm.yaml."""
    released.config({"stages": {"warm": {"after": "apply", "run": ["test", "-e", "../ready"]}}})
    here, there = (released.root / "elsewhere" / name for name in ("here", "there"))
    for checkout in (here, there):
        shutil.copytree(released.root, checkout, ignore=shutil.ignore_patterns("elsewhere"))
    assert api.release("prod", config=here / "erm.yaml").record.outcome == "stopped"
    (released.root / "elsewhere" / "ready").touch()
    assert api.resume("prod", config=there / "erm.yaml").record.outcome == "done"


def _begun(released: Released) -> str:
    try:
        return json.dumps(released.stages())
    except Exception:  # there is no ledger yet
        return ""


def test_what_was_observed_counts_when_it_goes_on(released: Released) -> None:
    """A signal in the middle of an observation leaves what was seen; only the rest of the time is looked at again."""
    looking = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'erm observe'"
    observe = ("--observe-for", "600ms")
    with released.project.running("release", "--env", "prod", "--observe-for", "1h") as deployer:
        deployer.until(lambda: '["observe"' in _begun(released) and released.database.execute(looking))
        deployer.signal(signal.SIGINT)
        code, _, _ = deployer.ended()
    assert (code, released.stages()[-1]) == (130, ("observe", "interrupted"))
    samples = "SELECT (details::json ->> 'samples')::int FROM erm.release_stage WHERE stage = 'observe'"
    ((kept,),) = released.database.execute(samples)
    assert kept >= 1
    done = released.erm("resume", *observe, "--format", "json")
    (*_, again) = [each for each in json.loads(done.stdout)["release"]["stages"] if each["stage"] == "observe"]
    assert (done.returncode, again["outcome"], again["details"]["samples"] > kept) == (0, "done", True)
    assert again["details"]["wanted_s"] == 0.6
