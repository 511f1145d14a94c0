"""A pipeline without a database, for tests of the command line's own logic.

It stands in for `erm_alembic.migrate` and `erm_alembic.inspection` where a test asks only what the shell does with an
answer: which arguments it hands on, what it prints where, with which exit code. What the real pipeline does is tested
against real databases.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import erm_alembic
from erm_alembic.ledger.model import History
from erm_alembic.planning.model import Outcome, Plan
from erm_alembic.under_way import under_way
from tests.render.plans import DONE, PLAN


@dataclass(frozen=True)
class AlembicOptions:
    """What reaches env.py."""

    x: tuple[str, ...] = ()
    name: str = "alembic"
    tag: str | None = None


@dataclass(frozen=True)
class Override:
    """A rule that passes once."""

    rule: str
    reason: str


@dataclass(frozen=True)
class Result:
    """A plan and how it ended."""

    plan: Plan
    outcome: Outcome


@dataclass
class FakePipeline:
    """Answers every call with what it was given, and remembers the call.

    Args:
        answer_plan: the plan of every call.
        outcome: how apply and rollback end.
        raises: raised instead of any answer.
        prints: printed to stdout by the project meanwhile, as an env.py may.
        runs: the ledger.
        smoke: its smoke tests.
        status_facts: the answer of `status`.
    """

    answer_plan: Plan = PLAN
    outcome: Outcome = DONE
    raises: BaseException | None = None
    prints: str = ""
    runs: tuple[Any, ...] = ()
    smoke: tuple[Any, ...] = ()
    status_facts: Any = None
    calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = field(default_factory=list)

    def _answer(self, function: str, answer: Any, *args: Any, **kwargs: Any) -> Any:
        self.calls.append((function, args, kwargs))
        under_way("reading the revisions", brief=True)
        if self.prints:
            print(self.prints)
        progress = kwargs.get("progress")
        if progress is not None:
            for number, (step, outcome) in enumerate(
                zip(self.answer_plan.steps, self.outcome.steps, strict=False), start=1
            ):
                progress.step_started(step, number, len(self.answer_plan.steps))
                for statement in step.statements:
                    progress.statement(step, statement.sql, statement.line)
                progress.step_finished(step, outcome)
        if self.raises is not None:
            raise self.raises
        return answer

    def plan(self, *args: Any, **kwargs: Any) -> Plan:
        return self._answer("plan", self.answer_plan, *args, **kwargs)

    def plan_rollback(self, *args: Any, **kwargs: Any) -> Plan:
        return self._answer("plan_rollback", self.answer_plan, *args, **kwargs)

    def apply(self, *args: Any, **kwargs: Any) -> Result:
        return self._answer("apply", Result(self.answer_plan, self.outcome), *args, **kwargs)

    def rollback(self, *args: Any, **kwargs: Any) -> Result:
        return self._answer("rollback", Result(self.answer_plan, self.outcome), *args, **kwargs)

    def full_history(self, *args: Any, **kwargs: Any) -> Any:
        return self._answer("full_history", History(self.runs, self.smoke), *args, **kwargs)

    def status(self, *args: Any, **kwargs: Any) -> Any:
        return self._answer("status", self.status_facts, *args, **kwargs)

    def restore(self, *args: Any, **kwargs: Any) -> Path:
        return self._answer("restore", Path("migrations/versions/a1.py"), *args, **kwargs)


SEAMS = {
    "migrate": ("plan", "plan_rollback", "apply", "rollback"),
    "inspection": ("full_history", "status", "restore"),
}


def install(monkeypatch: pytest.MonkeyPatch, pipeline: FakePipeline) -> FakePipeline:
    """Put the pipeline in the place of `erm_alembic.migrate` and `erm_alembic.inspection` for one test."""
    for seam, names in SEAMS.items():
        module = ModuleType(f"erm_alembic.{seam}")
        module.__dict__.update(AlembicOptions=AlembicOptions, Override=Override, Result=Result)
        for name in names:
            setattr(module, name, getattr(pipeline, name))
        monkeypatch.setitem(sys.modules, f"erm_alembic.{seam}", module)
        monkeypatch.setattr(erm_alembic, seam, module, raising=False)
    return pipeline


def erm(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Run the command line in this process: exit code, stdout, stderr."""
    import signal

    from erm_alembic.cli.main import run

    before = signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(SystemExit) as stopped:
            run(arguments)
    finally:
        signal.signal(signal.SIGTERM, before)
    captured = capsys.readouterr()
    assert isinstance(stopped.value.code, int)
    return stopped.value.code, captured.out, captured.err
