"""An `erm migrate` that is struck at a chosen moment of its conversation with the server."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from tests.faults.deploying import Project
from tests.faults.network import Network, network_to
from tests.support.databases import Database

DEPLOY_LOCK = b"pg_try_advisory_lock"


@dataclass(frozen=True)
class Moment:
    """When the deployer is struck.

    Args:
        message: how many messages it has sent to the server, this one among them.
        place: `before` the server sees that message, or `after` it was sent on.
        delay: seconds between that and the blow, in which the server may be done with it.
    """

    message: int
    place: Literal["before", "after"]
    delay: float


Blow = Callable[[int, Network], None]
"""What happens to a deployer, given its process id and the network that it talks through."""


def kill(pid: int, _network: Network) -> None:
    """End the process without giving it a chance to clean up."""
    os.kill(pid, signal.SIGKILL)


@dataclass
class Conversation:
    """Counts what a deployer sends, and strikes at its moment."""

    moment: Moment | None = None
    blow: Blow = kill
    sent: int = 0
    locked_at: int = 0
    last: bytes = b""
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _known: threading.Event = field(default_factory=threading.Event)
    _pid: int = 0
    _network: Network | None = None

    def between(self, pid: int, network: Network) -> None:
        """Say which process is meant, and what it talks through."""
        self._pid, self._network = pid, network
        self._known.set()

    def hear(self, data: bytes, send: Callable[[], None]) -> None:
        """Hear a message on its way to the server."""
        with self._lock:
            self.sent += 1
            if DEPLOY_LOCK in data and not self.locked_at:
                self.locked_at = self.sent
            its_last = self.moment is not None and self.sent == self.moment.message
            if its_last:
                self.last = data
        if not its_last:
            send()
            return
        assert self.moment is not None
        if self.moment.place == "after":
            send()
        time.sleep(self.moment.delay)
        self._known.wait(10)
        assert self._network is not None
        self.blow(self._pid, self._network)
        if self.moment.place == "before" and self.blow is not kill:
            with contextlib.suppress(OSError):  # the connection may be gone
                send()


@dataclass(frozen=True)
class Ended:
    """How a struck deployer ended: its exit code (-9 when it was killed), and what it said."""

    code: int
    out: str
    err: str


APPLY = ("--mode", "apply", "--wait", "60s")
ROLLBACK = ("--mode", "rollback", "--to", "base", "--allow-data-loss", "--wait", "60s")


def converse(
    project: Project,
    database: Database,
    moment: Moment | None,
    blow: Blow = kill,
    order: tuple[str, ...] = APPLY,
) -> tuple[Ended, Conversation]:
    """Run `erm migrate` to its end; strike at the moment, where there is one."""
    conversation = Conversation(moment, blow)
    with network_to(database.server.socket_dir, conversation.hear) as network:
        project.url = network.url(database.name)
        with project.deploying(*order) as deployer:
            conversation.between(deployer.process.pid, network)
            ended = Ended(*deployer.ended(120))
    project.url = database.url
    return ended, conversation


def choose_moment(chance: random.Random, first: int, last: int) -> Moment:
    """A moment between two messages of a whole run."""
    return Moment(
        message=chance.randint(first, last),
        place=chance.choice(("before", "after", "after")),
        delay=chance.choice((0.0, 0.0, chance.uniform(0, 0.02))),
    )
