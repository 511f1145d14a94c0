"""Why a statement goes where it goes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine

from erm_alembic.routing.connections.nodes import ReplicaNode
from erm_alembic.routing.deciding.reasons import (
    NAMED,
    NONE_FRESH,
    OTHER_HISTORY,
    PREVENTED,
    is_prevented,
    why_primary,
    why_replica,
)
from erm_alembic.routing.deciding.routes import Explanation, Route
from erm_alembic.routing.need import Need
from erm_alembic.routing.options import ReadMode
from erm_alembic.routing.sessions.sent import server_of

if TYPE_CHECKING:
    from erm_alembic.routing.cluster import Cluster

__all__ = ["explain", "explain_named"]


def explain(
    cluster: Cluster,
    statement: Any,
    mode: ReadMode,
    need: Need | None,
    why_pinned: str = "",
    chosen: ReplicaNode | None = None,
    *,
    keeps: bool = False,
) -> Explanation:
    """Where a statement would go now, by the same rules that send it.

    Args:
        cluster: whose servers there are.
        statement: what would be executed.
        mode: what holds for it.
        need: what it needs of a replica; None where none can have that.
        why_pinned: why its transaction is the primary's whatever it asks; empty where it is not.
        chosen: the replica that its transaction reads from already; None where it has none.
        keeps: whether that is kept however old it is, for its snapshot.
    """
    read = cluster.classifier.why_not(statement)
    if need is None:
        objections = {node.name: "the causal token is of no history that is known" for node in cluster.replicas}
    else:
        objections = dict(cluster.objections(need))
    if is_prevented(mode, None, statement):
        return Explanation(None, read, PREVENTED, objections)
    if why := why_primary(mode, why_pinned, read):
        return Explanation(Route(cluster.primary.name, False, why), read, "", objections)
    fit = [name for name, objection in objections.items() if not objection]
    if chosen is not None:
        fit = [chosen.name] if chosen.name in fit or keeps else []
    if fit:
        return Explanation(Route(" or ".join(fit), True, why_replica(mode)), read, "", objections)
    why_none = OTHER_HISTORY if need is None else NONE_FRESH
    if refused := cluster.why_no_fallback(mode):
        return Explanation(None, read, f"{why_none}, and {refused}", objections)
    return Explanation(Route(cluster.primary.name, False, why_none), read, "", objections)


def explain_named(cluster: Cluster, statement: Any, mode: ReadMode, engine: Engine) -> Explanation:
    """The same of a statement for which the application itself names an engine, which comes before all else.

    Args:
        cluster: whose servers there are.
        statement: what would be executed.
        mode: what holds for it.
        engine: the engine.
    """
    read, node = cluster.classifier.why_not(statement), server_of(cluster, engine)
    on_replica = node is not None and node is not cluster.primary
    if not on_replica and is_prevented(mode, None, statement):
        return Explanation(None, read, PREVENTED)
    return Explanation(Route(node.name if node else "elsewhere", on_replica, NAMED), read, "")
