"""Reports as the command line prints them: of a project in a folder of its repository, of check, drift and a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from erm_alembic.cli import console
from erm_alembic.cli.repository import places_of, repository_root
from erm_alembic.config.loader import load_settings
from erm_alembic.config.settings import DriftSettings
from erm_alembic.drift.report import DriftReport
from erm_alembic.planning.comparison import Comparison
from erm_alembic.planning.model import Drift
from erm_alembic.render.drift_findings import drift_findings
from erm_alembic.render.formats import formats_of
from tests.cli.pipeline import FakePipeline, erm, install
from tests.render.plans import BLOCKED, FAILED, PLAN
from tests.support.cli import run_erm

NO_CONFIGURATION = {"ERM_ENV": None, "ERM_DATABASE_URL": None, "GITHUB_WORKSPACE": None, "CI_PROJECT_DIR": None}
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project two folders below the root of its repository, whose only revision has no way back."""
    folder = tmp_path / "mono repo" / "services" / "shop"
    versions = folder / "migrations" / "versions"
    versions.mkdir(parents=True)
    (tmp_path / "mono repo" / ".git").mkdir()
    (folder / "alembic.ini").write_text("[alembic]\nscript_location = %(here)s/migrations\n")
    (folder / "migrations" / "env.py").write_text("")
    (versions / "a1_x.py").write_text(
        "revision = 'a1'\ndown_revision = None\ndef upgrade(): op.execute('x')\ndef downgrade(): pass\n"
    )
    return folder


def test_a_check_annotates_the_line_in_the_repository(project: Path) -> None:
    """The path begins at the root of the repository, and the exit code is that of every format."""
    done = run_erm("check", "--format", "github", cwd=project, env=NO_CONFIGURATION)
    assert done.returncode == 1
    assert done.stdout.startswith(
        "::error file=services/shop/migrations/versions/a1_x.py,line=4,title=missing-downgrade::"
    )
    assert done.stdout.endswith("\nerm check: 1 error\n")


@pytest.mark.parametrize("arguments", [("check",), ("check", "downgrades")])
def test_a_check_is_shown_in_every_format(project: Path, arguments: tuple[str, ...], capsys: Capture) -> None:
    """Also by itself; what programs read is nothing else."""
    shown = {}
    for each in formats_of("check"):
        code, shown[each.name], _ = erm(capsys, *arguments, "--format", each.name, "--config", str(_empty(project)))
        assert code == 1
    assert "missing-downgrade" in shown["text"] and "missing-downgrade" in shown["markdown"]
    path = "services/shop/migrations/versions/a1_x.py"
    assert json.loads(shown["gitlab"])[0]["location"] == {"path": path, "lines": {"begin": 4}}
    (result,) = json.loads(shown["sarif"])["runs"][0]["results"]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == path
    assert json.loads(shown["json"])["findings"][0]["rule"] == "missing-downgrade"


def _empty(project: Path) -> Path:
    file = project / "erm.yaml"
    file.write_text("migrations: {alembic_ini: alembic.ini}\n")
    return file


def test_the_root_of_a_repository_is_where_git_is_else_what_the_pipeline_says(tmp_path: Path) -> None:
    """A worktree and a submodule have a file .git; a checkout without any has the variable of its pipeline."""
    project = tmp_path / "work" / "shop"
    project.mkdir(parents=True)
    told = {"GITHUB_WORKSPACE": str(tmp_path), "CI_PROJECT_DIR": "relative"}
    assert repository_root(project, {}) in (None, *tmp_path.parents)
    assert repository_root(project, {"GITHUB_WORKSPACE": str(project.parent / "other")}) == repository_root(project, {})
    if repository_root(project, {}) is None:
        assert repository_root(project, told) == tmp_path
    (tmp_path / "work" / ".git").write_text("gitdir: elsewhere\n")
    assert repository_root(project, told) == tmp_path / "work"


def test_a_project_that_is_linked_is_told_by_where_it_is(project: Path, tmp_path: Path) -> None:
    """The forge knows the repository's own paths alone."""
    link = tmp_path / "linked"
    link.symlink_to(project, target_is_directory=True)
    _empty(project)
    places = places_of(load_settings(None, link / "erm.yaml", require_url=False))
    assert places.told("migrations/versions/a1_x.py") == "services/shop/migrations/versions/a1_x.py"
    assert places.told(places.anchor) == "services/shop/erm.yaml"


def test_a_plan_is_printed_in_each_format_alone(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """What env.py prints goes to stderr, and the exit code is that of the plan."""
    install(monkeypatch, FakePipeline(answer_plan=BLOCKED, prints="from env.py"))
    for each in formats_of("migrate"):
        code, out, err = erm(capsys, "migrate", "--mode", "plan", "--format", each.name)
        assert (code, "from env.py" in out, "from env.py" in err) == (1, False, True)
        if each.name in ("json", "gitlab", "sarif"):
            json.loads(out)


def test_a_failed_run_is_a_failed_invocation(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """Each format has the outcome."""
    install(monkeypatch, FakePipeline(answer_plan=PLAN, outcome=FAILED))
    _, out, _ = erm(capsys, "migrate", "--format", "sarif")
    (run,) = json.loads(out)["runs"]
    assert run["invocations"] == [{"executionSuccessful": False}]
    assert [each["ruleId"] for each in run["results"]] == ["run-failed"]
    _, out, _ = erm(capsys, "migrate", "--format", "markdown")
    assert "### Apply to `prod`: failed" in out


def test_only_text_has_colour_on_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """What is pasted from a terminal is what a file would have."""
    install(monkeypatch, FakePipeline(answer_plan=BLOCKED))
    monkeypatch.setattr(console, "wants_colour", lambda stream: True)
    coloured = set()
    for each in formats_of("migrate"):
        _, out, _ = erm(capsys, "migrate", "--mode", "plan", "--format", each.name)
        coloured |= {each.name} if "\x1b[" in out else set()
    assert coloured == {"text"}


def _report(**changed: Any) -> DriftReport:
    drift = (
        Drift("index", "public.hot", "database", "absent", "an index"),
        Drift("grant", "public.t", "database", "absent", "SELECT to x"),
        Drift("table", "public.new", "models", "absent", "a table"),
        Drift("edited-revision", "a1", "history", "the code", "other code", "migrations/versions/a1.py"),
        Drift("index", "public.taken", "database", "absent", "an index", adopted=True),
    )
    unknown = Comparison("models", "unknown", "env.py has no target_metadata")
    given = {"drift": drift, "comparisons": (unknown,), **changed}
    return DriftReport("prod", "postgresql://db/shop", "15.18", ("a1",), **given)


def test_drift_is_told_by_the_rules_of_a_plan() -> None:
    """Each difference is a finding, as loud as in a plan, with a way out; what could not be compared is one too."""
    findings = drift_findings(_report(), DriftSettings(severity={"grant": "error"}))
    assert [(each.rule, each.severity, each.path) for each in findings] == [
        ("schema-drift", "error", None),
        ("schema-drift", "error", None),
        ("models-drift", "warning", None),
        ("edited-revision", "error", "migrations/versions/a1.py"),
        ("schema-drift", "warning", None),
        ("models-drift", "warning", None),
    ]
    assert findings[0].message == "index public.hot: expected absent; found an index."
    assert findings[0].help.startswith("`erm drift --fix revert --env prod` writes SQL that takes it back.")
    assert findings[2].help.startswith("Add it to the models; or `erm gen -m MESSAGE --env prod` writes")
    lacking = Drift("table", "public.new", "models", "a table", "absent")
    assert drift_findings(_report(drift=(lacking,)))[0].help.endswith(" Or correct the models.")
    assert drift_findings(_report(drift=()))[0].rule == "models-drift"
    sql = Drift("index", "public.i", "database", "absent", "CREATE INDEX i\n  ON t (x)")
    assert drift_findings(_report(drift=(sql,)))[0].message.endswith("; found `CREATE INDEX i ON t (x)`.")
    assert findings[5].message == "Whether there is drift of the models is not known: env.py has no target_metadata"
    assert "--against 'my dev'" in drift_findings(_report(against="my dev"))[0].help


def test_drift_is_shown_in_every_format(monkeypatch: pytest.MonkeyPatch, capsys: Capture, tmp_path: Path) -> None:
    """With a comment, and a category of code scanning, for each environment."""
    from erm_alembic import comparing

    monkeypatch.setattr(comparing, "drift", lambda *_, **__: _report())
    config = tmp_path / "erm.yaml"
    config.write_text("database: {environments: {prod: {url: 'postgresql:///shop'}}}\n")
    shown = {}
    for each in formats_of("drift"):
        code, shown[each.name], _ = erm(
            capsys, "drift", "--env", "prod", "--config", str(config), "--format", each.name
        )
        assert code == 1
    assert shown["markdown"].startswith("<!-- erm-drift: prod -->\n### erm drift of `prod`: 2 errors, 4 warnings\n")
    assert shown["github"].endswith("erm drift of prod: 2 errors, 4 warnings\n")
    assert len(json.loads(shown["gitlab"])) == 6
    assert json.loads(shown["sarif"])["runs"][0]["automationDetails"]["id"] == "erm/drift/prod/"
