"""What happens at the ends of a session's transactions, and of its flushes: told by SQLAlchemy's events."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, event
from sqlalchemy.orm import InstanceState, SessionTransaction

if TYPE_CHECKING:
    from erm_alembic.routing.sessions.session import RoutingSession

__all__ = ["listen_to"]


def listen_to(kind: type[RoutingSession]) -> None:
    """Have sessions know of their transactions.

    Args:
        kind: the class of the sessions.
    """
    for name, listener in (
        ("after_begin", _began),
        ("before_commit", _committing),
        ("after_commit", _committed),
        ("after_transaction_end", _ended),
        ("before_flush", _flushing),
    ):
        event.listen(kind, name, listener)
    event.listen(kind, "loaded_as_persistent", _loaded, raw=True)


def _began(session: RoutingSession, transaction: SessionTransaction, connection: Connection) -> None:
    if not transaction.nested and connection.engine not in session._replica_engines:
        session._sent.take(session, connection)


def _committing(session: RoutingSession) -> None:
    # What fails there would let a commit fail that has succeeded on the primary.
    if not session.in_nested_transaction():
        session._commits = True
        if session._holds_replica:
            session._leave_replica()


def _committed(session: RoutingSession) -> None:
    session._commits = False
    if session._sent.wrote:
        session._committed_at, session._token = time.monotonic(), None
        session._cluster.has_committed = True
        block = session._block()
        for each in block.chain() if block else ():
            if each.entered.collects:
                each.commits[session._cluster] = session._committed_at


def _ended(session: RoutingSession, transaction: SessionTransaction) -> None:
    if transaction.parent is None:
        # A commit that failed: where the connection was lost nobody knows whether it is there.
        if session._commits or session._sent.may_be_kept:
            _committed(session)
        session._begin_routing()


def _loaded(session: RoutingSession, state: InstanceState[Any]) -> None:
    # A result may be fetched after the transaction that it was read in.
    if session._from_replica or session._former_from_replica:
        session._provenance.mark(state)


def _flushing(session: RoutingSession, _context: Any, _instances: Any) -> None:
    session._provenance.check(session, session._cluster.observer)
