"""What happens at the ends of a session's transactions, and of its flushes: told by SQLAlchemy's events."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, event
from sqlalchemy.orm import InstanceState, Mapper, QueryContext, SessionTransaction

from erm_alembic.routing.deciding.reasons import Reason, Why
from erm_alembic.routing.sessions.marks import mark, refresh
from erm_alembic.routing.sessions.transaction import RoutedTransaction

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

    def refreshed(state: InstanceState[Any], context: QueryContext, attributes: Collection[str] | None) -> None:
        if isinstance(context.session, kind):
            refresh(state, attributes, from_replica=context.session._routed.loads_from_replica)

    # Of all classes: what a statement finds in a session already, it may refresh.
    event.listen(Mapper, "refresh", refreshed, raw=True)


def _began(session: RoutingSession, transaction: SessionTransaction, connection: Connection) -> None:
    if not transaction.nested:
        session._routed.took(connection)


def _committing(session: RoutingSession) -> None:
    if not session.in_nested_transaction():
        session._routed.begin_commit(session)


def _committed(session: RoutingSession) -> None:
    routed = session._routed
    routed.committing = False
    if routed.sent.wrote:
        session._commits.note(session._chooser.blocks())


def _ended(session: RoutingSession, transaction: SessionTransaction) -> None:
    if transaction.parent is None:
        # A commit that failed: where the connection was lost nobody knows whether it is there.
        if session._routed.committing or session._routed.sent.may_be_kept:
            _committed(session)
        session._routed = RoutedTransaction(session._routed)


def _loaded(session: RoutingSession, state: InstanceState[Any]) -> None:
    # A result may be fetched after the transaction that it was read in.
    if session._routed.loads_from_replica:
        mark(state)


def _flushing(session: RoutingSession, _context: Any, _instances: Any) -> None:
    if not session._routed.pinned:
        # What it loads by itself, of collections say, decides what it writes.
        session._routed.pin(Reason(Why.PINNED))
    session._provenance.check(session, session._router.instrumentation)
