"""Where one transaction of a session reads, and what it has done there.

It begins nowhere. `read_from` puts it on a replica, for all reads that follow; `lose_replica` takes it off one that has
failed; `pin` puts it on the primary, for good. Each of these says what was decided last.
"""

from __future__ import annotations

from sqlalchemy import Connection, Engine
from sqlalchemy.orm import Session

from erm_alembic.routing.connections.nodes import ReplicaNode
from erm_alembic.routing.deciding.reasons import NAMED, Reason
from erm_alembic.routing.deciding.routes import Decision
from erm_alembic.routing.need import Need
from erm_alembic.routing.options import PRIMARY, ReadMode
from erm_alembic.routing.sessions.kept import KeptDecision
from erm_alembic.routing.sessions.sent import Sent
from erm_alembic.routing.sqlalchemy_internals import forget_connection

__all__ = ["RoutedTransaction"]


class RoutedTransaction:
    """What is known of one transaction.

    Args:
        former: the one before it in its session, of which it keeps what was decided last; None for the first.
    """

    __slots__ = (
        "_engine",
        "_engines",
        "_holds_replica",
        "_server",
        "_snapshot_for",
        "_why",
        "committing",
        "failed",
        "has_read",
        "kept",
        "loads_from_replica",
        "named",
        "pinned",
        "reads_replica",
        "replica",
        "sent",
        "started",
        "streams",
    )

    def __init__(self, former: RoutedTransaction | None = None) -> None:
        # Where it is: on the primary for good, on a replica, or nowhere yet.
        self.pinned = False
        self.replica: ReplicaNode | None = None
        self.started: float | None = None  # when the server of that was: another one may go by its name later
        self.kept: KeptDecision | None = None  # what its next pure read needs not decide again
        # What was decided last; and where the last statement went to an engine that the application named itself.
        self._server: str | None = None if former is None else former._server
        self._why: Reason | None = None if former is None else former._why
        self.named: Decision | None = None if former is None else former.named
        # What it has done.
        self.has_read = False  # whether a replica's answer was handed out: the next one must not be older
        self.reads_replica = False  # whether it has chosen a replica ever
        # Whether what is loaded now may be a replica's: also by a result that outlives the transaction before.
        self.loads_from_replica = former is not None and former.reads_replica
        self._snapshot_for: Need | None = None  # what its one snapshot was taken for
        self.failed: frozenset[str] = frozenset()  # the replicas that have failed it
        self.sent = Sent()
        self.committing = False
        self._engines: frozenset[Engine] = frozenset()
        self._engine: Engine | None = None  # the one of these that was used last
        self.streams = False  # whether one has a transaction there, which a cursor on the server's side needs
        self._holds_replica = False  # by a snapshot, or a cursor on the server's side

    @property
    def decision(self) -> Decision | None:
        """What was decided last, in it or before it; None before the first."""
        if self._server is None or self._why is None:
            return None
        return Decision(self._server, self._server != PRIMARY, self._why)

    # Where it goes.

    def engine_of(self, replica: ReplicaNode, *, asynchronous: bool, snapshot: bool, streamed: bool) -> Engine:
        """The engine of a replica that serves a read.

        While a result is streamed, what is read beside it goes over the same connection: readers that wait for a second
        one while they hold their first would wait for each other.

        Args:
            replica: the replica.
            asynchronous: whether for an `AsyncSession`.
            snapshot: whether the transaction has one snapshot.
            streamed: whether the result is fetched by and by.
        """
        if snapshot:
            return replica.snapshot_engine(asynchronous)
        if streamed or self.streams:
            return replica.streaming_engine(asynchronous)
        return replica.engine(asynchronous)

    def read_from(
        self,
        session: Session,
        replica: ReplicaNode,
        engine: Engine,
        why: Reason,
        *,
        snapshot: bool = False,
        streamed: bool = False,
    ) -> None:
        """Read from a replica, now and for the rest of it.

        Args:
            session: the session, whose transaction this is.
            replica: the replica.
            engine: the one of its engines that is used.
            why: why there.
            snapshot: whether that has one snapshot for the transaction.
            streamed: whether the result is fetched by and by.
        """
        if engine is not self._engine:
            self._change(session, engine, holds=snapshot or streamed)
        self.streams = self.streams or (streamed and not snapshot)
        self.replica, self.reads_replica, self.loads_from_replica = replica, True, True
        self._server, self._why = replica.name, why

    def _change(self, session: Session, engine: Engine, *, holds: bool) -> None:
        """Use another engine from now on; the last one's connection is given back where nothing needs it any more."""
        if self._engine is not None and holds and not self._holds_replica:
            self.leave_replica(session)
        self.kept, self._engine = None, engine
        self._engines |= {engine}
        self._holds_replica = self._holds_replica or holds

    def lose_replica(self, name: str) -> None:
        """Read from another server, since a replica has failed.

        Args:
            name: the replica's name.
        """
        self.failed |= {name}
        self.replica = self.kept = None

    def pin(self, why: Reason, *, wrote: bool = False) -> None:
        """Go on on the primary, for the rest of it.

        Args:
            why: why there.
            wrote: whether it is to be taken for one that writes.
        """
        self.pinned, self.replica, self.kept = True, None, None
        self._server, self._why = PRIMARY, why
        if wrote:
            self.sent.writes()

    def go_to_named(self, server: str, *, is_replica: bool) -> None:
        """Go where the application itself says, with one statement.

        Args:
            server: the server's name.
            is_replica: whether it is one of the cluster's replicas.
        """
        self.named = Decision(server, is_replica, NAMED)
        if is_replica:
            self.reads_replica = self.loads_from_replica = True

    # Its snapshot.

    @property
    def has_snapshot(self) -> bool:
        """Whether one snapshot was asked for."""
        return self._snapshot_for is not None

    def take_snapshot(self, need: Need) -> None:
        """Read in one snapshot; the first one is.

        Args:
            need: what it was taken for.
        """
        self._snapshot_for = self._snapshot_for or need

    def shows(self, need: Need, mode: ReadMode) -> bool:
        """Whether one snapshot is asked for and was taken for what covers a read: how old it is by now, was asked for.

        Args:
            need: what a read needs.
            mode: what holds for it.
        """
        former = self._snapshot_for
        return mode.snapshot and former is not None and former.covers(need)

    # Its connections.

    def took(self, connection: Connection) -> None:
        """Take note of a connection that it has begun to use.

        Args:
            connection: the connection.
        """
        if connection.engine not in self._engines:
            self.sent.take(connection)

    def begin_commit(self, session: Session) -> None:
        """Take the replica out of the commit, to which it has nothing to say.

        What fails on a replica would let a commit fail that has succeeded on the primary; and where the primary's
        fails, SQLAlchemy rolls back those that are committed already, and warns of it.

        Args:
            session: the session, whose outermost transaction this is.
        """
        self.committing = True
        self.leave_replica(session)

    def begin_rollback(self, session: Session) -> None:
        """Take out of the rollback a replica that may be lost by now.

        Args:
            session: the session, whose transaction this is.
        """
        if self._holds_replica:
            self.leave_replica(session)

    def leave_replica(self, session: Session, *, lost: bool = False) -> None:
        """Take the replica's connections out of the transaction, to whose end they have nothing to say.

        Args:
            session: the session, whose transaction this is.
            lost: whether they are of no use any more.
        """
        for engine in self._engines:
            forget_connection(session, engine, lost=lost)
        self._engines, self._engine, self._holds_replica, self.streams = frozenset(), None, False, False

    def lose_connection(self, session: Session) -> None:
        """Take out of the transaction the connection by which the last statement was sent to a replica.

        Args:
            session: the session, whose transaction this is.
        """
        if self._engine is not None:
            forget_connection(session, self._engine)
            self._engines -= {self._engine}
            self._engine, self.streams, self.kept = None, False, None
