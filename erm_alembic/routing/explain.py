"""Why a statement goes where it goes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from erm_alembic.routing.options import ReadMode
from erm_alembic.routing.routes import Explanation, Route
from erm_alembic.routing.selection import Need

if TYPE_CHECKING:
    from erm_alembic.routing.cluster import Cluster

__all__ = ["explain"]


def explain(cluster: Cluster, statement: Any, mode: ReadMode, need: Need | None, why_pinned: str = "") -> Explanation:
    """Where a statement would go now, by the same rules that send it.

    Args:
        cluster: whose servers there are.
        statement: what would be executed.
        mode: what holds for it.
        need: what it needs of a replica; None where none can have that.
        why_pinned: why its transaction is the primary's whatever it asks; empty where it is not.
    """
    read = cluster.classifier.why_not(statement)
    if need is None:
        objections = {node.name: "the causal token is of no history that is known" for node in cluster.replicas}
    else:
        objections = dict(cluster.objections(need))
    if why_pinned or read:
        return Explanation(Route("primary", False, why_pinned or read), read, "", objections)
    if not mode.replicas:
        return Explanation(Route("primary", False, "nothing chose a replica"), read, "", objections)
    fit = [name for name, objection in objections.items() if not objection]
    if fit:
        why = "a pure read" if mode.policy is None else f"policy {mode.policy}"
        return Explanation(Route(fit[0] if len(fit) == 1 else " or ".join(fit), True, why), read, "", objections)
    if mode.disable_fallback and not cluster.primary_only:
        refused = "no replica is fresh enough, and the primary may not be asked instead (disable_fallback)"
        return Explanation(None, read, refused, objections)
    return Explanation(Route("primary", False, "no replica is fresh enough"), read, "", objections)
