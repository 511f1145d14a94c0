"""A session that sends pure reads to a replica where somebody asked for it, and everything else to the primary.

What holds within a transaction is decided once and kept: the first thing that is not known to be a pure read pins it to
the primary, and the first read that may go to a replica chooses the one for all of them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import UnboundExecutionError
from sqlalchemy.orm import Session, SessionTransactionOrigin

from erm_alembic.routing.blocks import Block, chosen_mode, innermost_block
from erm_alembic.routing.connections.nodes import NotARead, ReplicaNode
from erm_alembic.routing.connections.read_only import refuse_writes
from erm_alembic.routing.deciding import reasons
from erm_alembic.routing.deciding.kept import Kept, need_within, streams
from erm_alembic.routing.deciding.routes import Explanation, Route
from erm_alembic.routing.deciding.waiting import wait_for
from erm_alembic.routing.failures import READ_ONLY, blames_the_server, sqlstate_of, worth_another_server
from erm_alembic.routing.misuse import chosen_in
from erm_alembic.routing.need import Need
from erm_alembic.routing.options import ReadMode, ReplicaReadOptions
from erm_alembic.routing.sessions.ends import listen_to
from erm_alembic.routing.sessions.explain import explain, explain_named
from erm_alembic.routing.sessions.provenance import OnStale, Provenance
from erm_alembic.routing.sessions.sent import Sent, server_of
from erm_alembic.routing.sqlalchemy_internals import forget_connection, is_flushing, refreshed_state
from erm_alembic.routing.tokens import write_token

if TYPE_CHECKING:
    from erm_alembic.routing.cluster import Cluster

__all__ = ["RoutingSession"]

Answer = TypeVar("Answer")

# The execution option, the key of Session.info and of bind_arguments by which code without a block chooses.
OPTION = "replica_read"
# The key of bind_arguments that tells of a result that is fetched by and by.
STREAMS = "replica_streams"


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
        cluster: Cluster,
        read: ReplicaReadOptions | str | bool | None = None,
        on_stale: OnStale | None = None,
        asynchronous: bool = False,
        **options: Any,
    ) -> None:
        self._cluster, self._asynchronous = cluster, asynchronous
        self._read = None if read is None else cluster.mode_of(chosen_mode(read))
        self._created_in = innermost_block()
        self._provenance = Provenance(cluster.on_stale if on_stale is None else on_stale)
        self._has_binds = bool(options.get("binds"))
        self._committed_at = 0.0
        self._token: str | None = None
        self._route: tuple[str, bool, str] | None = None
        self._named: tuple[str, bool, str] | None = None  # where the application named the engine itself
        self._former_from_replica = self._from_replica = False
        self._begin_routing()
        super().__init__(*arguments, **options)

    def _begin_routing(self) -> None:
        """Know nothing of the transaction that comes next."""
        self._pinned = self._seen = self._commits = False
        self._sent = Sent()
        self._node: ReplicaNode | None = None
        self._kept: Kept | None = None
        self._replica_engines: frozenset[Engine] = frozenset()
        self._holds_replica = False  # by a snapshot, or a cursor on the server's side
        self._snapshot_for: Need | None = None  # what the one snapshot of this transaction was taken for
        self._avoid: frozenset[str] = frozenset()
        self._former_from_replica, self._from_replica = self._from_replica, False

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
        if self._named is not None:
            self._named = None
        if clause is not None and not self._cluster.classifier.why_not(clause):
            if self._pinned:
                return self._cluster.primary.engine(self._asynchronous)
            if (
                self._kept is not None
                and not others
                and not clause.get_execution_options()
                and not self.in_nested_transaction()
                and self._kept.holds(innermost_block() or self._created_in, self.info.get(OPTION))
            ):
                self._cluster.count_read()
                return self._kept.engine
        mode = self._mode(clause, others.get(OPTION))
        refuse_writes(mode, mapper, clause)
        if not self._pinned:
            engine = self._replica(clause, mode, others)
            if engine is not None:
                return engine
        self._note(clause, prevents=mode.prevent_writes)
        return self._cluster.primary.engine(self._asynchronous)

    def execute(self, statement: Any, params: Any = None, **options: Any) -> Any:
        """As `Session.execute`; a read that fails on a replica is tried on another, then on the primary."""
        if not options:
            try:
                answer = super().execute(statement, params)
            except Exception as error:
                if not self._goes_elsewhere(error):
                    raise
            else:
                self._seen = self._seen or self._node is not None
                return answer
        return self._routed(super().execute, statement, params, options)

    def scalars(self, statement: Any, params: Any = None, **options: Any) -> Any:
        """As `Session.scalars`, with reads as in `execute`."""
        return self._routed(super().scalars, statement, params, options)

    def scalar(self, statement: Any, params: Any = None, **options: Any) -> Any:
        """As `Session.scalar`, with reads as in `execute`."""
        return self._routed(super().scalar, statement, params, options)

    def rollback(self) -> None:
        """As `Session.rollback`; a replica that was read from and is lost by now does not let it fail."""
        if self._holds_replica:
            self._leave_replica()
        super().rollback()

    # What an application asks.

    @property
    def last_route(self) -> Route | None:
        """Where the last statement went, and why; None before the first.

        Where the application itself named an engine that is none of the cluster's, the name is "elsewhere".
        """
        route = self._named or self._route
        return None if route is None else Route(*route)

    @property
    def causal_token(self) -> str | None:
        """What stands for this session's last commit elsewhere (`causal`); None while it has written nothing.

        The primary is asked for its position when this is first read after a commit.

        Raises:
            TargetError: the primary cannot be reached.
        """
        if self._token is None and self._committed_at:
            self._token = write_token(self._cluster.position())
        return self._token

    def explain(self, statement: Any) -> Explanation:
        """Where a statement would go in this session now, and why; nothing is sent.

        Args:
            statement: what would be executed.
        """
        mode = self._mode(statement, None)
        if self.bind is not None or self._has_binds:
            with contextlib.suppress(UnboundExecutionError):
                return explain_named(self._cluster, statement, mode, super().get_bind(clause=statement).engine)
        need = self._need(mode)
        shows = need is not None and self._shows(need, mode)
        return explain(self._cluster, statement, mode, need, self._why_pinned(), self._node, keeps=shows)

    # How it decides.

    def _mode(self, clause: Any, chosen: Any) -> ReadMode:
        """What holds for a statement: its own option, the innermost block, the session, the cluster."""
        if chosen is None and clause is not None:
            chosen = chosen_in(clause.get_execution_options())
        if chosen is None:
            block = self._block()
            while block is not None and chosen is None:
                chosen = block.entered.choice if block.is_open else None
                block = block.outer
        chosen = self.info.get(OPTION) if chosen is None else chosen
        if chosen is None:
            return self._read or self._cluster.default_mode
        return self._cluster.mode_of(chosen_mode(chosen))

    def _block(self) -> Block | None:
        """The innermost block; in a context that knows none, the one that this session was made in."""
        return innermost_block() or self._created_in

    def _replica(self, clause: Any, mode: ReadMode, others: Mapping[str, Any]) -> Engine | None:
        """The engine of the replica for a statement; None pins the transaction to the primary."""
        no_read = self._cluster.classifier.why_not(clause) if clause is not None else reasons.UNKNOWN_STATEMENT
        if mode.replicas and not self._pinned:
            self._cluster.watch_for(mode, no_read)
        if why := reasons.why_primary(mode, self._why_pinned(), no_read):
            self._pin(why)
            return None
        need = self._need(mode)
        node = None if need is None else self._kept_or_chosen(need, mode)
        if need is None or node is None:
            self._fall_back(mode, reasons.NONE_FRESH if need else reasons.OTHER_HISTORY)
            return None
        self._node, self._from_replica = node, True
        self._snapshot_for = self._snapshot_for or (need if mode.snapshot else None)
        self._cluster.count_read()
        self._route = (node.name, True, reasons.why_replica(mode))
        options = clause.get_execution_options()
        in_transaction = mode.snapshot or others.get(STREAMS) or streams(options)
        engine = (node.snapshot_engine if in_transaction else node.engine)(self._asynchronous)
        self._replica_engines |= {engine}
        if in_transaction:
            self._holds_replica = True
        elif not (others or options):
            self._kept = Kept(self._cluster, node, engine, need, self._block(), self.info.get(OPTION))
        return engine

    def _why_pinned(self) -> str:
        """Why a transaction is the primary's whatever is asked of it; empty where it is not."""
        if self._pinned:
            return reasons.PINNED
        transaction = self.get_transaction()
        if self.twophase:
            return reasons.TWO_PHASES
        if self.in_nested_transaction():
            return reasons.SAVEPOINT
        if transaction is not None and transaction.origin is SessionTransactionOrigin.BEGIN:
            return reasons.BEGUN
        return ""

    def _kept_or_chosen(self, need: Need, mode: ReadMode) -> ReplicaNode | None:
        """The replica of this transaction while it is fresh enough, else one that is; none after one that is not."""
        choose = partial(self._cluster.choose, need, asynchronous=self._asynchronous, avoid=self._avoid)
        if self._node is not None:
            return self._node if self._shows(need, mode) or self._cluster.fits(self._node, need) else None
        node = choose()
        if node is None and mode.max_wait > 0 and not self._cluster.primary_only:
            node = wait_for(self._cluster.monitor, choose, mode.max_wait, self._cluster.observer, need.after)
        return node

    def _shows(self, need: Need, mode: ReadMode) -> bool:
        """Whether one snapshot is asked for and was taken: how old it is by now, is what was asked for."""
        former = self._snapshot_for
        return mode.snapshot and former is not None and (need.since, need.after) == (former.since, former.after)

    def _need(self, mode: ReadMode) -> Need | None:
        """What a read needs, with what this session and the blocks around it have to see; None: no replica can."""
        block = self._block()
        if block is None and not self._committed_at:
            return mode.need
        return need_within(block, mode.need, self._cluster, self._committed_at)

    def _fall_back(self, mode: ReadMode, why: str) -> None:
        self._cluster.fall_back(mode, why)
        self._pin(why)

    def _pin(self, why: str, *, wrote: bool = False) -> None:
        """Keep the rest of this transaction on the primary."""
        self._pinned, self._node, self._kept = True, None, None
        if wrote:
            self._sent.writes()
        self._route = (self._cluster.primary.name, False, why)

    def _note(self, clause: Any, *, prevents: bool) -> None:
        """Note what goes to the primary, and look at it where writes are prevented, or nothing is known of it."""
        flushes = is_flushing(self)
        if clause is None or self._cluster.classifier.why_not(clause):
            self._sent.note(clause, flushes=flushes)
        if prevents or (clause is None and not flushes):
            self._sent.watch(self)

    def _prevents_writes(self, options: Mapping[str, Any]) -> bool:
        """Whether something with these execution options may only read."""
        return self._mode(None, options.get(OPTION)).prevent_writes

    def _to_named(
        self, bind: Engine | Connection, mapper: Any, clause: Any, others: Mapping[str, Any]
    ) -> Engine | Connection:
        """The engine that the application named; it may lead to the primary, whether or not it is the cluster's."""
        node = server_of(self._cluster, bind.engine)
        on_replica = node is not None and node is not self._cluster.primary
        self._named = (node.name if node else "elsewhere", on_replica, reasons.NAMED)
        if not on_replica:
            mode = self._mode(clause, others.get(OPTION))
            refuse_writes(mode, mapper, clause)
            if bind.dialect.name == "postgresql":
                self._note(clause, prevents=mode.prevent_writes)
            if node is not None and not self._pinned:
                self._pin(reasons.PINNED)
        return bind

    # What happens when a replica fails.

    def _routed(self, send: Callable[..., Answer], statement: Any, params: Any, options: dict[str, Any]) -> Answer:
        execution = options.get("execution_options")
        if execution:
            told = {OPTION: chosen_in(execution), STREAMS: streams(execution)}
            if any(told.values()) or OPTION in execution:
                options["bind_arguments"] = {**(options.get("bind_arguments") or {}), **told}
        while True:
            try:
                answer = send(statement, params, **options)
            except Exception as error:
                if not self._goes_elsewhere(error):
                    raise
            else:
                self._seen = self._seen or self._node is not None
                if execution and self._node is not None:
                    self._provenance.mark(refreshed_state(execution))
                return answer

    def _goes_elsewhere(self, error: Exception) -> bool:
        """Whether a statement that failed on a replica is worth another server; makes the transaction ready for it."""
        if (node := self._node) is None:
            return False
        if isinstance(error, NotARead):
            self._pin(str(error), wrote=True)
            return True
        if not worth_another_server(error):
            return False
        state = sqlstate_of(error)
        if blames_the_server(error):
            node.failed()
        if self._seen and self._snapshot_for is not None:
            # Another server has another snapshot: what was read so far would not fit to what comes.
            return False
        self._leave_replica(lost=True)
        if self._cluster.observer is not None:
            self._cluster.observer.retried(node.name, state)
        if state == READ_ONLY:
            self._pin(reasons.REFUSED_AS_WRITE, wrote=True)
            return True
        self._avoid |= {node.name}
        self._node = self._kept = None
        if self._seen:
            # What was seen stays true on the primary alone: it is never behind a replica.
            self._fall_back(self._mode(None, None), f"replica {node.name} failed within the transaction")
        return True

    def _leave_replica(self, *, lost: bool = False) -> None:
        """Take the replica's connections out of the transaction, to whose end they have nothing to say."""
        for engine in self._replica_engines:
            forget_connection(self, engine, lost=lost)
        self._replica_engines, self._holds_replica = frozenset(), False


listen_to(RoutingSession)
