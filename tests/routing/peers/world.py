"""What a scenario has in its hands: the servers, one who routes, and where each statement has gone."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event

from tests.routing.applications import Application
from tests.routing.peers.adapters import REPLICAS, Opened, Peer
from tests.routing.servers import EAST, WEST

__all__ = ["NotApplicable", "World", "world_of"]


class NotApplicable(Exception):
    """A scenario is about something that one of them does not do at all; the message says what."""


@dataclass
class World:
    """A scenario's servers, and one who routes reads among them.

    Args:
        app: the application: Ada has two posts, and a score of 1.
        peer: who routes.
        opened: the same, on the application's servers.
        seen: the server of each statement so far.
    """

    app: Application
    peer: Peer
    opened: Opened
    seen: list[str] = field(default_factory=list)

    def session(self, **options: Any) -> Any:
        """A session whose reads may go to replicas."""
        return self.opened.session(**options)

    def needs(self, what: str) -> None:
        """End the scenario for one who has no such thing."""
        if what in self.peer.lacks:
            raise NotApplicable(self.peer.lacks[what])

    def hold(self) -> None:
        """Hold the replay of both replicas, where everything is replayed that was committed before."""
        self.opened.settle()
        self.app.servers.pause(EAST)
        self.app.servers.pause(WEST)

    @property
    def where(self) -> str:
        """The server of the last statement."""
        return self.seen[-1]

    def assert_from_replica(self) -> None:
        """The last statement went to a replica: else the scenario shows nothing."""
        assert self.where in REPLICAS, "a plain read did not go to a replica"

    def assert_on_primary(self, what: str) -> None:
        """The last statement went to the primary."""
        assert self.where == "primary", f"{what} went to a replica"


@contextmanager
def world_of(peer: Peer, app: Application, **options: Any) -> Iterator[World]:
    """A world for one scenario.

    Args:
        peer: who routes.
        app: the application.
        options: what opens the peer, besides the application.
    """
    with peer.open(app, **options) as opened:
        world = World(app, peer, opened)

        def note(connection: Any, *_: Any) -> None:
            server = opened.pools().get(connection.engine.pool)
            if server is not None:
                world.seen.append(server)

        event.listen(sa.Engine, "before_cursor_execute", note)
        try:
            yield world
        finally:
            event.remove(sa.Engine, "before_cursor_execute", note)


@contextmanager
def moving_address(app: Application) -> Iterator[tuple[str, Any]]:
    """An address of the primary that leads to `east`, and what lets it lead to the primary."""
    with tempfile.TemporaryDirectory(prefix="erm-", dir="/tmp") as folder:
        address = Path(folder) / "primary"
        address.symlink_to(app.servers.east.socket_dir)
        there, here = (str(path).replace("/", "%2F") for path in (app.servers.primary.socket_dir, address))

        def move() -> None:
            address.unlink()
            address.symlink_to(app.servers.primary.socket_dir)

        yield app.url(app.servers.primary).replace(there, here), move
