"""A stage that fails stops the release; it goes back only where the plan has proven that nothing is lost."""

from __future__ import annotations

from typing import Any

import pytest

from erm_alembic.release import api
from tests.release.conftest import Released

FAILS = {"stages": {"check": {"after": "replicas", "run": ["sh", "-c", "echo no order can be placed; exit 3"]}}}
BACK = {**FAILS, "on_failure": "rollback"}


def _last(result: api.Result, stage: str) -> tuple[str | None, str]:
    found = result.record.last(stage)
    assert found is not None
    return found.outcome, found.reason


def test_a_failing_stage_stops_with_what_to_do(released: Released) -> None:
    """Exit code 1, the reason, the commands that may follow; what was applied stays."""
    released.config(FAILS)
    done = released.erm()
    assert (done.returncode, released.current()) == (1, ["b2"])
    assert (
        "`sh -c 'echo no order can be placed; exit 3'` failed with exit status 3: no order can be placed" in done.stdout
    )
    assert done.stdout.splitlines()[-5:-2] == [
        "next: erm release resume --env prod",
        "      erm release abandon --env prod --reason TEXT",
        "      erm migrate --mode rollback --steps 2 --check --env prod",
    ]


def test_a_failing_revision_stops_it(released: Released) -> None:
    """What stands before it stays, and the release goes on with it once the cause is gone."""
    released.project.revision("b2", 'op.execute("ALTER TABLE missing ADD n int")', down="a1")
    result = released.release()
    outcome, reason = _last(result, "apply")
    assert (result.record.outcome, outcome, released.current()) == ("stopped", "failed", ["a1"])
    assert 'relation "missing" does not exist' in reason
    released.database.execute("CREATE TABLE missing ()")
    assert (released.resume().record.outcome, released.current()) == ("done", ["b2"])


def test_without_a_proof_it_does_not_go_back(released: Released) -> None:
    """A plan that was not rehearsed has proven nothing; the command that shows what would be lost is named."""
    released.config(BACK)
    result = released.release()
    outcome, reason = _last(result, "rollback")
    assert (result.record.outcome, outcome, released.current()) == ("stopped", "nothing-to-do", ["b2"])
    assert (
        reason == "not gone back: the plan was not rehearsed, so that nothing is proven of the downgrade of revision a1"
    )


def test_what_was_told_to_others_is_not_taken_back(released: Released) -> None:
    """A message that cannot be sent is no reason to take a schema back that the first command has made known."""
    released.config({"promote": [["true"], ["false"]], "on_failure": "rollback"})
    result = released.release()
    told = "not gone back: the stage promote has begun, and nobody takes back what it told others"
    assert (_last(result, "rollback"), released.current()) == (("nothing-to-do", told), ["b2"])


@pytest.fixture
def rehearsed(released: Released, monkeypatch: pytest.MonkeyPatch) -> Released:
    """One whose plans are rehearsed, in scratch databases on the tests' own server; its first table stands."""
    create = 'op.create_table("first", sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.Text))'
    released.project.revision("a1", create, 'op.drop_table("first")')
    released.release(to="a1")
    monkeypatch.delenv("ERM_NO_SHADOW")
    released.config(BACK, **_shadow(released))
    return released


def _shadow(released: Released) -> dict[str, Any]:
    """Nothing but the rehearsal is done in the shadow."""
    rules = {"schema-drift": "off", "models-drift": "off"}
    return {"shadow": {"url": released.database.server.url("postgres")}, "safety": {"rules": rules}}


def test_it_goes_back_where_nothing_is_lost(rehearsed: Released) -> None:
    """The shadow has proven the way back; a row that was written meanwhile keeps it from being run until it is gone."""
    write = "connection.cursor().execute('INSERT INTO second VALUES (1)'); connection.commit()"
    insert = f"import psycopg2; connection = psycopg2.connect({rehearsed.database.url!r}); {write}"
    stages: dict[str, Any] = {"write": {"after": "apply", "run": rehearsed.script("write.py", insert)}}
    rehearsed.config({"stages": {**stages, **FAILS["stages"]}, "on_failure": "rollback"}, **_shadow(rehearsed))
    stopped = rehearsed.release()
    assert _last(stopped, "rollback") == ("failed", "not gone back: Dropping table second loses 1 row.")
    assert (stopped.record.outcome, rehearsed.current()) == ("stopped", ["b2"])
    rehearsed.database.execute("DELETE FROM second")
    result = rehearsed.resume()
    assert _last(result, "rollback") == ("done", "1 revision taken back")
    assert (result.record.outcome, rehearsed.current()) == ("rolled-back", ["a1"])
    rehearsed.project.revision("b2", 'op.create_table("second")', "pass", down="a1")
    again = rehearsed.release(rehearse=False)
    outcome, reason = _last(again, "plan")
    assert (again.record.outcome, outcome) == ("stopped", "failed")
    assert "failed-before: Revision b2 was taken back by release 2 in run 3" in reason


def test_it_does_not_go_back_over_what_loses_values(rehearsed: Released) -> None:
    """The reason is the proof's; nothing is changed by it."""
    rehearsed.project.revision(
        "b2", 'op.drop_column("first", "name")', 'op.add_column("first", sa.Column("name", sa.Text))', down="a1"
    )
    result = rehearsed.release()
    assert _last(result, "rollback") == (
        "nothing-to-do",
        "not gone back: the downgrade of revision b2 does not bring back the values of public.first.name",
    )
    assert (result.record.outcome, rehearsed.current()) == ("stopped", ["b2"])
    page = (rehearsed.root / result.files[0]).read_text()
    assert "| `b2` | `12` | `AccessExclusiveLock` | `public.first` |" in page


def test_a_smoke_test_that_fails_stops_it(released: Released) -> None:
    """The stage names the test; the plugins of this environment take longer than the tests."""
    (released.root / "test_smoke.py").write_text(
        "import pytest\n\n@pytest.mark.erm_smoke\ndef test_orders(erm_smoke_connection):\n    assert False\n"
    )
    released.config(smoke={"paths": ["test_smoke.py"]})
    released.project.env["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    done = released.erm()
    assert (done.returncode, released.stages()[-1]) == (1, ("smoke", "failed"))
    assert "test_smoke.py::test_orders" in done.stdout
