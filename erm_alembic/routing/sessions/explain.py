"""Why a statement goes where it goes."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine

from erm_alembic.routing.connections.nodes import ReplicaNode
from erm_alembic.routing.connections.read_only import is_prevented
from erm_alembic.routing.deciding.reasons import NAMED, NONE_FRESH, OTHER_HISTORY, Reason, why_primary, why_replica
from erm_alembic.routing.deciding.routes import ELSEWHERE, Explanation, Route
from erm_alembic.routing.need import Need
from erm_alembic.routing.options import ReadMode
from erm_alembic.routing.router import Router
from erm_alembic.routing.sqlalchemy_internals import compiled_alone

__all__ = ["explain", "explain_named"]

_PREVENTED = "something is written within a block that prevents writes"


def explain(
    router: Router,
    statement: Any,
    mode: ReadMode,
    need: Need | None,
    why_pinned: Reason | None = None,
    chosen: ReplicaNode | None = None,
    *,
    shows: bool | None = None,
) -> Explanation:
    """Where a statement would go now, by the same rules that send it.

    Args:
        router: would choose.
        statement: what would be executed.
        mode: what holds for it.
        need: what it needs of a replica; None where none can have that.
        why_pinned: why its transaction is the primary's whatever it asks; None where it is not.
        chosen: the replica that its transaction reads from already; None where it has none.
        shows: whether the snapshot that it was asked for shows what is needed; None where none is.
    """
    no_read = router.classifier.why_not(statement) or router.classifier.why_not_sent(compiled_alone(statement))
    read = "" if no_read is None else str(no_read)
    if need is None:
        objections = {node.name: "the causal token is of no history that is known" for node in router.replicas}
    else:
        objections = dict(router.objections(need))
    if is_prevented(mode, None, statement):
        return Explanation(None, read, _PREVENTED, objections)
    if why := why_primary(mode, why_pinned, no_read):
        return Explanation(Route(router.primary.name, False, str(why)), read, "", objections)
    fit = [name for name, objection in objections.items() if not objection]
    if chosen is not None:
        fit = [chosen.name] if (chosen.name in fit if shows is None else shows) else []
    if fit:
        return Explanation(Route(" or ".join(fit), True, str(why_replica(mode))), read, "", objections)
    why_none = str(OTHER_HISTORY if need is None else NONE_FRESH)
    if refused := router.why_no_fallback(mode):
        return Explanation(None, read, f"{why_none}, and {refused}", objections)
    return Explanation(Route(router.primary.name, False, why_none), read, "", objections)


def explain_named(router: Router, statement: Any, mode: ReadMode, engine: Engine) -> Explanation:
    """The same of a statement for which the application itself names an engine, which comes before all else.

    Args:
        router: knows the servers.
        statement: what would be executed.
        mode: what holds for it.
        engine: the engine.
    """
    no_read, node = router.classifier.why_not(statement), router.server_of(engine)
    read = "" if no_read is None else str(no_read)
    on_replica = node is not None and node is not router.primary
    if not on_replica and is_prevented(mode, None, statement):
        return Explanation(None, read, _PREVENTED)
    return Explanation(Route(node.name if node else ELSEWHERE, on_replica, str(NAMED)), read, "")
