"""One unit of work of an application (a request, a job): what it has to see, and what it has written."""

from __future__ import annotations

import logging
from types import TracebackType

from erm_alembic.errors import TargetError
from erm_alembic.routing.blocks import Block, ReadBlock, innermost_block
from erm_alembic.routing.cluster import Cluster
from erm_alembic.routing.router import Router
from erm_alembic.routing.tokens import UNKNOWN_POSITION, latest, read_token, write_token

__all__ = ["UNKNOWN_POSITION", "CausalScope", "token_to_pass_on"]

_log = logging.getLogger("erm_alembic.routing")


class CausalScope:
    """A context manager around a unit of work: its sessions see each other's commits, and what a token stands for.

    Args:
        cluster: the cluster whose commits count.
        token: what the caller brought; None for one who brings none.

    Example:
        >>> from erm_alembic.routing import connect_cluster
        >>> with connect_cluster("postgresql://app@db/shop") as cluster, CausalScope(cluster) as scope:
        ...     scope.token() is None  # nothing was written
        True
    """

    def __init__(self, cluster: Cluster, token: str | None = None) -> None:
        after = None if token is None else read_token(token)
        self._router = cluster.router
        self._entered = ReadBlock(after=after, unreachable=token is not None and after is None, collects=True)
        self._block: Block | None = None

    def __enter__(self) -> CausalScope:
        self._block = self._entered.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._entered.__exit__(kind, error, traceback)

    def token(self) -> str | None:
        """What stands for the commits within it; None where there were none. Asks the primary for its position."""
        if self._block is None or self._router not in self._block.commits:
            return None
        return _position_token(self._router)


def token_to_pass_on(cluster: Cluster) -> str | None:
    """What a message that is sent now has to carry, so that its receiver sees what its sender saw and wrote.

    That is all that the tokens of the blocks around stand for, and what was written in a `CausalScope`; outside of all
    scopes, what this process has written; None where there is nothing.

    Args:
        cluster: whose commits count.
    """
    block, router = innermost_block(), cluster.router
    held, scopes = [], []
    for each in block.chain() if block else ():
        if each.entered.unreachable:
            return UNKNOWN_POSITION
        if each.entered.after is not None:
            held.append(write_token(each.entered.after))
        if each.entered.collects:
            scopes.append(each)
    if any(router in scope.commits for scope in scopes) or (not scopes and router.has_committed):
        held.append(_position_token(router))
    return latest(held)


def _position_token(router: Router) -> str:
    try:
        return write_token(router.position())
    except TargetError as error:
        _log.warning("no token can be given for what was committed: %s", error)
        return UNKNOWN_POSITION
