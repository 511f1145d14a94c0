"""Spans of a run, its revisions and its statements, for OpenTelemetry where a program has set that up.

Only the API is used. Where nobody has loaded it, and no variable asks for it, nothing is loaded here either.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from erm_alembic.config.redaction import redact
from erm_alembic.execute.progress import Progress
from erm_alembic.planning.model import Outcome, Plan, Step, StepOutcome
from erm_alembic.target import Target
from erm_alembic.telemetry.events import error_code
from erm_alembic.telemetry.shown_sql import operation, shown_sql
from erm_alembic.telemetry.trace_ids import handed_down
from erm_alembic.version import __version__

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Span

__all__ = ["SpanProgress", "is_wanted", "traced"]

NAME = "erm_alembic"


def is_wanted(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether somebody may have set up OpenTelemetry: it is loaded, or a variable names what is to be loaded.

    Args:
        environ: the variables.
    """
    return "opentelemetry" in sys.modules or bool(environ.get("OTEL_PYTHON_TRACER_PROVIDER"))


def traced(target: Target) -> Progress | None:
    """What makes spans of a run; nothing where nobody collects them.

    Args:
        target: the database.
    """
    if not target.settings.telemetry.spans or not is_wanted():
        return None
    try:
        return SpanProgress(target)
    except ImportError:  # only a part of OpenTelemetry is there
        return None


class SpanProgress:
    """Watches a run, and makes a span of it, of each revision, and of each statement.

    The names of attributes are those of OpenTelemetry's semantic conventions, where there are such.

    Args:
        target: the database.

    Raises:
        ImportError: opentelemetry-api is not installed.
    """

    def __init__(self, target: Target) -> None:
        from opentelemetry import context, propagate, trace

        self._context, self._propagate, self._trace = context, propagate, trace
        self._tracer = trace.get_tracer(NAME, __version__)
        self._target = target
        self._run: _Open | None = None
        self._step: _Open | None = None
        self._statement: Span | None = None

    def run_started(self, plan: Plan, mode: str) -> None:
        """Begin the run's span, within the caller's, else within the one that the pipeline hands down."""
        parent: Context | None = None
        if not self._trace.get_current_span().get_span_context().is_valid:
            parent = self._propagate.extract(handed_down())
        attributes = {
            **self._of_database(),
            "deployment.environment.name": self._target.settings.environment,
            "erm.run.mode": mode,
            "erm.run.revisions": len(plan.steps),
        }
        self._run = self._opened(f"erm {mode}", parent, attributes)

    def note(self, message: str) -> None:
        """Put it on the span that is open."""
        within = self._step or self._run
        if within is not None:
            within.span.add_event("note", {"erm.message": redact(message)})

    def step_started(self, step: Step, number: int, total: int) -> None:
        """Begin a revision's span."""
        if self._run is None:
            return
        attributes = {
            "erm.revision.id": step.revision,
            "erm.revision.message": redact(step.message),
            "erm.revision.direction": step.direction,
            "erm.revision.number": number,
            "code.file.path": step.path,
        }
        self._step = self._opened(f"revision {step.direction}", self._run.context, attributes)

    def statement(self, step: Step, sql: str, line: int | None) -> None:
        """Begin a statement's span."""
        if self._step is None:
            return
        kind = operation(sql)
        attributes: dict[str, Any] = {
            **self._of_database(),
            "db.query.text": shown_sql(sql),
            "db.operation.name": kind,
            "erm.revision.id": step.revision,
            "code.file.path": step.path,
        }
        if line is not None:
            attributes["code.line.number"] = line
        self._end_statement()
        client = self._trace.SpanKind.CLIENT
        self._statement = self._tracer.start_span(kind, self._step.context, kind=client, attributes=attributes)

    def statement_finished(self, step: Step, sql: str, line: int | None, error: BaseException | None) -> None:
        """End a statement's span."""
        if self._statement is not None and error is not None:
            code = error_code(error)
            # What the error says may quote rows.
            self._statement.set_attributes({"error.type": code, "db.response.status_code": code})
            self._statement.set_status(self._trace.StatusCode.ERROR)
        self._end_statement()

    def step_finished(self, step: Step, outcome: StepOutcome) -> None:
        """End a revision's span."""
        self._end_statement()
        if self._step is None:
            return
        self._step.span.set_attributes({"erm.outcome": outcome.outcome, "erm.revision.statements": outcome.statements})
        if outcome.outcome == "failed":
            self._step.span.set_status(self._trace.StatusCode.ERROR, redact(outcome.error or ""))
        self._closed(self._step)
        self._step = None

    def failed(self, error: BaseException) -> None:
        """Nothing: what it says may quote rows, and the outcome has it in words."""

    def run_finished(self, outcome: Outcome) -> None:
        """End the run's span."""
        self._end_statement()
        if self._step is not None:
            self._closed(self._step)
            self._step = None
        if self._run is None:
            return
        attributes: dict[str, Any] = {"erm.outcome": outcome.result}
        if outcome.run_id is not None:
            attributes["erm.run.id"] = outcome.run_id
        self._run.span.set_attributes(attributes)
        if outcome.result not in ("done", "nothing-to-do"):
            self._run.span.set_status(self._trace.StatusCode.ERROR, redact(outcome.error or outcome.result))
        self._closed(self._run)
        self._run = None

    def _end_statement(self) -> None:
        if self._statement is not None:
            self._statement.end()
            self._statement = None

    def _of_database(self) -> dict[str, Any]:
        parameters = self._target.url.parameters
        found: dict[str, Any] = {"db.system.name": "postgresql", "db.namespace": self._target.database}
        host = parameters.get("host", "")
        if host and "," not in host:
            found["server.address"] = host
            port = parameters.get("port") or "5432"
            if port.isdecimal() and not host.startswith("/"):
                found["server.port"] = int(port)
        return found

    def _opened(self, name: str, parent: Context | None, attributes: Mapping[str, Any]) -> _Open:
        span = self._tracer.start_span(name, parent, attributes=dict(attributes))
        within = self._trace.set_span_in_context(span, parent)
        # What the project's own code reports meanwhile stands within it.
        return _Open(span, within, self._context.attach(within))

    def _closed(self, opened: _Open) -> None:
        # env.py may run its revisions in a context of its own (asyncio), where a token of another one does not hold.
        if self._trace.get_current_span() is opened.span:
            self._context.detach(opened.token)
        opened.span.end()


class _Open:
    """A span that is current."""

    def __init__(self, span: Span, context: Context, token: Any) -> None:
        self.span, self.context, self.token = span, context, token
