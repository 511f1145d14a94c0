"""Who chooses how a session reads: options of statements, blocks, the session's info and making, the cluster."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from erm_alembic.routing.blocks import Block, chosen_mode, innermost_block
from erm_alembic.routing.deciding.needs import need_within
from erm_alembic.routing.misuse import chosen_in
from erm_alembic.routing.need import Need
from erm_alembic.routing.options import ReadMode, ReplicaReadOptions
from erm_alembic.routing.router import Router

__all__ = ["OPTION", "STREAMS", "Chooser", "streams"]

# The execution option, the key of Session.info and of bind_arguments by which code without a block chooses.
OPTION = "replica_read"
# The key of bind_arguments that tells of a result that is fetched by and by.
STREAMS = "replica_streams"


class Chooser:
    """What holds for the statements of one session.

    Args:
        router: of its cluster.
        read: what was said of its reads when it was made; None leaves them to the cluster's default policy.

    Raises:
        ConfigurationError: the cluster has no policy of that name.
    """

    __slots__ = ("_read", "_router", "created_in")

    def __init__(self, router: Router, read: ReplicaReadOptions | str | bool | None) -> None:
        self._router = router
        self._read = None if read is None else router.policies.mode_of(chosen_mode(read))
        self.created_in = innermost_block()

    def block(self) -> Block | None:
        """The innermost block; in a context that knows none, the one that the session was made in."""
        return innermost_block() or self.created_in

    def blocks(self) -> Iterator[Block]:
        """All blocks that the session is in: from inside out those around it now, then those that it was made in.

        What these have to see holds in a context that has blocks of its own too. Some may come twice.
        """
        block = self.block()
        if block is not None:
            yield from block.chain()
        if self.created_in is not None and self.created_in is not block:
            yield from self.created_in.chain()

    def mode(self, info: Mapping[Any, Any], clause: Any, chosen: Any) -> ReadMode:
        """What holds for a statement: its own option, the innermost block, the session, the cluster.

        Args:
            info: the session's.
            clause: the statement; None where nothing is known of what follows.
            chosen: what the options of its execution choose; None where nothing.

        Raises:
            ConfigurationError: there is no policy of the name that was chosen.
        """
        if chosen is None and clause is not None:
            chosen = chosen_in(clause.get_execution_options())
        if chosen is None:
            block = innermost = self.block()
            while block is not None and chosen is None:
                chosen = block.entered.choice if block.is_open else None
                block = block.outer
            if chosen is None and self.created_in is not None and self.created_in is not innermost:
                chosen = next((each.entered.choice for each in self.blocks() if each.entered.choice is not None), None)
        chosen = info.get(OPTION) if chosen is None else chosen
        if chosen is None:
            return self._read or self._router.policies.default
        return self._router.policies.mode_of(chosen_mode(chosen))

    def need(self, mode: ReadMode, committed_at: float) -> Need | None:
        """What a read needs, with what its session and the blocks around it have to see; None: no replica can.

        Args:
            mode: what holds for the read.
            committed_at: when its session last committed, by `time.monotonic()`.
        """
        block = self.block()
        if block is None and not committed_at:
            return mode.need
        need = need_within(block, mode.need, self._router, committed_at)
        if self.created_in is None or self.created_in is block or need is None:
            return need
        return need_within(self.created_in, need, self._router, need.since)


def streams(execution_options: Mapping[str, Any]) -> bool:
    """Whether a result is fetched by and by, through a cursor on the server's side.

    Args:
        execution_options: of the statement or of its execution.
    """
    return bool(execution_options.get("yield_per") or execution_options.get("stream_results"))
