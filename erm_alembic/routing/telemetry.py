"""Traces and metrics by OpenTelemetry: which server has answered, and why; how far the replicas are behind.

    pip install 'erm-alembic[telemetry]'

    >>> from erm_alembic.routing import connect_cluster
    >>> from erm_alembic.routing.telemetry import instrument
    >>> cluster = connect_cluster("postgresql://app@db/shop")
    >>> telemetry = instrument(cluster)
    >>> telemetry.stop()

Only the API is used: an application that configures no SDK collects nothing. Who does not call `instrument` pays for
nothing.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from types import TracebackType
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import Engine, event

from erm_alembic.errors import ConfigurationError
from erm_alembic.routing.cluster import Cluster
from erm_alembic.routing.deciding.routes import Decision
from erm_alembic.routing.options import PRIMARY, ReadMode
from erm_alembic.routing.sessions.decided import decided, is_routed_by
from erm_alembic.routing.sessions.session import RoutingSession
from erm_alembic.routing.watching.state import ReplicaState, Trouble

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider, Observation
    from opentelemetry.trace import Span
    from sqlalchemy.orm import ORMExecuteState

__all__ = ["Telemetry", "instrument"]

_NAME = "erm_alembic.routing"
# What a statement's span is told of, while that is sent.
_sending: ContextVar[_Sending | None] = ContextVar("erm_routing_sending", default=None)


def instrument(cluster: Cluster, *, meter_provider: MeterProvider | None = None) -> Telemetry:
    """Report a cluster's reads to OpenTelemetry, until `stop()`.

    Each statement of a session's puts what was decided on the span that OpenTelemetry's instrumentation of SQLAlchemy
    makes for it, else on the span that is current: `erm.routing.server`, `.role` (`primary` or `replica`), `.reason`,
    `.policy`, and `.lag` in seconds; on the former `server.address` and `server.port` too. The metrics are listed in
    docs/routing.md.

    Args:
        cluster: the cluster.
        meter_provider: where the metrics go; None takes the global one.

    Returns:
        What stops it; a context manager.

    Raises:
        ConfigurationError: opentelemetry-api is not installed, or the cluster is instrumented already.

    Example:
        >>> from erm_alembic.routing import connect_cluster
        >>> with connect_cluster("postgresql://app@db/shop") as cluster, instrument(cluster):
        ...     pass  # what is read here is told
    """
    if cluster.router.instrumentation is not None:
        raise ConfigurationError(
            "The cluster is instrumented already.", cure="Call stop() on what instrument() returned before."
        )
    telemetry = cluster.router.instrumentation = Telemetry(cluster, meter_provider)
    return telemetry


class Telemetry:
    """What `instrument` returns.

    Args:
        cluster: whose reads are reported.
        meter_provider: where the metrics go; None takes the global one.

    Raises:
        ConfigurationError: opentelemetry-api is not installed.
    """

    def __init__(self, cluster: Cluster, meter_provider: MeterProvider | None) -> None:
        try:
            from opentelemetry import metrics, trace
        except ImportError:
            raise ConfigurationError(
                "Telemetry wants opentelemetry-api, which is not installed.",
                effect="Nothing is reported.",
                cure="Type: pip install 'erm-alembic[telemetry]'",
            ) from None
        self._cluster = weakref.ref(cluster)
        self._current_span = trace.get_current_span
        meter = metrics.get_meter(_NAME, meter_provider=meter_provider)
        self._reads = meter.create_counter("erm.routing.reads", "{read}", "SELECTs of sessions, by server and reason")
        self._fallbacks = meter.create_counter("erm.routing.fallbacks", "{read}", "Reads that no replica could answer")
        self._retries = meter.create_counter("erm.routing.retries", "{read}", "Reads that a replica failed to answer")
        self._stale = meter.create_counter("erm.routing.stale_writes", "{object}", "Changes of what was read stale")
        self._waits = meter.create_histogram("erm.routing.waits", "s", "How long reads waited for a replica")
        for name, unit, description, observe in (
            ("lag", "s", "How long a replica has been behind the primary", _lag),
            ("lag_size", "By", "How much of the primary's log a replica has not replayed", _lag_size),
            ("usable", "1", "Whether a replica can be read from, its lag aside", _usable),
        ):
            meter.create_observable_gauge(
                f"erm.routing.replica.{name}", [self._observing(observe)], unit=unit, description=description
            )
        self._stopped = False
        event.listen(RoutingSession, "do_orm_execute", self._send)
        if not _active:
            for what, listener in _LISTENERS:
                event.listen(Engine, what, listener)
        _active.append(self)

    def stop(self) -> None:
        """Report nothing any more."""
        if self._stopped:
            return
        self._stopped = True
        event.remove(RoutingSession, "do_orm_execute", self._send)
        _active.remove(self)
        if not _active:
            for what, listener in _LISTENERS:
                event.remove(Engine, what, listener)
        cluster = self._cluster()
        if cluster is not None and cluster.router.instrumentation is self:
            cluster.router.instrumentation = None

    def __enter__(self) -> Telemetry:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    # What the cluster tells.

    def fell_back(self, mode: ReadMode, kind: str, *, refused: bool) -> None:
        """Count a read that no replica can answer."""
        policy = {} if mode.policy is None else {"erm.routing.policy": mode.policy}
        self._fallbacks.add(1, {"erm.routing.reason": kind, "erm.routing.refused": refused, **policy})

    def retried(self, server: str, sqlstate: str | None) -> None:
        """Count a read that a replica has failed."""
        self._retries.add(1, {"erm.routing.server": server, "db.response.status_code": sqlstate or "none"})

    def waited(self, seconds: float, *, found: bool) -> None:
        """Count a wait for a replica."""
        self._waits.record(seconds, {"erm.routing.found": found})

    def found_stale(self, outcome: str) -> None:
        """Count a change of what was read stale."""
        self._stale.add(1, {"erm.routing.outcome": outcome})

    # What SQLAlchemy tells.

    def _send(self, state: ORMExecuteState) -> Any:
        cluster = self._cluster()
        if not state.is_select or cluster is None or not is_routed_by(state.session, cluster.router):
            return None
        sending = _Sending(cluster, state)
        outer = _sending.set(sending)
        try:
            answer = state.invoke_statement()
        finally:
            _sending.reset(outer)
        told = sending.told()
        if told is not None:
            self._reads.add(1, {**told, "erm.routing.reason": sending.kind()})
            if not sending.has_span:
                _set(self._current_span(), told | sending.lag())
        return answer

    def _observing(self, observe: Callable[[ReplicaState], float | None]) -> Callable[[Any], Iterator[Observation]]:
        # A gauge cannot be taken back: it may outlive the cluster.
        from opentelemetry.metrics import Observation

        def callback(_options: object) -> Iterator[Observation]:
            cluster = self._cluster()
            if cluster is None or self._stopped:
                return
            for name, replica in cluster.router.source.state.replicas.items():
                value = observe(replica)
                if value is not None:
                    yield Observation(value, {"erm.routing.server": name})

        return callback


class _Sending:
    """A statement on its way."""

    def __init__(self, cluster: Cluster, state: ORMExecuteState) -> None:
        self._cluster, self._state = cluster, state
        self._session = cast(RoutingSession, state.session)
        self._decision: Decision | None = None
        self.has_span = False

    def told(self) -> dict[str, str] | None:
        """What is said of it; None where it was not routed, as one that was bound by hand."""
        found = decided(self._session, self._state.statement, self._state.execution_options)
        if found is None:
            return None
        self._decision = decision = found.decision
        told = {
            "erm.routing.server": decision.server,
            "erm.routing.role": "replica" if decision.is_replica else PRIMARY,
            "erm.routing.reason": str(decision.reason),
        }
        return told if found.policy is None else {**told, "erm.routing.policy": found.policy}

    def kind(self) -> str:
        """Of which kind the reason is, of which `told` says all: a metric has few values of an attribute."""
        return "" if self._decision is None else self._decision.reason.why.value

    def lag(self) -> dict[str, float]:
        """How far behind the replica is said to be that answers it."""
        decision = self._decision
        replica = None if decision is None else self._cluster.router.source.state.replicas.get(decision.server)
        return {} if replica is None or replica.lag is None else {"erm.routing.lag": replica.lag}

    def address(self) -> dict[str, str | int]:
        """Where the server is, where that is one place."""
        server = None if self._decision is None else self._decision.server
        nodes = (self._cluster.primary, *self._cluster.replicas)
        node = next((node for node in nodes if node.name == server), None)
        parameters: Mapping[str, str] = {} if node is None else node.url.parameters
        host, port = parameters.get("host", ""), parameters.get("port") or "5432"
        if not host or "," in host:
            return {}
        return {"server.address": host} | ({"server.port": int(port)} if port.isdecimal() else {})


def _describe(_connection: Any, _cursor: Any, _statement: str, _parameters: Any, context: Any, _many: bool) -> None:
    """Put what is said of a statement on the span that was made for it, before that is ended."""
    sending = _sending.get()
    # The attribute in which OpenTelemetry's instrumentation of SQLAlchemy keeps it.
    span = None if sending is None else getattr(context, "_otel_span", None)
    if sending is None or span is None or context.isinsert or context.isupdate or context.isdelete:
        return
    told = sending.told()
    if told is not None:
        sending.has_span = True
        _set(span, {**told, **sending.lag(), **sending.address()})


def _describe_failed(error: Any) -> None:
    if error.execution_context is not None:
        _describe(None, None, "", None, error.execution_context, False)


# Of every engine, because replicas come and go: one glance at a context variable where it is none of a cluster's.
_LISTENERS = (("after_cursor_execute", _describe), ("handle_error", _describe_failed))
_active: list[Telemetry] = []


def _set(span: Span, attributes: Mapping[str, Any]) -> None:
    if span.is_recording():
        span.set_attributes(attributes)


def _lag(replica: ReplicaState) -> float | None:
    return replica.lag


def _lag_size(replica: ReplicaState) -> float | None:
    return replica.lag_bytes


def _usable(replica: ReplicaState) -> float:
    return 1 if replica.trouble is Trouble.NONE else 0
