"""`erm check downgrades`: the check by itself, as a person, a CI job and pre-commit run it."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from benchmarks.projects import write_project
from tests.checks.building import EMPTY, WORKS

ROOT = Path(__file__).resolve().parents[2]
ERM = [sys.executable, "-c", "from erm_alembic.cli.main import run; run()"]
NO_CONFIGURATION = {"ERM_ENV", "ERM_DATABASE_URL"}


def erm(folder: Path, *arguments: str, python: list[str] = ERM) -> subprocess.CompletedProcess[str]:
    """Run the command in a folder, without the caller's configuration."""
    kept = {name: value for name, value in os.environ.items() if name not in NO_CONFIGURATION}
    return subprocess.run(
        [*python, *arguments],
        cwd=folder,
        env={**kept, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Three revisions in one line; the first and the second cannot be rolled back."""
    versions = tmp_path / "migrations" / "versions"
    versions.mkdir(parents=True)
    (tmp_path / "alembic.ini").write_text("[alembic]\nscript_location = %(here)s/migrations\n")
    (tmp_path / "migrations" / "env.py").write_text("raise RuntimeError('never imported: no revision')\n")
    parent = None
    for name, source in (("a1", EMPTY), ("b2", EMPTY), ("c3", WORKS)):
        (versions / f"{name}_x.py").write_text(f"revision = {name!r}\ndown_revision = {parent!r}\n{source}")
        parent = name
    return tmp_path


def test_every_revision_without_a_down_script_is_named_and_the_exit_code_is_1(project: Path) -> None:
    """The text has file, line, rule, message and help for each, and a summary."""
    result = erm(project, "check", "downgrades")
    assert result.returncode == 1, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0] == (
        "migrations/versions/a1_x.py:5: error[missing-downgrade] "
        "Revision a1 cannot be rolled back: its downgrade contains only `pass`."
    )
    assert lines[1].startswith("  help: Fill `downgrade()`")
    assert lines[-1] == "3 revisions checked, 2 without a down script."


def test_json_is_one_object_and_nothing_else(project: Path) -> None:
    """A bot reads the findings with their places, and the counts."""
    result = erm(project, "check", "downgrades", "--format", "json")
    document = json.loads(result.stdout)
    assert result.returncode == 1
    assert set(document) == {"schema_version", "findings", "checked", "exempted"}
    assert (document["checked"], document["exempted"]) == (3, 0)
    assert [(f["revision"], f["line"]) for f in document["findings"]] == [("a1", 5), ("b2", 5)]


def test_downgrades_since_exempts_and_says_how_many(project: Path) -> None:
    """An adopted history passes, counted; the revisions after it are still checked."""
    (project / "erm.yaml").write_text("safety: {downgrades_since: b}\n")
    result = erm(project, "check", "downgrades")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == (
        "3 revisions checked, 2 exempted by safety.downgrades_since, every other one can be rolled back.\n"
    )


def test_a_revision_without_a_way_back_is_not_counted_as_one_that_has_it(project: Path) -> None:
    """What is declared irreversible passes, and the summary does not say that it can be rolled back."""
    for name in ("a1", "b2"):
        file = project / f"migrations/versions/{name}_x.py"
        file.write_text(f"irreversible = 'data is merged'\n{file.read_text()}")
    result = erm(project, "check", "downgrades")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == "3 revisions checked, 1 can be rolled back, 2 are declared irreversible.\n"


def test_a_single_file_is_exempt_by_the_whole_graph(project: Path) -> None:
    """pre-commit gives one file; its place in the graph comes from the others."""
    (project / "erm.yaml").write_text("safety: {downgrades_since: b2}\n")
    result = erm(project, "check", "downgrades", "migrations/versions/a1_x.py", "--format", "json")
    assert result.returncode == 0
    assert json.loads(result.stdout) == {"schema_version": 1, "findings": [], "checked": 1, "exempted": 1}


def test_an_unknown_exemption_is_a_configuration_error(project: Path) -> None:
    """A typo exits 2 and names the nearest revision."""
    (project / "erm.yaml").write_text("safety: {downgrades_since: b3}\n")
    result = erm(project, "check", "downgrades")
    assert (result.returncode, result.stdout) == (2, "")
    assert "safety.downgrades_since: 'b3' is not a revision of this project." in result.stderr
    assert "b2" in result.stderr


def test_a_secret_that_is_not_at_hand_does_not_stop_the_check(project: Path) -> None:
    """No database is needed, so an unset variable in a URL is no obstacle on a laptop or in pre-commit."""
    url = "postgresql://app:${NEVER_SET_ANYWHERE}@db/app"
    (project / "erm.yaml").write_text(f"database: {{url: '{url}'}}\nsafety: {{downgrades_since: b2}}\n")
    result = erm(project, "check", "downgrades")
    assert (result.returncode, result.stderr) == (0, "")


def test_a_rule_can_be_turned_off(project: Path) -> None:
    """`off`, which YAML reads as false, silences the rule."""
    (project / "erm.yaml").write_text("safety: {rules: {missing-downgrade: off}}\n")
    result = erm(project, "check", "downgrades")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == (
        "3 revisions checked, but missing-downgrade is off in safety.rules: nothing is said about their down scripts.\n"
    )


def test_a_rule_set_to_warning_does_not_fail(project: Path) -> None:
    """`safety.rules` decides how loud the rule is."""
    (project / "erm.yaml").write_text("safety: {rules: {missing-downgrade: warning}}\n")
    result = erm(project, "check", "downgrades")
    assert result.returncode == 0
    assert "warning[missing-downgrade]" in result.stdout


def test_the_hook_checks_the_files_that_pre_commit_hands_over(project: Path) -> None:
    """The hook's pattern picks the revisions, and its entry objects to the empty one among them."""
    hook, *_ = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    assert (hook["id"], hook["language"]) == ("erm-check-downgrades", "python")
    assert all(re.search(hook["files"], f"versions/1_a.{end}") for end in ("py", "sql"))
    changed = ["migrations/env.py", "migrations/versions/b2_x.py", "migrations/versions/c3_x.py", "README.md"]
    picked = [name for name in changed if re.search(hook["files"], name)]
    assert picked == changed[1:3]
    program, *arguments = shlex.split(hook["entry"])
    assert program == "erm"
    bad, good = erm(project, *arguments, *picked), erm(project, *arguments, picked[1], "migrations/env.py")
    assert bad.returncode == 1 and "b2_x.py:5" in bad.stdout and "c3" not in bad.stdout
    assert (good.returncode, good.stdout) == (0, "1 revision checked, every one can be rolled back.\n")


def test_a_broken_revision_is_named_with_its_line(project: Path) -> None:
    """A syntax error is said as what, effect and cure, without a traceback."""
    (project / "migrations" / "versions" / "d4_x.py").write_text("revision = 'd4'\ndef upgrade(:\n")
    result = erm(project, "check", "downgrades")
    assert result.returncode == 1
    assert "migrations/versions/d4_x.py:2: this revision file is not valid Python" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_file_that_does_not_exist_and_a_folder_without_a_project_are_said(tmp_path: Path) -> None:
    """Bad usage exits 2; no Alembic project exits 1."""
    absent = erm(tmp_path, "check", "downgrades", "nowhere.py")
    assert absent.returncode == 2 and "There is no file nowhere.py." in absent.stderr
    nothing = erm(tmp_path, "check", "downgrades")
    assert nothing.returncode == 1 and "No Alembic project was found" in nothing.stderr


def test_neither_alembic_nor_sqlalchemy_is_imported(project: Path) -> None:
    """The check starts in a moment because it imports neither."""
    code = (
        "import sys\nfrom erm_alembic.cli.main import run\n"
        "try:\n    run()\nexcept SystemExit:\n    pass\n"
        "print(sorted({'alembic', 'sqlalchemy'} & set(sys.modules)), file=sys.stderr)"
    )
    (project / "erm.yaml").write_text("database: {url: 'postgresql:///x'}\n")
    result = erm(project, "check", "downgrades", python=[sys.executable, "-c", code])
    assert result.stderr.splitlines()[-1] == "[]"


def test_a_thousand_revisions_take_less_than_a_second_beyond_start_up(tmp_path: Path) -> None:
    """The whole command on 1,000 autogenerated revisions, less its start-up on one; the best of up to three.

    Processor time, which other work on the machine does not lengthen as it does the time on the clock.
    """
    small, large = tmp_path / "one", tmp_path / "many"
    write_project(small, 1, "postgresql:///unused")
    write_project(large, 1000, "postgresql:///unused")

    def taken(folder: Path) -> float:
        before = os.times()
        result = erm(folder, "check", "downgrades")
        assert result.returncode == 0, result.stderr
        after = os.times()
        return after.children_user + after.children_system - before.children_user - before.children_system

    assert any(taken(large) - taken(small) < 1.0 for _ in range(3))
