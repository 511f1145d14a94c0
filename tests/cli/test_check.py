"""`erm check`: what can be said of a project without a database."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from erm_alembic.checks import CHECKS
from tests.checks.building import EMPTY, WORKS
from tests.cli.pipeline import erm


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three revisions in one line; the first cannot be rolled back, the last has comments that ignore rules."""
    versions = tmp_path / "migrations" / "versions"
    versions.mkdir(parents=True)
    (tmp_path / "alembic.ini").write_text("[alembic]\nscript_location = %(here)s/migrations\n")
    (tmp_path / "migrations" / "env.py").write_text("raise RuntimeError('never imported')\n")
    ignores = f"{WORKS}x = 1  # erm: ignore[squawk]\ny = 1  # erm: ignore[nonsense] why\n"
    parent = None
    for name, source in (("a1", EMPTY), ("b2", WORKS), ("c3", ignores)):
        (versions / f"{name}.py").write_text(f"revision = {name!r}\ndown_revision = {parent!r}\n{source}")
        parent = name
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_it_runs_every_check_that_needs_no_target(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Errors end with 1; each finding has its place, and the summary says what a plan would look at besides."""
    code, out, _ = erm(capsys, "check")
    assert code == 1
    lines = out.splitlines()
    assert [line.split("] ")[0] for line in lines if "[" in line and not line.startswith(" ")] == [
        "migrations/versions/a1.py:5: error[missing-downgrade",
        "migrations/versions/c3.py:7: warning[ignore-without-reason",
        "migrations/versions/c3.py:8: warning[unknown-ignore",
    ]
    assert lines[-2:] == [
        "3 revisions checked, 1 error, 2 warnings.",
        "What their statements do is checked by a plan: erm migrate --mode plan",
    ]


def test_since_leaves_out_a_revision_and_its_ancestors(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A beginning of its id is enough; heads are those of the whole project."""
    code, out, _ = erm(capsys, "check", "--since", "a", "--format", "json")
    found = json.loads(out)
    assert code == 0
    assert (found["checked"], [each["rule"] for each in found["findings"]]) == (
        2,
        ["ignore-without-reason", "unknown-ignore"],
    )
    assert set(found["rules"]) == {check.rule for check in CHECKS if check.needs != "plan"}
    (project / "migrations" / "versions" / "d4.py").write_text(f"revision = 'd4'\ndown_revision = 'b2'\n{WORKS}")
    _, out, _ = erm(capsys, "check", "--since", "c3", "--format", "json")
    assert [each["rule"] for each in json.loads(out)["findings"]] == ["several-heads"]


def test_since_an_unknown_revision_is_bad_usage(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The nearest ones are named."""
    code, _, error = erm(capsys, "check", "--since", "c4")
    assert code == 2
    assert "--since: 'c4' is not a revision of this project." in error and "c3" in error


def test_comments_in_scripts_are_checked_too(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """At the line of the script."""
    versions = project / "migrations" / "versions"
    (versions / "d4.py").write_text(
        "revision = 'd4'\ndown_revision = 'c3'\nupgrade_sql = '4_x.sql'\ndowngrade_sql = '4_x_down.sql'\n"
        "def upgrade(): run(__file__)\ndef downgrade(): run(__file__)\n"
    )
    (versions / "4_x.sql").write_text("CREATE TABLE a (b int);\n-- erm: ignore[squawk]\nDROP TABLE c;\n")
    (versions / "4_x_down.sql").write_text("DROP TABLE a;\n")
    _, out, _ = erm(capsys, "check", "--since", "c3")
    assert out.startswith("migrations/versions/4_x.sql:2: warning[ignore-without-reason] ")


def test_the_list_has_every_rule_with_how_loud_it_is_here(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """squawk's own among them; safety.rules counts."""
    (project / "erm.yaml").write_text("safety: {rules: {several-heads: error, squawk/prefer-identity: warning}}\n")
    code, out, _ = erm(capsys, "check", "--list", "--format", "json")
    rules = {each["rule"]: each for each in json.loads(out)["rules"]}
    assert code == 0
    assert {check.rule for check in CHECKS} <= set(rules)
    assert rules["several-heads"]["severity"] == "error"
    assert (rules["squawk/prefer-identity"]["severity"], rules["squawk/prefer-text-field"]["severity"]) == (
        "warning",
        "off",
    )
    assert all(each["summary"] for each in rules.values())
    _, text, _ = erm(capsys, "check", "--list")
    assert len(text.splitlines()) == len(rules)


def test_a_mistyped_rule_of_squawk_is_refused(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As any other key of safety.rules that names nothing."""
    (project / "erm.yaml").write_text("safety: {rules: {squawk/ban-drop-colum: off}}\n")
    code, _, error = erm(capsys, "check")
    assert code == 2
    assert "squawk/ban-drop-colum is not a rule; did you mean squawk/ban-drop-column?" in error


def test_the_list_of_rules_is_shown_where_erm_yaml_misnames_one(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the error says to type shows the rules, and then the error."""
    (project / "erm.yaml").write_text("safety: {rules: {missing_downgrad: off}}\n", encoding="utf-8")
    code, out, err = erm(capsys, "check", "--list")
    assert (code, "missing-downgrade  " in out) == (2, True)
    assert "did you mean missing-downgrade?" in err
