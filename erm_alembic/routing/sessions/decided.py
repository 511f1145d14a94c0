"""What a session has decided, for those who count and trace it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from sqlalchemy.orm import Session

from erm_alembic.routing.deciding.routes import Decision
from erm_alembic.routing.router import Router
from erm_alembic.routing.sessions.choosing import OPTION
from erm_alembic.routing.sessions.session import RoutingSession

__all__ = ["Decided", "decided", "is_routed_by"]


class Decided(NamedTuple):
    """What was decided for a statement.

    Args:
        decision: where it went, and why.
        policy: the name of the policy that holds for it; None where it is none.
    """

    decision: Decision
    policy: str | None


def is_routed_by(session: Session, router: Router) -> bool:
    """Whether a session asks a certain router.

    Args:
        session: any session.
        router: the router.
    """
    return isinstance(session, RoutingSession) and session._router is router


def decided(session: RoutingSession, statement: Any, execution_options: Mapping[str, Any]) -> Decided | None:
    """What was decided for the statement that a session has just sent; None where the application named the engine.

    Args:
        session: the session.
        statement: that.
        execution_options: of its execution.
    """
    routed = session._routed
    if routed.decision is None or routed.named is not None:
        return None
    return Decided(routed.decision, session._mode(statement, execution_options.get(OPTION)).policy)
