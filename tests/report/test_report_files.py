"""`--report FILE`: which files are written in which format, and what is refused before anything runs."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from erm_alembic.errors import TargetError
from erm_alembic.planning.model import Outcome
from erm_alembic.planning.private_file import write_private
from tests.cli.pipeline import FakePipeline, erm, install
from tests.render.plans import BLOCKED, FAILED

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def pipeline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakePipeline:
    """A pipeline without a database, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return install(monkeypatch, FakePipeline())


@pytest.mark.parametrize("mode", ["plan", "apply", "rollback"])
def test_every_mode_writes_what_it_prints_into_each_file(mode: str, pipeline: FakePipeline, capsys: Capture) -> None:
    """The ending chooses the format, and several files are written at once."""
    code, out, _ = erm(capsys, "migrate", "--mode", mode, "--report", "a.html", "--report", "b.JSON")
    assert code == 0
    assert "2 revisions" in out
    assert Path("a.html").read_text("utf-8").startswith("<!doctype html>\n<html")
    assert ("outcome" in json.loads(Path("b.JSON").read_text())) is (mode != "plan")


def test_a_report_is_written_for_its_owner_over_an_older_one(pipeline: FakePipeline, capsys: Capture) -> None:
    """Nobody else reads it, whatever the rights of the one before, and nothing else is left in the folder."""
    Path("plan.html").write_text("old")
    Path("plan.html").chmod(0o644)
    assert erm(capsys, "migrate", "--mode", "plan", "--report", "plan.html")[0] == 0
    assert stat.S_IMODE(Path("plan.html").stat().st_mode) == 0o600
    assert [each.name for each in Path().iterdir()] == ["plan.html"]


@pytest.mark.parametrize(("plan", "outcome", "code"), [(BLOCKED, None, 1), (BLOCKED, Outcome("refused"), 1)])
def test_a_plan_that_is_blocked_has_a_report(
    plan: object, outcome: Outcome | None, code: int, pipeline: FakePipeline, capsys: Capture
) -> None:
    """What objects is what a reviewer wants to read."""
    pipeline.answer_plan = BLOCKED
    pipeline.outcome = outcome or FAILED
    mode = "plan" if outcome is None else "apply"
    assert erm(capsys, "migrate", "--mode", mode, "--report", "plan.html")[0] == code
    assert "missing-revision" in Path("plan.html").read_text("utf-8")


@pytest.mark.parametrize("format_", ["json", "github", "gitlab", "sarif"])
def test_what_failed_leaves_no_report_that_says_otherwise(
    format_: str, pipeline: FakePipeline, capsys: Capture
) -> None:
    """The error names the files that were not written and those that are older; what a program reads says it too."""
    pipeline.raises = TargetError("The server is away.", effect="Nothing was run.", cure="Start it.")
    Path("old.md").write_text("old")
    arguments = ("--format", format_, "--report", "plan.html", "--report", "old.md")
    code, out, err = erm(capsys, "migrate", "--mode", "plan", *arguments)
    assert (code, "The server is away." in out) == (1, True)
    said = "effect: Nothing was run. No report was written to plan.html, old.md. old.md is of an earlier run."
    assert said in " ".join(err.split())
    assert [each.name for each in Path().iterdir()] == ["old.md"]


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("plan.pdf", "does not say by its ending in which format"),
        (".html", "does not say by its ending in which format"),
        ("nowhere/plan.html", "is in a folder that does not exist"),
        ("folder.html", "exists and is no ordinary file"),
        ("link.html", "is a symbolic link"),
        ("kept.json", "is an approved plan"),
        ("x" * 300 + ".html", "cannot be written: file name too long"),
    ],
)
def test_what_cannot_be_written_is_refused_before_anything_runs(
    name: str, why: str, pipeline: FakePipeline, capsys: Capture
) -> None:
    """The pipeline is not called, and what is there stays as it is."""
    Path("folder.html").mkdir()
    Path("link.html").symlink_to("elsewhere.html")
    Path("kept.json").write_text('{"schema_version": 1, "approval": {}}')
    code, out, err = erm(capsys, "migrate", "--report", name)
    assert (code, out, pipeline.calls) == (2, "", [])
    assert f"--report {name} {why}" in err
    assert Path("kept.json").read_text() == '{"schema_version": 1, "approval": {}}'


def test_an_unknown_ending_is_told_the_known_ones(pipeline: FakePipeline, capsys: Capture) -> None:
    """The cure lists them."""
    err = erm(capsys, "migrate", "--report", "plan.pdf")[2]
    assert "Let it end in one of: " in err
    assert all(ending in err for ending in (".html", ".json"))


def test_a_file_has_one_purpose(pipeline: FakePipeline, capsys: Capture) -> None:
    """Two reports, or a report and the plan that is kept, do not share one, however it is spelled."""
    for other in (("--report", "./p.json"), ("--mode", "plan", "--out", "p.json")):
        code, _, err = erm(capsys, "migrate", "--report", "p.json", *other)
        assert code == 2
        assert "is named twice" in err
    assert pipeline.calls == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_to_is_refused(pipeline: FakePipeline, capsys: Capture) -> None:
    """It is found out by trying."""
    Path("shut").mkdir(mode=0o500)
    code, _, err = erm(capsys, "migrate", "--report", "shut/plan.html")
    assert (code, pipeline.calls) == (2, [])
    assert "cannot be written: permission denied" in err


@pytest.mark.parametrize(("outcome", "code"), [(None, 1), (Outcome("interrupted"), 130)])
def test_a_disk_that_is_full_by_then_hides_no_result(
    outcome: Outcome | None, code: int, pipeline: FakePipeline, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """The result is shown, the error says that the command was carried out, and an interruption stays one."""

    def full(path: Path, content: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("erm_alembic.planning.private_file.write_private", full)
    pipeline.outcome = outcome or pipeline.outcome
    found, out, err = erm(capsys, "migrate", "--report", "plan.html")
    assert found == code
    assert ("Done: 2 revisions applied" in out) is (outcome is None)
    assert "The report cannot be written to plan.html: no space left on device." in err
    assert "The command itself was carried out." in err


def test_a_file_that_cannot_be_put_in_its_place_leaves_nothing_behind(tmp_path: Path) -> None:
    """What was written beside it is removed."""
    (tmp_path / "there").mkdir()
    with pytest.raises(OSError, match="directory"):
        write_private(tmp_path / "there", b"text")
    assert [each.name for each in tmp_path.iterdir()] == ["there"]
