"""A release runs its stages in their order, each of them in the ledger with what came of it."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

import erm_alembic.backup
from erm_alembic.config.release_model import BUILT_IN_STAGES
from erm_alembic.config.release_settings import OwnStageSettings, ReleaseSettings
from erm_alembic.config.settings import Settings
from erm_alembic.errors import UsageError
from erm_alembic.release import api
from erm_alembic.release.playbook import STAGES, stages_of
from erm_alembic.release.request import ReleaseRequest
from tests.release.conftest import Released

NOTE = """
import json, os, sys
told = json.load(sys.stdin)["release"]
seen = [told["id"], told["plan"]["revisions"][0]["revision"], [each["stage"] for each in told["stages"]]]
environ = {name: os.environ.get(name) for name in ("ERM_ENV", "ERM_STAGE", "ERM_RELEASE_ID", "ERM_DATABASE_URL")}
with open("notes.jsonl", "a") as file:
    file.write(json.dumps([seen, environ, sys.argv[1:], os.getcwd()]) + "\\n")
print("noted", flush=True)
"""


def test_erm_yaml_knows_the_names_of_the_stages() -> None:
    """What a stage of the team's own may come after is what there is."""
    assert tuple(stage.name for stage in STAGES) == BUILT_IN_STAGES


def test_stages_of_the_team_stand_where_they_are_put() -> None:
    """Behind the stage that they name, in the order of the file, also behind one another."""
    own = {
        "b": OwnStageSettings("a", "true"),
        "a": OwnStageSettings("apply", "true"),
        "c": OwnStageSettings("apply", "true"),
    }
    names = [each.name for each in stages_of(Settings("dev", Path("/"), release=ReleaseSettings(stages=own)))]
    assert names[names.index("apply") : names.index("replicas")] == ["apply", "a", "b", "c"]


def test_a_release_goes_through_all_of_them(released: Released) -> None:
    """Revisions are applied, commands of the team's own get the outcome so far, the report is private."""
    note = released.script("note.py", NOTE)
    released.config({"stages": {"warm": {"after": "apply", "run": [*note, "two words"]}}, "promote": [note]})
    result = released.release(skip={"smoke": "no traffic yet"})
    assert (result.record.outcome, released.current()) == ("done", ["b2"])
    assert [name for name, _ in released.stages()] == [
        *BUILT_IN_STAGES[: BUILT_IN_STAGES.index("apply") + 1],
        "warm",
        *BUILT_IN_STAGES[BUILT_IN_STAGES.index("apply") + 1 :],
    ]
    ended = dict(released.stages())
    assert {name for name, outcome in ended.items() if outcome == "done"} == {
        "plan",
        "apply",
        "warm",
        "promote",
        "report",
    }
    assert ended["smoke"] == "skipped"
    skipped = result.record.last("smoke")
    assert skipped is not None and skipped.reason == "no traffic yet"
    (first, second) = [json.loads(line) for line in (released.root / "notes.jsonl").read_text().splitlines()]
    assert first[0][:2] == [1, "a1"] and first[0][2][-1] == "warm" and second[0][2][-1] == "promote"
    assert first[1] == {"ERM_ENV": "prod", "ERM_STAGE": "warm", "ERM_RELEASE_ID": "1", "ERM_DATABASE_URL": None}
    assert first[2:] == [["two words"], str(released.root)]
    kept = result.record.last("warm")
    assert kept is not None and kept.details["output"] == "noted\n"
    assert [path.suffix for path in map(Path, result.files)] == [".md", ".html"]
    for name in result.files:
        assert (released.root / name).stat().st_mode & 0o777 == 0o600


def test_nothing_pending_is_a_release_too(released: Released) -> None:
    """Everything but the apply is done again: a tag that was forgotten, a message that was not sent."""
    released.release()
    assert (released.release().record.outcome, released.outcomes()) == ("done", ["done", "done"])
    assert dict(released.stages())["apply"] == "nothing-to-do"


def test_what_it_would_do_is_told_and_not_done(released: Released) -> None:
    """Nothing is planned, run or written; each stage says what it would do, and a skipped one why not."""
    environment, told = api.preview(
        "prod", ReleaseRequest(skip={"smoke": "no traffic"}), config=released.root / "erm.yaml"
    )
    stages = dict(told)
    assert (environment, tuple(stages)) == ("prod", BUILT_IN_STAGES)
    assert (stages["smoke"], stages["replicas"]) == ("skipped: no traffic", "nothing: no replica is configured")
    assert released.database.execute("SELECT count(*) FROM pg_namespace WHERE nspname = 'erm'") == [(0,)]


def test_a_stage_that_there_is_not_cannot_be_skipped(released: Released) -> None:
    """The nearest one is named, and nothing is begun."""
    with pytest.raises(UsageError, match="--skip smok: there is no such stage") as raised:
        released.release(skip={"smok": "why"})
    assert raised.value.cure == "Did you mean smoke?"


def test_observing_goes_on_for_as_long_as_wanted(released: Released) -> None:
    """How it was before is looked at before the apply; what is observed stands in the ledger."""
    result = released.release(observe_for=timedelta(milliseconds=300))
    before, observed = result.record.last("measure"), result.record.last("observe")
    assert before is not None and "sample" in before.details
    assert observed is not None and observed.outcome == "done" and observed.details["samples"] >= 1


def test_a_backup_is_taken_where_the_plan_may_lose_data(released: Released) -> None:
    """Its place stands in the ledger; the run that follows finds it fresh, and takes no second one."""
    released.release(to="a1")
    released.project.revision("b2", 'op.drop_column("first", "id")', 'op.execute("SELECT 1")', down="a1")
    released.database.execute("INSERT INTO first VALUES (1)")
    released.config(backup={"method": "pg_dump", "directory": "kept"})
    result = released.release()
    taken = result.record.last("backup")
    assert taken is not None and (taken.outcome, result.record.outcome) == ("done", "done")
    assert Path(taken.details["place"]).parent == released.root / "kept"
    assert released.database.execute("SELECT count(*) FROM erm.backup") == [(1,)]
    assert f"- backup: `{taken.details['id']}: " in (released.root / result.files[0]).read_text()


def test_a_damaged_backup_that_the_plan_calls_fresh_is_not_relied_on(released: Released) -> None:
    """The stage looks at its files as the run does, says what is wrong, remembers it, and takes another one."""
    released.release(to="a1")
    released.project.revision("b2", 'op.drop_column("first", "id")', 'op.execute("SELECT 1")', down="a1")
    released.database.execute("INSERT INTO first VALUES (1)")
    released.config(backup={"method": "pg_dump", "directory": "kept"})
    config = released.root / "erm.yaml"
    damaged = erm_alembic.backup.take("prod", config=config)
    archive = Path(damaged.place) / "database.dump"
    archive.write_bytes(archive.read_bytes()[:-100])
    taken = released.release().record.last("backup")
    assert taken is not None and taken.outcome == "done" and taken.details["id"] != damaged.id
    assert released.database.execute("SELECT verified FROM erm.backup ORDER BY id") == [("damaged",), ("listed",)]
