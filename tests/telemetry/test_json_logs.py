"""stderr as JSON: one object a line, for whatever a command has to say there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from erm_alembic.cli.log_format import wanted_log_format
from tests.faults.deploying import Project
from tests.support.cli import run_erm

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"


def events(text: str) -> list[dict[str, Any]]:
    """What stands on stderr, each line an object."""
    return [json.loads(line) for line in text.splitlines()]


def test_a_run_is_told_in_objects_and_stdout_is_as_ever(project: Project) -> None:
    """Each event has its level, its trace and its members; no value of a statement stands in any."""
    done = project.erm("migrate", "--log-format", "json", "--format", "json", "-v", TRACEPARENT=PARENT)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["outcome"]["result"] == "done"
    told = events(done.stderr)
    names = [event["event"] for event in told if event["event"] not in ("note", "log")]
    statement = ["statement_started", "statement_finished"]
    first = ["step_started", *statement, "step_finished"]
    second = ["step_started", *statement, *statement, "step_finished"]
    assert names == ["run_started", *first, *second, "run_finished"]
    assert {event.get("trace_id") for event in told} == {TRACE}
    ended = told[-1]
    assert (ended["outcome"], ended["current"], ended["level"]) == ("done", ["b2"], "info")
    assert ended["run_id"] == 1 and ended["environment"] == "dev"
    assert "example.org" not in done.stderr and "4711" not in done.stderr
    sql = [event["sql"] for event in told if event["event"] == "statement_started"]
    assert "INSERT INTO first (id, email) VALUES (?, '...')" in sql


def test_a_run_that_fails_is_told_at_the_level_error(failing: Project) -> None:
    """What failed, its effect and its cure are members; what the server quotes of rows is not."""
    done = failing.erm("migrate", ERM_LOG_FORMAT="json")
    assert done.returncode == 1
    told = events(done.stderr)
    ended = told[-1]
    assert ended["event"] == "run_finished" and ended["level"] == "error" and ended["outcome"] == "failed"
    assert "SQLSTATE 23505" in ended["error"]
    assert "statement_started" not in {event["event"] for event in told}
    assert "doppelt" not in done.stderr and "4711" not in done.stderr


def test_an_error_before_the_run_is_an_object_too(tmp_path: Path, secret: str) -> None:
    """Usage, configuration, a server that is away: message, effect, cure; never a password."""
    url = f"postgresql://app:{secret}@/x?host={tmp_path}"
    for arguments, code in ((("migrate", "--nonsense"), 2), (("status",), 1)):
        done = run_erm("--log-format", "json", *arguments, cwd=tmp_path, env={"ERM_DATABASE_URL": url})
        assert done.returncode == code
        (error,) = [event for event in events(done.stderr) if event["event"] == "error"]
        assert error["message"] and error["cure"] and error["level"] == "error"


@pytest.mark.parametrize(
    ("arguments", "variable", "file", "is_json"),
    [
        ((), None, "json", True),
        ((), "text", "json", False),
        (("--log-format", "text"), "json", "json", False),
        (("--log-format=json",), None, "text", True),
        ((), None, None, False),
    ],
)
def test_the_option_beats_the_variable_and_that_the_file(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    variable: str | None,
    file: str | None,
    is_json: bool,
) -> None:
    """One rule for all of erm, before the command line is parsed; erm.yaml is found from below its folder too."""
    if file is not None:
        (tmp_path / "erm.yaml").write_text(f"logging: {{format: {file}}}\n")
    below = tmp_path / "below"
    below.mkdir()
    monkeypatch.chdir(below)
    if variable is not None:
        monkeypatch.setenv("ERM_LOG_FORMAT", variable)
    assert wanted_log_format([*arguments, "status"]) == ("json" if is_json else "text")
    named = ["--config", str(tmp_path / "erm.yaml")]
    assert wanted_log_format([*arguments, "status", *named]) == ("json" if is_json else "text")


@pytest.mark.parametrize(
    "text", ["logging: json\n", "logging: {format: xml}\n", "logging: [\n", "logging: {{{", "a: \xff"]
)
def test_a_file_that_is_wrong_is_left_to_its_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """What is wrong with it is told by the command, in text."""
    (tmp_path / "erm.yaml").write_bytes(text.encode("latin1"))
    monkeypatch.chdir(tmp_path)
    assert wanted_log_format(["status"]) == "text"


def test_a_form_that_there_is_not_is_refused(tmp_path: Path) -> None:
    """A typo in a variable is no reason to write something else."""
    done = run_erm("status", cwd=tmp_path, env={"ERM_LOG_FORMAT": "xml"})
    assert done.returncode == 2 and "ERM_LOG_FORMAT is 'xml'" in done.stderr
