"""A run as a stream of events, each of which is a name, a level, words and members: for logs of any form."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import psycopg2
from sqlalchemy.exc import DBAPIError

from erm_alembic.config.redaction import redact
from erm_alembic.planning.model import Outcome, Plan, Step, StepOutcome
from erm_alembic.render.words import counted
from erm_alembic.telemetry.shown_sql import operation, shown_sql

__all__ = ["Event", "EventProgress", "error_code"]

Level = Literal["debug", "info", "warning", "error"]


@dataclass(frozen=True)
class Event:
    """Something that happened in a run; no value, no password stands in it.

    Args:
        name: what happened: `run_started`, `step_finished`, ...
        level: how loud it is.
        message: the same in words.
        members: what there is to know of it.
    """

    name: str
    level: Level
    message: str
    members: Mapping[str, Any] = field(default_factory=dict)


class EventProgress:
    """Watches a run, and makes events of what it is told.

    Args:
        tell: takes each event.
        wants_statements: whether each statement is one.
    """

    def __init__(self, tell: Callable[[Event], None], wants_statements: Callable[[], bool] = lambda: True) -> None:
        self._tell, self._wants_statements = tell, wants_statements
        self._environment: str | None = None
        self._begun = 0.0

    def run_started(self, plan: Plan, mode: str) -> None:
        """A run begins."""
        self._environment = plan.environment
        members = {"mode": mode, "database": plan.database_url, "revisions": [step.revision for step in plan.steps]}
        self._event("run_started", "info", f"{mode} begins: {counted(len(plan.steps), 'revision')}", members)

    def note(self, message: str) -> None:
        """Something to know."""
        self._event("note", "info", redact(message))

    def step_started(self, step: Step, number: int, total: int) -> None:
        """A revision begins."""
        members = {"number": number, "total": total, "path": step.path, "revision_message": step.message}
        self._event("step_started", "info", f"{step.direction} {step.revision} begins", _of(step) | members)

    def statement(self, step: Step, sql: str, line: int | None) -> None:
        """A statement is sent."""
        self._begun = time.monotonic()
        if self._wants_statements():
            members = {"sql": shown_sql(sql), "line": line}
            self._event("statement_started", "debug", f"{operation(sql)} is sent", _of(step) | members)

    def statement_finished(self, step: Step, sql: str, line: int | None, error: BaseException | None) -> None:
        """A statement ended."""
        if not self._wants_statements():
            return
        members = _of(step) | {"line": line, "duration_ms": round((time.monotonic() - self._begun) * 1000)}
        if error is not None:
            members |= {"error": error_code(error)}
        words = f"{operation(sql)} {'is done' if error is None else 'failed'}"
        self._event("statement_finished", "debug", words, members)

    def step_finished(self, step: Step, outcome: StepOutcome) -> None:
        """A revision ended."""
        members = _of(step) | {
            "outcome": outcome.outcome,
            "duration_ms": outcome.duration_ms,
            "statements": outcome.statements,
        }
        if outcome.error is not None:
            members["error"] = redact(outcome.error)
        failed = outcome.outcome == "failed"
        words = f"{step.direction} {step.revision} {'failed' if failed else 'is done'}"
        self._event("step_finished", "error" if failed else "info", words, members)

    def failed(self, error: BaseException) -> None:
        """Nothing: what it says may quote rows, and the outcome has it in words."""

    def run_finished(self, outcome: Outcome) -> None:
        """A run ended."""
        members: dict[str, Any] = {
            "outcome": outcome.result,
            "run_id": outcome.run_id,
            "current": list(outcome.current) if outcome.current_known else None,
            "duration_ms": outcome.duration_ms,
        }
        for name in ("error", "effect", "cure"):
            if (said := getattr(outcome, name)) is not None:
                members[name] = redact(said)
        good = outcome.result in ("done", "nothing-to-do")
        self._event("run_finished", "info" if good else "error", f"The run ended: {outcome.result}", members)

    def _event(self, name: str, level: Level, message: str, members: Mapping[str, Any] | None = None) -> None:
        of = {} if self._environment is None else {"environment": self._environment}
        self._tell(Event(name, level, message, {**of, **(members or {})}))


def error_code(error: BaseException) -> str:
    """What tells the kind of an error and quotes nothing: its SQLSTATE, else the name of its class.

    Args:
        error: the error.

    Example:
        >>> error_code(ValueError("4711"))
        'ValueError'
    """
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    code = cause.pgcode if isinstance(cause, psycopg2.Error) else None
    return code or type(cause).__name__


def _of(step: Step) -> dict[str, Any]:
    return {"revision": step.revision, "direction": step.direction}
