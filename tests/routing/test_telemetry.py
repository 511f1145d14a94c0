"""What OpenTelemetry is told of reads, and what the log says of servers."""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from erm_alembic.errors import ConfigurationError, NoReplicaAvailable, StaleReplicaWrite
from erm_alembic.routing import ReplicaReadOptions, RoutingSession, primary, replica_policy, replica_read
from erm_alembic.routing.telemetry import Telemetry, _describe, instrument
from erm_alembic.testing.lagging import LaggingReplica
from tests.routing.applications import Base, User, application
from tests.routing.servers import EAST, WEST, Servers
from tests.support.cli import REPOSITORY
from tests.support.databases import Database

USERS = sa.select(User)


class Collected:
    """What an application's SDK has collected."""

    def __init__(self) -> None:
        self._spans, self._reader = InMemorySpanExporter(), InMemoryMetricReader()
        self.meters = MeterProvider([self._reader])
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self._spans))
        self.tracer = self.tracers.get_tracer("tests")

    def metric(self, name: str) -> dict[tuple[tuple[str, Any], ...], Any]:
        """The points of a metric by what they are about."""
        data = self._reader.get_metrics_data()
        scopes = [scope for resource in (data.resource_metrics if data else ()) for scope in resource.scope_metrics]
        points = [
            point
            for scope in scopes
            for metric in scope.metrics
            if metric.name == f"erm.routing.{name}"
            for point in metric.data.data_points
        ]
        return {
            tuple(
                sorted((key.removeprefix("erm.routing."), value) for key, value in point.attributes.items())
            ): getattr(point, "value", getattr(point, "count", None))
            for point in points
        }

    def spans(self) -> list[Any]:
        """The spans that have ended since the last call."""
        spans = list(self._spans.get_finished_spans())
        self._spans.clear()
        return spans


@pytest.fixture
def collected() -> Collected:
    """An SDK that keeps everything in memory."""
    return Collected()


@pytest.fixture
def replica(one_database: Database) -> Iterator[LaggingReplica]:
    """A replica on which there is Ada."""
    with LaggingReplica(one_database.url) as replica:
        Base.metadata.create_all(replica.cluster.writer())
        with replica.cluster.sessionmaker()() as session:
            session.add(User(id=1, name="Ada", score=1))
            session.commit()
        replica.advance()
        yield replica


@pytest.fixture
def telemetry(replica: LaggingReplica, collected: Collected) -> Iterator[Telemetry]:
    """Its cluster's reads are told."""
    with instrument(replica.cluster, meter_provider=collected.meters) as telemetry:
        yield telemetry


@pytest.mark.usefixtures("telemetry")
def test_reads_are_counted_by_server_and_reason(
    replica: LaggingReplica, collected: Collected, one_database: Database
) -> None:
    """Reasons that name somebody's functions are one value; what was bound by hand is no read of the cluster's."""
    replica.cluster.use_replica_policies(None, {"reporting": ReplicaReadOptions(max_lag="20s")})
    with replica.cluster.sessionmaker()() as session:
        for block in (replica_read(), replica_read(), replica_policy("reporting"), primary()):
            with block:
                session.scalars(USERS).all()
            session.rollback()
        with replica_read():
            session.scalar(sa.select(sa.func.random()))
            session.rollback()
            session.get(User, 1)
            session.scalars(USERS).all()
        session.rollback()
    elsewhere = sa.create_engine(one_database.url)
    with replica.cluster.sessionmaker(bind=elsewhere)() as session:
        session.scalars(USERS).all()
    with replica.cluster.sessionmaker()() as session:
        session.scalars(USERS, bind_arguments={"bind": elsewhere}).all()
    elsewhere.dispose()
    read = {("reason", "a pure read"), ("role", "replica"), ("server", "replica")}
    on_primary = {("role", "primary"), ("server", "primary")}
    assert {frozenset(about): count for about, count in collected.metric("reads").items()} == {
        frozenset(read): 4,
        frozenset({("policy", "reporting"), ("reason", "policy"), ("role", "replica"), ("server", "replica")}): 1,
        frozenset({("reason", "nothing chose a replica"), *on_primary}): 1,
        frozenset({("reason", "not known to be a pure read"), *on_primary}): 1,
    }


@pytest.mark.usefixtures("telemetry")
def test_fallbacks_waits_and_stale_writes_are_counted(replica: LaggingReplica, collected: Collected) -> None:
    """What is rare, and tells that something is wrong."""
    make = replica.cluster.sessionmaker()
    replica.fail()
    with make() as session, replica_read():
        session.scalars(USERS).all()
    with make() as session, replica_read(disable_fallback=True), pytest.raises(NoReplicaAvailable):
        session.scalars(USERS).all()
    replica.recover()
    with make(read=ReplicaReadOptions(max_wait=60)) as session:
        session.add(User(id=2, name="Grace"))
        session.commit()
        advancing = threading.Timer(0.0, replica.advance)
        advancing.start()
        session.scalars(USERS).all()
        advancing.join()
    with replica.cluster.writer().begin() as connection:
        connection.execute(sa.text("UPDATE users SET score = 100"))
    for on_stale in ("raise", "refetch"):
        with make(read=True, on_stale=on_stale) as session:
            ada = session.get_one(User, 1)
            if on_stale == "raise":
                ada.score += 1
                with pytest.raises(StaleReplicaWrite):
                    session.flush()
            else:
                ada.name = "Ada L."
                session.flush()
    late = ("reason", "no replica is fresh enough")
    assert collected.metric("fallbacks") == {(late, ("refused", False)): 1, (late, ("refused", True)): 1}
    assert collected.metric("waits") == {(("found", True),): 1}
    assert collected.metric("stale_writes") == {(("outcome", "raise"),): 1, (("outcome", "refetch"),): 1}


@pytest.mark.usefixtures("telemetry")
def test_the_lag_is_a_gauge(replica: LaggingReplica, collected: Collected) -> None:
    """Of each replica, in seconds and in bytes; where it is unknown, nothing is said."""
    about = (("server", "replica"),)
    replica.lag = "90s"
    replica.cluster.status()
    assert collected.metric("replica.lag") == {about: 90}
    assert (collected.metric("replica.lag_size"), collected.metric("replica.usable")) == ({about: 0}, {about: 1})
    replica.lag = None
    replica.fail()
    replica.cluster.status()
    assert (collected.metric("replica.lag"), collected.metric("replica.usable")) == ({}, {about: 0})


@pytest.mark.usefixtures("telemetry")
def test_the_current_span_says_which_server_and_why(replica: LaggingReplica, collected: Collected) -> None:
    """That of a request, say: nothing is said of it that is about the database's server."""
    replica.lag = 3
    with (
        replica.cluster.sessionmaker()() as session,
        collected.tracer.start_as_current_span("GET /users"),
        replica_read(),
    ):
        session.scalars(USERS).all()
    (span,) = collected.spans()
    assert span.attributes == {
        "erm.routing.server": "replica",
        "erm.routing.role": "replica",
        "erm.routing.reason": "a pure read",
        "erm.routing.lag": 3,
    }


@pytest.mark.usefixtures("replica")
def test_the_span_of_a_statement_says_it_where_there_is_one(one_database: Database) -> None:
    """As OpenTelemetry's instrumentation of SQLAlchemy makes it; also of a statement that fails."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.routing.instrumented", one_database.url],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    *statements, request = [span for span in json.loads(done.stdout) if span["name"] != "connect"]
    assert [(span["erm.routing.server"], span["erm.routing.reason"]) for span in statements] == [
        ("replica", "a pure read"),
        ("replica", "a pure read"),
        ("primary", "nothing chose a replica"),
    ]
    assert all(span["server.address"] and span["server.port"] for span in statements)
    assert request == {"name": "GET /users"}


def test_asynchronous_sessions_are_told_too(replica: LaggingReplica, collected: Collected) -> None:
    """Each task's statements on its own span."""

    async def read(opted_in: bool) -> None:
        with collected.tracer.start_as_current_span(str(opted_in)):
            async with replica.cluster.async_sessionmaker(read=opted_in)() as session:
                await session.scalars(USERS)

    async def scenario() -> None:
        await asyncio.gather(*(read(number % 2 == 0) for number in range(6)))
        await replica.cluster.aclose()

    with instrument(replica.cluster, meter_provider=collected.meters):
        asyncio.run(scenario())
    told = [(span.name, span.attributes["erm.routing.role"]) for span in collected.spans()]
    assert sorted(told) == [("False", "primary")] * 3 + [("True", "replica")] * 3


def test_once_stopped_nothing_is_told(replica: LaggingReplica, collected: Collected) -> None:
    """Nor is anything asked of SQLAlchemy any more; another can take its place, not stand beside it."""
    telemetry = instrument(replica.cluster, meter_provider=collected.meters)
    with pytest.raises(ConfigurationError, match="instrumented already"):
        instrument(replica.cluster)
    telemetry.stop()
    telemetry.stop()
    assert not sa.event.contains(RoutingSession, "do_orm_execute", telemetry._send)
    assert not sa.event.contains(sa.Engine, "after_cursor_execute", _describe)
    with replica.cluster.sessionmaker(read=True)() as session, collected.tracer.start_as_current_span("GET /"):
        session.scalars(USERS).all()
    assert not collected.metric("reads") and not collected.metric("replica.lag")
    assert not collected.spans()[0].attributes
    instrument(replica.cluster).stop()


def test_an_application_without_it_imports_none_of_it() -> None:
    """And one that asks for it is told what to install."""
    program = (
        "import sys\n"
        "import erm_alembic.routing\n"
        "assert not any(name.partition('.')[0] == 'opentelemetry' for name in sys.modules)\n"
        "sys.modules['opentelemetry'] = None\n"
        "from erm_alembic.errors import ConfigurationError\n"
        "from erm_alembic.routing.telemetry import instrument\n"
        "cluster = erm_alembic.routing.connect_cluster('postgresql://app@db/shop')\n"
        "try:\n"
        "    instrument(cluster)\n"
        "except ConfigurationError as error:\n"
        "    assert 'erm-alembic[telemetry]' in error.cure and cluster.router.instrumentation is None\n"
        "else:\n"
        "    raise AssertionError\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_read_that_a_replica_failed_is_counted_as_a_retry(
    newest_servers: Servers, collected: Collected, caplog: pytest.LogCaptureFixture
) -> None:
    """With its SQLSTATE, where it has one; and the log tells that the replica is left alone."""
    with application(newest_servers, "psycopg2") as app, app.cluster() as cluster:
        with instrument(cluster, meter_provider=collected.meters), cluster.sessionmaker(read=True)() as session:
            session.scalars(USERS).all()
            assert session.last_route is not None
            first = session.last_route.name
            session.rollback()
            app.servers.standbys[first].execute(
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = %s"
                " AND backend_type = 'client backend' AND application_name <> 'erm routing'",
                app.dbname,
            )
            while not (retried := collected.metric("retries")):
                session.scalars(USERS).all()
                session.rollback()
        ((about, count),) = retried.items()
        assert (dict(about)["server"], count) == (first, 1)
    told = f"replica {first!r} failed a read: it is left alone until the monitor has heard of it again"
    assert [record.levelname for record in caplog.records if record.getMessage() == told] == ["WARNING"]


def test_the_log_tells_each_change_of_a_server(newest_servers: Servers, caplog: pytest.LogCaptureFixture) -> None:
    """When a standby ends, comes back, and when it failed a read before the monitor knew; a loss is a warning."""
    servers = newest_servers
    caplog.set_level(logging.INFO, "erm_alembic.routing")
    with application(servers, "psycopg2") as app, app.cluster() as cluster:
        assert {f"replica {name!r} is reachable" for name in (EAST, WEST)} <= set(caplog.messages)
        assert "the primary is reachable" in caplog.messages
        caplog.clear()
        servers.east.stop("fast")
        cluster.monitor.wait_for(lambda: not cluster.status().replicas[EAST].reachable, 30.0)
        servers.east.start()
        cluster.monitor.wait_for(lambda: cluster.status().replicas[EAST].reachable, 30.0)
        cluster.monitor.refresh()
    about = [(record.levelname, record.getMessage()) for record in caplog.records if "'east'" in record.getMessage()]
    assert [(level, said.partition(":")[0]) for level, said in about] == [
        ("WARNING", "replica 'east' is not reachable"),
        ("INFO", "replica 'east' is reachable"),
    ]


def test_the_log_tells_a_promotion(fresh_servers: Servers, caplog: pytest.LogCaptureFixture) -> None:
    """Of the standby that is none any more."""
    caplog.set_level(logging.INFO, "erm_alembic.routing")
    with application(fresh_servers, "psycopg2") as app, app.cluster() as cluster:
        fresh_servers.east.promote()
        cluster.monitor.wait_for(lambda: not cluster.status().replicas[EAST].in_recovery, 30.0)
    assert any(said.startswith("replica 'east' is no standby") for said in caplog.messages)
