"""Spans for OpenTelemetry: of a run, its revisions and its statements, below whatever began them."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from erm_alembic.migrate import apply, rollback
from erm_alembic.telemetry.sdk import wanted_exporters
from erm_alembic.telemetry.spans import is_wanted
from tests.faults.deploying import Project

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.fixture
def finished(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    """The spans that have ended, of a provider that this test alone has."""
    finished, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(finished))
    monkeypatch.setattr(trace, "get_tracer", lambda name, version=None: provider.get_tracer(name, version))
    return finished


@pytest.fixture
def here(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """The project, from within its folder."""
    monkeypatch.chdir(project.root)
    monkeypatch.setenv("ERM_DATABASE_URL", str(project.url))
    return project


def test_a_run_is_a_tree_of_spans_with_the_names_of_the_conventions(
    here: Project, finished: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Statements below revisions below the run, below the trace of the pipeline; without any value."""
    monkeypatch.setenv("TRACEPARENT", f"00-{TRACE}-{PARENT}-01")
    apply()
    spans = finished.get_finished_spans()
    run = _one(spans, "erm apply")
    assert f"{run.context.trace_id:032x}" == TRACE and run.parent is not None
    assert f"{run.parent.span_id:016x}" == PARENT
    revisions = [span for span in spans if span.name == "revision upgrade"]
    assert [_of(span, "erm.revision.id") for span in revisions] == ["a1", "b2"]
    assert {_parent(span) for span in revisions} == {run.context.span_id}
    statements = [span for span in spans if span.kind is trace.SpanKind.CLIENT]
    assert [span.name for span in statements] == ["CREATE TABLE", "INSERT", "UPDATE"]
    assert [_parent(span) for span in statements] == [revisions[0].context.span_id] + [revisions[1].context.span_id] * 2
    insert = statements[1]
    assert _of(insert, "db.system.name") == "postgresql" and _of(insert, "db.namespace") == here.database.name  # type: ignore[union-attr]
    assert _of(insert, "db.query.text") == "INSERT INTO first (id, email) VALUES (?, '...')"
    assert str(_of(insert, "code.file.path")).endswith("versions/b2.py") and _of(insert, "code.line.number")
    assert _of(run, "erm.outcome") == "done" and _of(run, "erm.run.id") == 1
    assert "example.org" not in repr([(dict(span.attributes or {}), span.events) for span in spans])
    assert trace.get_current_span() is trace.INVALID_SPAN


def test_what_calls_erm_and_what_a_revision_reports_stand_in_one_trace(
    here: Project, finished: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A caller's span is the parent of the run, and a revision's span that of what its code begins."""
    monkeypatch.setenv("TRACEPARENT", f"00-{TRACE}-{PARENT}-01")
    here.revision(
        "c3",
        'from opentelemetry import trace\nwith trace.get_tracer("app").start_as_current_span("load"):\n    pass',
        down="b2",
    )
    tracer = trace.get_tracer("caller")
    with tracer.start_as_current_span("deploy") as caller:
        apply()
    spans = finished.get_finished_spans()
    assert _parent(_one(spans, "erm apply")) == caller.get_span_context().span_id
    third = next(span for span in spans if _of(span, "erm.revision.id") == "c3")
    # Once while it is planned, outside of the run, and once within it.
    loads = [_parent(span) for span in spans if span.name == "load"]
    assert loads == [caller.get_span_context().span_id, third.context.span_id]


def test_a_failing_statement_marks_all_that_it_belongs_to(
    here: Project, failing: Project, finished: InMemorySpanExporter
) -> None:
    """With its SQLSTATE, and without what the server quotes of the row."""
    assert apply().outcome.result == "failed"
    spans = finished.get_finished_spans()
    wrong = [span for span in spans if span.status.status_code is trace.StatusCode.ERROR]
    assert [span.name for span in wrong] == ["INSERT", "revision upgrade", "erm apply"]
    assert _of(wrong[0], "error.type") == _of(wrong[0], "db.response.status_code") == "23505"
    assert "doppelt" not in repr([(dict(span.attributes or {}), span.status.description) for span in spans])


def test_an_env_py_of_asyncio_leaves_no_span_open(here: Project, finished: InMemorySpanExporter) -> None:
    """Its revisions run in a context of their own, and the run's span is closed in the caller's."""
    here.env_py(ASYNC_ENV_PY)
    apply()
    rollback(allow_data_loss=True)
    names = [span.name for span in finished.get_finished_spans()]
    assert names.count("erm apply") == 1 and names.count("revision downgrade") == 1
    assert trace.get_current_span() is trace.INVALID_SPAN


ASYNC_ENV_PY = """
import asyncio
from alembic import context
from sqlalchemy.ext.asyncio import create_async_engine

def run(connection):
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()

async def main():
    engine = create_async_engine(context.config.get_main_option("sqlalchemy.url").replace("+psycopg2", "+asyncpg"))
    async with engine.connect() as connection:
        await connection.run_sync(run)

asyncio.run(main())
"""


def test_a_hook_gets_the_trace_of_its_run(here: Project, finished: InMemorySpanExporter, tmp_path: Path) -> None:
    """What the team's own commands report stands below the run that started them."""
    here.config("hooks: {after_run: [[sh, -c, 'echo $TRACEPARENT > trace']]}\n")
    apply()
    run = _one(finished.get_finished_spans(), "erm apply")
    assert (here.root / "trace").read_text().strip().split("-")[1:3] == [
        f"{run.context.trace_id:032x}",
        f"{run.context.span_id:016x}",
    ]


def test_nothing_is_loaded_that_nobody_asked_for(project: Project) -> None:
    """Without OpenTelemetry's variables, a run of the command line does not import it."""
    project.env_py(LOOKS + (project.root / "migrations" / "env.py").read_text())
    done = project.erm("migrate")
    assert done.returncode == 0 and "LOADED []" in done.stderr, done.stderr
    assert not is_wanted({}) or "opentelemetry" in __import__("sys").modules


LOOKS = """
import sys
print("LOADED", [name for name in sys.modules if name.startswith("opentelemetry")])
"""


@pytest.mark.parametrize(
    ("environ", "names"),
    [
        ({"OTEL_TRACES_EXPORTER": "console, otlp"}, ("console", "otlp")),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c"}, ()),
        ({"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c"}, ()),
    ],
)
def test_the_variables_say_who_exports(environ: dict[str, str], names: tuple[str, ...]) -> None:
    """As OpenTelemetry's specification has them."""
    assert wanted_exporters(environ) == names


def test_spans_on_the_console_leave_stdout_to_the_result(project: Project) -> None:
    """The exporter that prints writes to stderr."""
    done = project.erm("migrate", "--to", "a1", "--format", "json", OTEL_TRACES_EXPORTER="console")
    assert json.loads(done.stdout)["outcome"]["result"] == "done"
    assert '"name": "erm apply"' in done.stderr


def test_a_collector_gets_the_spans_and_one_that_is_away_fails_nothing(project: Project) -> None:
    """The command line sets the SDK up by its own variables, over HTTP."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    with _collector() as (endpoint, received):
        done = project.erm("migrate", "--to", "a1", OTEL_EXPORTER_OTLP_ENDPOINT=endpoint)
        assert done.returncode == 0, done.stderr
    (body,) = received
    request: Any = ExportTraceServiceRequest()
    request.ParseFromString(body)
    (resource,) = request.resource_spans
    service = {each.key: each.value.string_value for each in resource.resource.attributes}["service.name"]
    names = [span.name for scope in resource.scope_spans for span in scope.spans]
    assert service == "erm" and names == ["CREATE TABLE", "revision upgrade", "erm apply"]
    # The port is closed again.
    done = project.erm("migrate", OTEL_EXPORTER_OTLP_ENDPOINT=endpoint, OTEL_EXPORTER_OTLP_TIMEOUT="1")
    assert done.returncode == 0, done.stderr


@contextmanager
def _collector() -> Iterator[tuple[str, list[bytes]]]:
    received: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.append(gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_arguments: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", received
        finally:
            server.shutdown()
            thread.join()


def _one(spans: tuple[ReadableSpan, ...], name: str) -> ReadableSpan:
    (found,) = [span for span in spans if span.name == name]
    return found


def _of(span: ReadableSpan, name: str) -> object:
    return (span.attributes or {}).get(name)


def _parent(span: ReadableSpan) -> int | None:
    return None if span.parent is None else span.parent.span_id
