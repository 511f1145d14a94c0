"""A session that sends pure reads to a replica where somebody asked for it, and everything else to the primary.

What holds within a transaction is decided once and kept (`RoutedTransaction`): the first thing that is not known to be
a pure read pins it to the primary, and the first read that may go to a replica chooses the one for all of them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import UnboundExecutionError
from sqlalchemy.orm import InstanceState, Session, SessionTransactionOrigin
from sqlalchemy.orm.attributes import instance_state

from erm_alembic.routing.blocks import innermost_block
from erm_alembic.routing.connections.nodes import ReplicaNode
from erm_alembic.routing.connections.read_only import refuse_writes
from erm_alembic.routing.deciding import reasons
from erm_alembic.routing.deciding.reasons import Reason
from erm_alembic.routing.deciding.routes import ELSEWHERE, Explanation, Route
from erm_alembic.routing.misuse import chosen_in
from erm_alembic.routing.need import Need
from erm_alembic.routing.options import ReadMode, ReplicaReadOptions
from erm_alembic.routing.router import Router
from erm_alembic.routing.sessions.choosing import OPTION, STREAMS, Chooser, streams
from erm_alembic.routing.sessions.commits import Commits
from erm_alembic.routing.sessions.ends import listen_to
from erm_alembic.routing.sessions.explain import explain, explain_named
from erm_alembic.routing.sessions.failing_over import goes_elsewhere
from erm_alembic.routing.sessions.kept import KeptDecision
from erm_alembic.routing.sessions.marks import carry
from erm_alembic.routing.sessions.prevention import Prevention
from erm_alembic.routing.sessions.provenance import OnStale, Provenance
from erm_alembic.routing.sessions.transaction import RoutedTransaction
from erm_alembic.routing.sqlalchemy_internals import is_flushing

__all__ = ["RoutingSession"]

Answer = TypeVar("Answer")


class Routed(Protocol):
    """What sessions are made for: a cluster."""

    @property
    def router(self) -> Router:
        """What they ask."""

    @property
    def on_stale(self) -> OnStale:
        """What happens with an object that was read stale and changed, unless they say it themselves."""


class RoutingSession(Session):
    """A session of a cluster.

    It is used as any session, by `scoped_session` and `AsyncSession(sync_session_class=...)` too. A session that was
    given `bind`, or `binds` for what is asked, does what these say. Where no block, option or policy chooses, all goes
    to the primary.

    Args:
        cluster: the cluster that it reads from.
        read: where its reads go unless a block or an option says otherwise: options, the name of a policy, True for any
            replica, False for the primary; None leaves it to the cluster's default policy.
        on_stale: what happens with an object that was loaded from a replica, is changed, and differs on the primary:
            "raise" `StaleReplicaWrite`, "refetch" what was not changed, or "warn"; None leaves it to the cluster.
        asynchronous: whether an `AsyncSession` uses it.
        options: what `Session` takes.

    Raises:
        ConfigurationError: the cluster has no policy of that name.

    Example:
        >>> from erm_alembic.routing import connect_cluster, replica_read
        >>> with connect_cluster("postgresql://app@db/shop") as cluster:
        ...     session = RoutingSession(cluster=cluster)
    """

    def __init__(
        self,
        *arguments: Any,
        cluster: Routed,
        read: ReplicaReadOptions | str | bool | None = None,
        on_stale: OnStale | None = None,
        asynchronous: bool = False,
        **options: Any,
    ) -> None:
        self._router, self._asynchronous = cluster.router, asynchronous
        self._cluster = cluster  # which ends when nobody holds it any more
        self._chooser = Chooser(self._router, read)
        self._provenance = Provenance(
            cluster.on_stale if on_stale is None else on_stale, lambda: self._routed.sent.by_itself
        )
        self._has_binds = bool(options.get("binds"))
        self._commits = Commits(self._router)
        self._routed = RoutedTransaction()
        super().__init__(*arguments, **options)

    # What SQLAlchemy asks.

    def get_bind(
        self, mapper: Any = None, *, clause: Any = None, bind: Any = None, **others: Any
    ) -> Engine | Connection:
        """The engine that a statement goes to.

        Args:
            mapper: what is mapped, where the ORM knows it.
            clause: the statement; None where nothing is known of what follows.
            bind: what `bind_arguments` name, which is taken.
            others: `replica_read` where the execution options have it, and what else SQLAlchemy passes on.

        Raises:
            NoReplicaAvailable: no replica is fresh enough, and the primary may not be asked instead.
            WritePrevented: something is written where only reads are meant.
            ConfigurationError: there is no policy of the name that was chosen.
        """
        if bind is not None:
            return self._to_named(bind, mapper, clause, others)
        if self.bind is not None or self._has_binds:
            try:
                return self._to_named(super().get_bind(mapper, clause=clause, **others), mapper, clause, others)
            except UnboundExecutionError:
                if self.bind is not None:
                    raise
        router, routed = self._router, self._routed
        if routed.named is not None:
            routed.named = None
        if clause is not None and router.classifier.why_not(clause) is None:
            if routed.pinned:
                return router.primary.engine(self._asynchronous)
            kept = routed.kept
            if (
                kept is not None
                and not others
                and not clause.get_execution_options()
                and not self.in_nested_transaction()
                and kept.holds(innermost_block() or self._chooser.created_in, self.info.get(OPTION))
            ):
                if router.budget is not None:
                    router.budget.read()
                return kept.engine
        mode = self._chooser.mode(self.info, clause, others.get(OPTION))
        refuse_writes(mode, mapper, clause)
        if not routed.pinned:
            engine = self._replica(clause, mode, others)
            if engine is not None:
                return engine
        self._note(clause, prevents=mode.prevent_writes)
        return router.primary.engine(self._asynchronous)

    def execute(self, statement: Any, params: Any = None, **options: Any) -> Any:
        """As `Session.execute`; a read that fails on a replica is tried on another, then on the primary."""
        if not options:
            try:
                answer = super().execute(statement, params)
            except BaseException as error:
                if not goes_elsewhere(self, error, statement, None):
                    raise
            else:
                if (routed := self._routed).replica is not None:
                    routed.has_read = True
                return answer
        return self._retried(super().execute, statement, params, options)

    def scalars(self, statement: Any, params: Any = None, **options: Any) -> Any:
        """As `Session.scalars`, with reads as in `execute`."""
        return self._retried(super().scalars, statement, params, options)

    def scalar(self, statement: Any, params: Any = None, **options: Any) -> Any:
        """As `Session.scalar`, with reads as in `execute`."""
        return self._retried(super().scalar, statement, params, options)

    def bulk_save_objects(self, objects: Iterable[object], *arguments: Any, **options: Any) -> None:
        """As `Session.bulk_save_objects`; objects that were loaded from a replica are held against their rows."""
        objects = list(objects)
        whole = not (arguments[1] if len(arguments) > 1 else options.get("update_changed_only", True))
        self._provenance.check_objects(self, objects, self._router.instrumentation, whole=whole)
        super().bulk_save_objects(objects, *arguments, **options)

    def rollback(self) -> None:
        """As `Session.rollback`; a replica that was read from and is lost by now does not let it fail."""
        self._routed.begin_rollback(self)
        super().rollback()

    def close(self) -> None:
        """As `Session.close`; a replica that was read from and is lost by now does not let it fail."""
        self._routed.begin_rollback(self)
        super().close()

    def _merge(self, state: InstanceState[Any], *arguments: Any, **options: Any) -> Any:
        # What `merge` and its cascades do with each object.
        merged = super()._merge(state, *arguments, **options)
        carry(state, instance_state(merged))
        return merged

    # What an application asks.

    @property
    def last_route(self) -> Route | None:
        """Where the last statement went, and why; None before the first.

        Where the application itself named an engine that is none of the cluster's, the name is "elsewhere".
        """
        decision = self._routed.named or self._routed.decision
        return None if decision is None else decision.route

    @property
    def causal_token(self) -> str | None:
        """What stands for this session's last commit elsewhere (`causal`); None while it has written nothing.

        The primary is asked for its position when this is first read after a commit.

        Raises:
            TargetError: the primary cannot be reached.
        """
        return self._commits.token()

    def explain(self, statement: Any) -> Explanation:
        """Where a statement would go in this session now, and why; nothing is sent.

        Args:
            statement: what would be executed.
        """
        mode = self._mode(statement, None)
        if self.bind is not None or self._has_binds:
            with contextlib.suppress(UnboundExecutionError):
                return explain_named(self._router, statement, mode, super().get_bind(clause=statement).engine)
        need = self._need(mode)
        routed, shows = self._routed, None
        if mode.snapshot and routed.has_snapshot:
            shows = need is not None and routed.shows(need, mode)
        return explain(self._router, statement, mode, need, self._why_pinned(), routed.replica, shows=shows)

    # How it decides.

    def _mode(self, clause: Any, chosen: Any) -> ReadMode:
        return self._chooser.mode(self.info, clause, chosen)

    def _need(self, mode: ReadMode) -> Need | None:
        return self._chooser.need(mode, self._commits.last_at)

    def _replica(self, clause: Any, mode: ReadMode, others: Mapping[str, Any]) -> Engine | None:
        """The engine of the replica for a statement; None pins the transaction to the primary."""
        router, routed = self._router, self._routed
        no_read = reasons.UNKNOWN_STATEMENT if clause is None else router.classifier.why_not(clause)
        if mode.replicas:
            router.watch_for(mode, no_read)
        if why := reasons.why_primary(mode, self._why_pinned(), no_read):
            routed.pin(why)
            return None
        need = self._need(mode)
        node = None if need is None else self._kept_or_chosen(need, mode)
        if need is None or node is None:
            why = reasons.OTHER_HISTORY if need is None else reasons.NONE_FRESH
            router.fall_back(mode, why)
            routed.pin(why)
            return None
        router.count_read()
        options = clause.get_execution_options()
        snapshot, streamed = mode.snapshot, bool(others.get(STREAMS) or streams(options) or node.streams)
        engine = routed.engine_of(node, asynchronous=self._asynchronous, snapshot=snapshot, streamed=streamed)
        routed.read_from(self, node, engine, reasons.why_replica(mode), snapshot=snapshot, streamed=streamed)
        if snapshot:
            routed.take_snapshot(need)
        if not (snapshot or streamed or others or options):
            routed.kept = KeptDecision(router, node, engine, need, routed.started, self._chooser, self.info.get(OPTION))
        return engine

    def _why_pinned(self) -> Reason | None:
        """Why a transaction is the primary's whatever is asked of it; None where it is not."""
        if self._routed.pinned:
            return reasons.PINNED
        transaction = self.get_transaction()
        if self.twophase:
            return reasons.TWO_PHASES
        if self.in_nested_transaction():
            return reasons.SAVEPOINT
        if transaction is not None and transaction.origin is SessionTransactionOrigin.BEGIN:
            return reasons.BEGUN
        return None

    def _kept_or_chosen(self, need: Need, mode: ReadMode) -> ReplicaNode | None:
        """The replica of this transaction while it is fresh enough, else one that is; none after one that is not."""
        router, routed = self._router, self._routed
        if (node := routed.replica) is not None:
            if mode.snapshot and routed.has_snapshot:
                return node if routed.shows(need, mode) else None
            return node if router.fits(node, need) and not router.has_moved(node, routed.started) else None
        state = router.source.state  # of before the choice: what goes by the name later was not chosen
        node = router.choose_in_time(mode, need, asynchronous=self._asynchronous, avoid=routed.failed)
        if node is not None:
            routed.started = state.start_of(node.name)
        return node

    def _note(self, clause: Any, *, prevents: bool) -> None:
        """Note what goes to the primary, and look at it where writes are prevented, or nothing is known of it."""
        flushes = is_flushing(self)
        sent = self._routed.sent
        if clause is None or self._router.classifier.why_not(clause) is not None:
            sent.note(clause, flushes=flushes)
        if prevents or (clause is None and not flushes):
            sent.watch(Prevention(self, self._chooser, self._router.classifier))

    def _to_named(
        self, bind: Engine | Connection, mapper: Any, clause: Any, others: Mapping[str, Any]
    ) -> Engine | Connection:
        """The engine that the application named; it may lead to the primary, whether or not it is the cluster's."""
        node = self._router.server_of(bind.engine)
        on_replica = node is not None and node is not self._router.primary
        self._routed.go_to_named(node.name if node else ELSEWHERE, is_replica=on_replica)
        if not on_replica:
            mode = self._mode(clause, others.get(OPTION))
            refuse_writes(mode, mapper, clause)
            if bind.dialect.name == "postgresql":
                self._note(clause, prevents=mode.prevent_writes)
            if node is not None and not self._routed.pinned:
                self._routed.pin(reasons.PINNED)
        return bind

    # What happens when a replica fails.

    def _retried(self, send: Callable[..., Answer], statement: Any, params: Any, options: dict[str, Any]) -> Answer:
        execution, told = options.get("execution_options"), {}
        if execution:
            told = {OPTION: chosen_in(execution), STREAMS: streams(execution)}
            if any(told.values()) or OPTION in execution:
                options["bind_arguments"] = {**(options.get("bind_arguments") or {}), **told}
        while True:
            try:
                answer = send(statement, params, **options)
            except BaseException as error:
                if not goes_elsewhere(self, error, statement, told.get(OPTION)):
                    raise
            else:
                if (routed := self._routed).replica is not None:
                    routed.has_read = True
                return answer


listen_to(RoutingSession)
