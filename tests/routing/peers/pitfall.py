"""One thing that goes wrong when reads are sent to replicas."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.routing.applications import Application
from tests.routing.peers.adapters import Peer
from tests.routing.peers.world import world_of

__all__ = ["Pitfall"]


@dataclass(frozen=True)
class Pitfall:
    """One thing that goes wrong.

    Args:
        number: its number in the table.
        right: what is right, in a few words.
        scenario: raises where it goes wrong; AssertionError with the reason, or whatever was raised.
        alone: whether the scenario opens the peer by itself.
    """

    number: int
    right: str
    scenario: Callable[..., None]
    alone: bool = False

    def run(self, peer: Peer, app: Application) -> None:
        """Run it.

        Raises:
            NotApplicable: it is about something that this one does not do.
            Exception: it went wrong.
        """
        if self.alone:
            self.scenario(peer, app)
            return
        with world_of(peer, app) as world:
            self.scenario(world)
