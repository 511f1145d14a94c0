"""An `erm migrate` that is killed at a chosen moment of its conversation with the server."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from tests.faults.deploying import Project
from tests.faults.network import network_to
from tests.support.databases import Database

DEPLOY_LOCK = b"pg_try_advisory_lock"


@dataclass(frozen=True)
class Moment:
    """When the deployer is killed.

    Args:
        message: how many messages it has sent to the server, this one among them.
        place: `before` the server sees that message, or `after` it was sent on.
        delay: seconds between that and the kill, in which the server may be done with it.
    """

    message: int
    place: Literal["before", "after"]
    delay: float


@dataclass
class Conversation:
    """Counts what a deployer sends, and kills it at its moment."""

    moment: Moment | None = None
    sent: int = 0
    locked_at: int = 0
    last: bytes = b""
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _process: threading.Event = field(default_factory=threading.Event)
    _pid: int = 0

    def of(self, pid: int) -> None:
        """Say which process is meant."""
        self._pid = pid
        self._process.set()

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
        self._process.wait(10)
        os.kill(self._pid, signal.SIGKILL)


def converse(project: Project, database: Database, moment: Moment | None) -> tuple[int, Conversation]:
    """Run `erm migrate` to its end, or to its moment.

    Returns:
        Its exit code (-9 when it was killed), and what was heard.
    """
    conversation = Conversation(moment)
    with network_to(database.server.socket_dir, conversation.hear) as network:
        project.url = network.url(database.name)
        with project.deploying("--mode", "apply", "--wait", "60s") as deployer:
            conversation.of(deployer.process.pid)
            code, out, err = deployer.ended(120)
    project.url = database.url
    assert code in (0, -signal.SIGKILL), out + err
    return code, conversation


def choose_moment(chance: random.Random, first: int, last: int) -> Moment:
    """A moment between two messages of a whole run."""
    return Moment(
        message=chance.randint(first, last),
        place=chance.choice(("before", "after", "after")),
        delay=chance.choice((0.0, 0.0, chance.uniform(0, 0.02))),
    )
