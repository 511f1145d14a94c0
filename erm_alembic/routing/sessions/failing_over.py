"""What a session does when a replica has failed a statement."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import exc

from erm_alembic.routing.connections.nodes import NotARead
from erm_alembic.routing.deciding.reasons import REFUSED_AS_WRITE, Reason, Why
from erm_alembic.routing.failures import (
    NOT_SUPPORTED,
    READ_ONLY,
    blames_the_server,
    is_of_an_ended_transaction,
    sqlstate_of,
    worth_another_server,
)

if TYPE_CHECKING:
    from erm_alembic.routing.sessions.session import RoutingSession

__all__ = ["goes_elsewhere"]


def goes_elsewhere(session: RoutingSession, error: BaseException, statement: Any, chosen: Any) -> bool:
    """Whether a statement that failed is worth another server; makes the transaction ready for it.

    Args:
        session: the session that has sent it.
        error: what came of that.
        statement: the statement.
        chosen: what the options of its execution choose; None where nothing.

    Raises:
        NoReplicaAvailable: the primary alone could go on with the transaction, and may not.
    """
    router, routed = session._router, session._routed
    if (node := routed.replica) is None:
        return False
    if isinstance(error, NotARead):
        routed.pin(error.reason, wrote=True)
        return True
    if not isinstance(error, Exception):
        # Somebody stopped it (a task that was cancelled, a signal), and SQLAlchemy has given up the connection.
        if not routed.has_snapshot:
            routed.leave_replica(session, lost=True)
        return False
    # A connection may be of no use any more because of what was sent by it before, beside a result that is streamed.
    state, was_ended = sqlstate_of(error), routed.streams and is_of_an_ended_transaction(error)
    if not was_ended and not worth_another_server(error):
        return False
    if not was_ended and blames_the_server(error):
        node.failed()
    if routed.has_read and routed.has_snapshot:
        # Another server has another snapshot: what was read so far would not fit to what comes.
        return False
    if not isinstance(error, exc.TimeoutError):  # where no connection became free, none was lost
        routed.lose_connection(session)
    if router.instrumentation is not None:
        router.instrumentation.retried(node.name, state)
    if state == READ_ONLY:
        routed.pin(REFUSED_AS_WRITE, wrote=True)
        return True
    if state == NOT_SUPPORTED:
        routed.pin(Reason(Why.NOT_ON_STANDBY))
        return True
    routed.lose_replica(node.name)
    if routed.has_read:
        # What was seen stays true on the primary alone: it is never behind a replica.
        why = Reason(Why.REPLICA_FAILED, node.name)
        router.fall_back(session._mode(statement, chosen), why)
        routed.pin(why)
    return True
