"""Python's logging, for programs that call erm: the events of a run, and nothing that they did not ask for."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from erm_alembic.execute.progress import SeveralProgress, SilentProgress
from erm_alembic.migrate import apply
from erm_alembic.planning.model import Outcome, Plan
from erm_alembic.repairs import repair
from tests.faults.deploying import Project
from tests.support.cli import REPOSITORY


def test_a_caller_who_listens_gets_a_record_for_each_event(
    project: Project, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Name and members stand on the record; no handler, and no level, is erm's."""
    monkeypatch.chdir(project.root)
    monkeypatch.setenv("ERM_DATABASE_URL", str(project.url))
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    with caplog.at_level(logging.INFO, "erm_alembic.runs"):
        assert apply().outcome.result == "done"
    assert (list(root.handlers), root.level) == (handlers, level)
    records = [record for record in caplog.records if record.name == "erm_alembic.runs"]
    names = [record.erm_event for record in records]  # type: ignore[attr-defined]
    assert names[0] == "run_started" and names[-1] == "run_finished" and names.count("step_finished") == 2
    assert records[-1].erm["outcome"] == "done"  # type: ignore[attr-defined]
    assert not {name for name in names if name.startswith("statement")}
    assert "example.org" not in caplog.text


def test_nobody_who_watches_can_end_a_run_or_silence_another(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that raises is told no more; one that was written for an older erm is told what it knows."""

    class Old:
        def __init__(self) -> None:
            self.steps: list[str] = []

        def note(self, message: str) -> None: ...

        def step_started(self, step: object, number: int, total: int) -> None:
            self.steps.append(step.revision)  # type: ignore[attr-defined]

        def statement(self, step: object, sql: str, line: int | None) -> None:
            raise OSError("the terminal is gone")

        def step_finished(self, step: object, outcome: object) -> None: ...

    monkeypatch.chdir(project.root)
    monkeypatch.setenv("ERM_DATABASE_URL", str(project.url))
    old = Old()
    assert apply(progress=old).outcome.result == "done"  # type: ignore[arg-type]
    assert old.steps == ["a1"]


def test_the_end_of_a_run_is_told_once_and_in_the_reverse_order() -> None:
    """What the first one opened still holds while the others hear of its end."""
    heard: list[str] = []

    class Named(SilentProgress):
        def __init__(self, name: str) -> None:
            self.name = name

        def run_started(self, plan: Plan, mode: str) -> None:
            heard.append(f"{self.name} begins")

        def run_finished(self, outcome: Outcome) -> None:
            heard.append(f"{self.name} ends")

    several = SeveralProgress(Named("first"), Named("second"))
    several.run_started(Plan("dev", "postgresql://localhost/app", "15.18", "upgrade", (), (), ()), "apply")
    several.run_finished(Outcome("done"))
    several.run_finished(Outcome("failed"))
    assert heard == ["first begins", "second begins", "second ends", "first ends"]


def test_a_repair_is_told_as_a_run(
    project: Project, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Also one that sends nothing of the revision: what was half done is marked, or forgotten."""
    project.revision(
        "c3",
        "with op.get_context().autocommit_block():\n"
        "    op.execute('CREATE TABLE half (id int)')\n"
        "op.execute('SELECT 1 / (SELECT count(*) FROM half)')",
        down="b2",
    )
    monkeypatch.chdir(project.root)
    monkeypatch.setenv("ERM_DATABASE_URL", str(project.url))
    assert apply().outcome.result == "failed"
    caplog.clear()
    with caplog.at_level(logging.INFO, "erm_alembic.runs"):
        repair(revision="c3", action="forget", reason="dropped by hand")
    names = [record.erm_event for record in caplog.records if record.name == "erm_alembic.runs"]  # type: ignore[attr-defined]
    assert names[0] == "run_started" and names[-1] == "run_finished"


def test_a_run_that_is_refused_before_it_begins_is_told_too(
    project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A deploy lock that is not had ends a run as well."""
    monkeypatch.chdir(project.root)
    monkeypatch.setenv("ERM_DATABASE_URL", str(project.url))
    from erm_alembic.errors import LockNotHad
    from erm_alembic.execute import deploy

    def refuse(*_arguments: object, **_options: object) -> object:
        raise LockNotHad("Another deployer holds the lock.", effect="Nothing was run.", cure="Wait.")

    monkeypatch.setattr(deploy, "under_deploy_lock", refuse)
    with caplog.at_level(logging.INFO, "erm_alembic.runs"), pytest.raises(LockNotHad):
        apply()
    ended = caplog.records[-1]
    assert ended.erm_event == "run_finished" and ended.levelno == logging.ERROR  # type: ignore[attr-defined]
    assert ended.erm["error"] == "Another deployer holds the lock."  # type: ignore[attr-defined]


def test_the_page_says_which_runs_are_told() -> None:
    """Whoever lets another module tell its runs, or write them into the ledger, has to say so there as well."""
    package = REPOSITORY / "erm_alembic"
    sources = {path.relative_to(package).as_posix(): path.read_text(encoding="utf-8") for path in package.rglob("*.py")}
    telling = {name for name, text in sources.items() if "with told(opened.target" in text}
    in_ledger = {name for name, text in sources.items() if ".start_run(" in text}
    assert telling == {"pipeline.py", "repairs.py"}
    assert in_ledger == {"execute/deploy.py", "ledger/imported.py", "mending/mending.py", "backup/putting_back.py"}
    page = (REPOSITORY / "docs" / "telemetry.md").read_text(encoding="utf-8")
    told, not_told = page.split("\nTold are ", 1)[1].split("\n\n", 1)[0].split("Not told, ")
    assert all(words in told for words in ("migrate", "release", "preview create", "`--resume`", "`--forget`"))
    assert all(words in not_told for words in ("repair --do", "restore --lost", "baseline --record"))
