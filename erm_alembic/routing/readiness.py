"""Whether enough is known of a cluster's servers for its reads to go to replicas: what an application may wait for."""

from __future__ import annotations

from erm_alembic.routing.discovery.search import Search
from erm_alembic.routing.router import Router
from erm_alembic.routing.watching.state import ReplicaState, Trouble

__all__ = ["is_ready"]

# What is said of a replica before it was asked, and set against a primary.
_NOT_KNOWN_YET = frozenset({Trouble.NOT_ASKED, Trouble.PRIMARY_UNKNOWN})


def is_ready(router: Router, search: Search | None) -> bool:
    """Whether replicas were looked for, and each was heard from once, or found silent; and functions are known.

    One that cannot be reached, or may not be read from, is no reason to wait longer: an application begins without it.

    Args:
        router: knows the servers.
        search: looks for replicas; None where nobody does, or not yet.
    """
    if search is not None and not search.has_searched:
        return False
    state = router.source.state
    if state.primary.trouble is Trouble.NOT_ASKED or not router.classifier.knows_functions:
        return False
    return all(_is_known(state.replicas.get(node.name)) for node in router.replicas)


def _is_known(replica: ReplicaState | None) -> bool:
    return replica is not None and replica.trouble not in _NOT_KNOWN_YET
