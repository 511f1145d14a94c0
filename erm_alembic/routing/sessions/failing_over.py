"""What a session does when a replica has failed a statement."""

from __future__ import annotations

from typing import TYPE_CHECKING

from erm_alembic.routing.connections.nodes import NotARead
from erm_alembic.routing.deciding.reasons import Reason, Why
from erm_alembic.routing.failures import READ_ONLY, blames_the_server, sqlstate_of, worth_another_server

if TYPE_CHECKING:
    from erm_alembic.routing.sessions.session import RoutingSession

__all__ = ["goes_elsewhere"]


def goes_elsewhere(session: RoutingSession, error: BaseException) -> bool:
    """Whether a statement that failed is worth another server; makes the transaction ready for it.

    Args:
        session: the session that has sent it.
        error: what came of that.

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
    if not worth_another_server(error):
        return False
    state = sqlstate_of(error)
    if blames_the_server(error):
        node.failed()
    if routed.has_read and routed.has_snapshot:
        # Another server has another snapshot: what was read so far would not fit to what comes.
        return False
    routed.leave_replica(session, lost=True)
    if router.instrumentation is not None:
        router.instrumentation.retried(node.name, state)
    if state == READ_ONLY:
        routed.pin(Reason(Why.REFUSED_AS_WRITE), wrote=True)
        return True
    routed.lose_replica(node.name)
    if routed.has_read:
        # What was seen stays true on the primary alone: it is never behind a replica.
        why = Reason(Why.REPLICA_FAILED, node.name)
        router.fall_back(session._mode(None, None), why)
        routed.pin(why)
    return True
