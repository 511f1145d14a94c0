"""The files for pipelines: as their public schemas want them, and without the usual holes."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.faults.deploying import Project
from tests.forge.runner import ACTION, EXPRESSION, GITLAB, programs
from tests.support.cli import REPOSITORY, erm_environment

WORKFLOWS = sorted((REPOSITORY / ".github" / "workflows").glob("*.yml"))
COPIES = sorted((REPOSITORY / "examples" / "github").glob("*.yml"))
SCRIPTS = sorted((REPOSITORY / "ci").glob("*.sh"))
HOOKS = REPOSITORY / ".pre-commit-hooks.yaml"
TEMPLATES = REPOSITORY / "alembic_templates" / "ci"
SCHEMAS = {
    "vendor.github-actions": [ACTION],
    "vendor.github-workflows": [*WORKFLOWS, *COPIES, TEMPLATES / "github.yml"],
    "vendor.gitlab-ci": [GITLAB, TEMPLATES / "gitlab.yml"],
}
# By a major version of an action, or by the commit.
PINNED = re.compile(r"[\w.-]+/[\w./-]+@(v\d+|[0-9a-f]{40})")


def documents() -> Iterator[tuple[Path, Any]]:
    """Each workflow, and the action."""
    for path in (*WORKFLOWS, *COPIES, ACTION, TEMPLATES / "github.yml"):
        yield path, yaml.safe_load(path.read_text(encoding="utf-8"))


def steps(document: Any) -> Iterator[dict[str, Any]]:
    """The steps of a workflow or of an action."""
    jobs = document.get("jobs", {}).values() or [document["runs"]]
    for job in jobs:
        yield from job.get("steps", [])


@pytest.mark.parametrize("schema", SCHEMAS)
def test_each_file_fits_its_public_schema(schema: str) -> None:
    """Schemastore's schemas, which editors use too, find nothing wrong."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, *map(str, SCHEMAS[schema])]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_the_page_has_to_copy_fits_its_schema_too(tmp_path: Path) -> None:
    """The examples of docs/ci.md are whole files that work, or begin one."""
    page = (REPOSITORY / "docs" / "ci.md").read_text(encoding="utf-8")
    by_schema: dict[str, list[str]] = {}
    for number, block in enumerate(re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)):
        document = yaml.safe_load(block)
        schema = "vendor.github-workflows" if "jobs" in document else "vendor.gitlab-ci"
        if "repos" in document:
            schema = ""  # pre-commit's own is below
        elif "jobs" in document and True not in document:  # `on`, as YAML reads it
            block = f"on: pull_request\n{block}"
        path = tmp_path / f"{number}.yml"
        path.write_text(block)
        by_schema.setdefault(schema, []).append(str(path))
    assert {schema: len(paths) for schema, paths in by_schema.items()} == {
        "vendor.github-workflows": 3,
        "vendor.gitlab-ci": 3,
        "": 1,
    }
    commands = [
        ["check_jsonschema", "--builtin-schema", schema, *paths] for schema, paths in by_schema.items() if schema
    ]
    for command in [*commands, ["pre_commit", "validate-config", *by_schema[""]]]:
        done = subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("copy", "own", "job"), [("migrations", "ci", "migrations"), ("nightly", "nightly", "rollbacks")]
)
def test_what_is_copied_is_what_runs_here(copy: str, own: str, job: str) -> None:
    """Its steps are those of this repository's own workflow, but for where the action and the project come from."""
    copied = yaml.safe_load((REPOSITORY / "examples" / "github" / f"{copy}.yml").read_text(encoding="utf-8"))["jobs"][
        job
    ]
    run_here = yaml.safe_load((REPOSITORY / ".github" / "workflows" / f"{own}.yml").read_text(encoding="utf-8"))[
        "jobs"
    ][job]
    assert {key: copied[key] for key in ("services", "env", "timeout-minutes")} == {
        key: run_here[key] for key in ("services", "env", "timeout-minutes")
    }
    assert run_here.pop("defaults") == {"run": {"working-directory": "examples/shop"}}
    mine = {"uses": "./", "working-directory": "examples/shop", "approve-partial": "5f28e6d09b7c"}
    for theirs, ours in zip(steps({"jobs": {"": copied}}), steps({"jobs": {"": run_here}}), strict=True):
        if "Install" in theirs.get("name", ""):
            assert theirs["name"] == ours["name"]
            continue
        if ours.get("uses") == mine["uses"]:
            ours["uses"] = "erm-alembic/erm-alembic@v0"
            ours["with"] = {key: value for key, value in ours["with"].items() if value != mine.get(key)}
        assert theirs == ours


def test_a_copy_names_nothing_of_this_repository() -> None:
    """What is copied works elsewhere as it stands."""
    for path in COPIES:
        text = path.read_text(encoding="utf-8")
        assert not {each for each in ("examples/", "shop", "uses: ./", "../..", "5f28e6d09b7c") if each in text}, path


def test_the_hooks_fit_what_pre_commit_wants() -> None:
    """pre-commit itself reads the manifest."""
    command = [sys.executable, "-m", "pre_commit", "validate-manifest", str(HOOKS)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_actionlint_finds_nothing() -> None:
    """Expressions, contexts and shells of the workflows are what GitHub knows."""
    if shutil.which("actionlint") is None:
        pytest.skip("actionlint is not installed")
    done = subprocess.run(["actionlint", *map(str, (*WORKFLOWS, *COPIES))], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_shellcheck_finds_nothing() -> None:
    """The scripts quote what they are given."""
    if shutil.which("shellcheck") is None:
        pytest.skip("shellcheck is not installed")
    command = ["shellcheck", "--external-sources", "--source-path=SCRIPTDIR", *map(str, SCRIPTS)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_no_expression_stands_in_a_script() -> None:
    """What GitHub puts into the text of a script is run: inputs come as variables."""
    found = [(path.name, step["run"]) for path, document in documents() for step in steps(document) if "run" in step]
    assert len(found) > 10
    assert [each for each in found if EXPRESSION.search(each[1])] == []


def test_every_action_is_pinned() -> None:
    """By a major version or a commit; one of this repository comes with it."""
    used = [step["uses"] for _, document in documents() for step in steps(document) if "uses" in step]
    assert len(used) > 10
    assert [each for each in used if not PINNED.fullmatch(each) and not each.startswith("./")] == []


def test_every_workflow_says_what_its_token_may() -> None:
    """Nothing is left to the repository's default, and nothing is granted to all jobs but reading."""
    for path, document in documents():
        if path != ACTION:
            assert document["permissions"] == {"contents": "read"}, path


def test_no_workflow_runs_the_code_of_a_fork_with_secrets() -> None:
    """None of them is on pull_request_target, nor leaves the token behind for the project's code."""
    for path, document in documents():
        assert "pull_request_target" not in str(document.get(True, "")), path  # YAML reads `on` as true
    for path in WORKFLOWS:
        if path.name == "erm.yml":
            checkouts = [
                each for each in steps(yaml.safe_load(path.read_text())) if "checkout@" in each.get("uses", "")
            ]
            assert checkouts and all(each["with"]["persist-credentials"] is False for each in checkouts)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_script_is_one_for_bash(path: Path) -> None:
    """bash reads it, and it ends at the first command that fails."""
    assert subprocess.run(["bash", "-n", str(path)], capture_output=True, check=False).returncode == 0
    assert path.name == "options.sh" or "set -euo pipefail" in path.read_text()


def test_every_variable_that_a_script_reads_is_one_that_the_action_gives() -> None:
    """No input is forgotten on the way, and none is misspelled."""
    read = {name for path in SCRIPTS for name in re.findall(r"INPUT_[A-Z_]+", path.read_text())}
    given = {name for step in steps(yaml.safe_load(ACTION.read_text())) for name in step.get("env", {})}
    assert read == {name for name in given if name.startswith("INPUT_")}


@pytest.mark.parametrize(
    ("version", "installed"),
    [
        ("", "erm-alembic[embedded,lint,sign] @ file:///srv/the%20action"),
        ("1.4.0", "erm-alembic[embedded,lint,sign]==1.4.0"),
        ("installed", None),
        ("1.0 --index-url=https://evil", "refused"),
    ],
)
def test_what_is_installed_is_what_was_asked_for(tmp_path: Path, version: str, installed: str | None) -> None:
    """The action's own version, one of PyPI, or the project's; nothing else gets to pip."""
    folder = programs(tmp_path / "bin")
    (folder / "python3").write_text(f'#!/bin/sh\nfor word; do echo "$word"; done > "{tmp_path}/pip"\n')
    environ = {"PATH": f"{folder}:/usr/bin:/bin", "INPUT_VERSION": version, "GITHUB_ACTION_PATH": "/srv/the action"}
    script = str(REPOSITORY / "ci" / "install.sh")
    done = subprocess.run(["bash", script], env=erm_environment(environ), capture_output=True, text=True, check=False)
    told = (tmp_path / "pip").read_text().splitlines() if (tmp_path / "pip").exists() else [None]
    assert done.returncode == (2 if installed == "refused" else 0), done.stderr
    assert told[-1] == (None if installed == "refused" else installed)


@pytest.mark.parametrize("hook", yaml.safe_load(HOOKS.read_text()), ids=lambda hook: hook["id"])
def test_a_hook_runs_without_a_database(hook: dict[str, Any], tmp_path: Path) -> None:
    """Its command passes on a good project, and fails on what it is there to find."""
    project = Project(tmp_path, url=None)
    project.config("safety: {rules: {no-such-rule: error}}\n")
    path = project.revision("a1", "op.execute('CREATE TABLE t ()')", "pass")
    assert re.search(hook["files"], path.relative_to(tmp_path).as_posix() if hook["id"] != "erm-config" else "erm.yaml")
    entry = hook["entry"].split()[1:]
    names = [str(path)] if hook.get("pass_filenames", True) else []
    assert project.erm(*entry, *names, ERM_DATABASE_URL=None).returncode in (1, 2)
    project.config("database: {url: postgresql://db/shop}\n")
    project.table("a1", "t")
    good = project.erm(*entry, *names, ERM_DATABASE_URL=None)
    assert good.returncode == 0, good.stdout + good.stderr
