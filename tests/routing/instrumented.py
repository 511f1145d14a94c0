"""A program whose SQLAlchemy OpenTelemetry instruments, which cannot be taken back as a whole; prints its spans.

python -m tests.routing.instrumented URL
"""

from __future__ import annotations

import contextlib
import json
import sys

import sqlalchemy as sa
from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from erm_alembic.routing import replica_read
from erm_alembic.routing.telemetry import instrument
from erm_alembic.testing.lagging import LaggingReplica
from tests.routing.applications import User


def spans_of(url: str) -> list[dict[str, object]]:
    """What is told of three statements within a request: a read, a read that fails, a read of the primary's."""
    finished, tracers = InMemorySpanExporter(), TracerProvider()
    tracers.add_span_processor(SimpleSpanProcessor(finished))
    SQLAlchemyInstrumentor().instrument(tracer_provider=tracers, skip_dep_check=True)
    with LaggingReplica(url) as replica, instrument(replica.cluster):
        engines = [replica.cluster.writer(), replica.cluster.replicas[0].engine()]
        SQLAlchemyInstrumentor().uninstrument()
        SQLAlchemyInstrumentor().instrument(engines=engines, tracer_provider=tracers, skip_dep_check=True)
        make = replica.cluster.sessionmaker()
        with make() as session, tracers.get_tracer("tests").start_as_current_span("GET /users"):
            with replica_read():
                session.scalars(sa.select(User)).all()
                with contextlib.suppress(sa.exc.DBAPIError):
                    session.scalar(sa.select(sa.literal(1) / (User.score - 1)))
                session.rollback()
            session.scalars(sa.select(User)).all()
    return [{"name": span.name, **(span.attributes or {})} for span in finished.get_finished_spans()]


if __name__ == "__main__":
    print(json.dumps(spans_of(sys.argv[1])))
