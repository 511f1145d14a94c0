"""Drift in a plan: it blocks what a change by hand endangers, and warns of models that no revision carries."""

from __future__ import annotations

import json
from typing import Any

import pytest

import erm_alembic
from erm_alembic.shadow.child.running import Child
from tests.drift.looking import with_models
from tests.faults.deploying import Project
from tests.shadow.projects import enter
from tests.support.databases import Database

ON = {"ERM_NO_SHADOW": None}


def test_a_change_by_hand_blocks_plan_and_apply_until_it_is_overridden(project: Project) -> None:
    """The plan has each difference under `drift`; an override lets it pass once, and is kept."""
    with_models(project)
    project.env.update(ON)
    assert isinstance(project.database, Database)
    project.config("database: {environments: {prod: {}}}")
    project.env["ERM_ENV"] = "prod"
    project.database.execute("CREATE INDEX hot_idx ON users (email)")
    project.table("a2", "orders", down="a1")
    accepted = ("--accept-environment", "--no-rehearse")
    done = project.erm("migrate", "--mode", "plan", "--format", "json", *accepted)
    plan = json.loads(done.stdout)
    assert done.returncode == 1 and plan["blocked"]
    assert [(each["source"], each["kind"], each["object"]) for each in plan["drift"]] == [
        ("database", "index", "public.hot_idx"),
        ("models", "table", "public.orders"),
    ]
    assert [(each["rule"], each["severity"]) for each in plan["findings"]] == [
        ("schema-drift", "error"),
        ("models-drift", "warning"),
    ]
    assert [each["source"] for each in plan["comparisons"]] == ["database", "models"]
    assert project.apply(*accepted).returncode == 1
    passed = project.apply(*accepted, "--override", "schema-drift", "--reason", "a hot fix, taken over tomorrow")
    assert passed.returncode == 0, passed.stdout + passed.stderr


def test_an_unchanged_database_and_models_that_agree_say_nothing(project: Project) -> None:
    """Neither differs, and both were compared."""
    with_models(project)
    project.env.update(ON)
    plan = json.loads(project.erm("migrate", "--mode", "plan", "--format", "json").stdout)
    assert plan["drift"] == [] and plan["findings"] == []
    assert {each["source"]: each["verdict"] for each in plan["comparisons"]} == {"database": "same", "models": "same"}


def test_a_known_comparison_loads_no_revision(project: Project) -> None:
    """What the history is, too, is known without loading its files once it was looked at."""
    project.env.update(ON)
    loads = project.root / "loads"
    path = project.table("a1", "first")
    trace = f"loads = open({str(loads)!r}, 'a').write('x')"
    path.write_text(path.read_text().replace("\n\ndef upgrade", f"\n{trace}\n\ndef upgrade", 1), encoding="utf-8")
    assert project.apply().returncode == 0
    for _ in range(2):
        loads.unlink(missing_ok=True)
        done = project.erm("migrate", "--mode", "plan", "--format", "json")
        assert [each["verdict"] for each in json.loads(done.stdout)["comparisons"]] == ["same"], done.stderr
    assert not loads.exists()


def test_models_are_compared_where_the_plan_was_rehearsed(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is pending runs once for the rehearsal and for the models; a replay says the same of them."""
    tasks: list[str] = []
    real = Child.run

    def counting(child: Child, job: Any, *args: Any) -> list[dict[str, Any]]:
        tasks.append(job.task)
        return real(child, job, *args)

    with_models(project)
    project.table("a2", "orders", down="a1")
    project.env.update(ON)
    enter(project, monkeypatch)
    monkeypatch.setattr(Child, "run", counting)
    told = erm_alembic.plan()
    assert [(each.source, each.object) for each in told.drift] == [("models", "public.orders")]
    assert told.rehearsal is not None and told.rehearsal.status == "done"
    assert [task for task in tasks if task != "replay"] == ["rehearse", "models"]
    assert erm_alembic.plan().drift == told.drift and tasks.count("rehearse") == 1
    del tasks[:]
    monkeypatch.setenv("ERM_NO_CACHE", "1")
    assert erm_alembic.plan(rehearse=False).drift == told.drift
    assert tasks[-1] == "models"
