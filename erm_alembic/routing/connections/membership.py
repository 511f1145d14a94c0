"""The replicas of a cluster at this moment: those that it was given, and those that were discovered."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from erm_alembic.errors import ConfigurationError
from erm_alembic.routing.connections.nodes import PrimaryNode, ReplicaNode
from erm_alembic.routing.deciding.waiting import wait_until
from erm_alembic.routing.discovery.found import Found
from erm_alembic.routing.options import ReplicaConfig
from erm_alembic.routing.watching.monitor import Monitor

__all__ = ["Membership", "search_first"]

# How long a first connection waits for the search, in seconds.
_SEARCH_PATIENCE = 10.0

_log = logging.getLogger("erm_alembic.routing")


class Membership:
    """Who belongs to a cluster.

    Whoever chooses reads `nodes` before the monitor's state: one that has gone is retired first, then
    forgotten by the monitor, and one that has come is handed out last. So what is known of one server never speaks for
    another one of its name.

    Args:
        primary: the primary.
        given: the replicas that the cluster was given.
        make: makes the node of a replica.
        can_grow: whether others may be discovered.

    Raises:
        ConfigurationError: two servers share a name.
    """

    def __init__(
        self,
        primary: PrimaryNode,
        given: Sequence[ReplicaConfig],
        make: Callable[[ReplicaConfig], ReplicaNode],
        *,
        can_grow: bool = False,
    ) -> None:
        self.primary, self.can_grow = primary, can_grow
        self._make = make
        names = [primary.name, *(config.name for config in given)]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ConfigurationError(f"Two servers of the cluster are named {twice!r}.", cure="Name each one apart.")
        self._given = tuple(make(config) for config in given)
        self._discovered: tuple[ReplicaNode, ...] = ()
        self._lock = threading.Lock()
        self._has_located = False
        self.nodes = self._given

    def take(self, found: Found, monitor: Monitor) -> None:
        """Let come what was discovered, and go what was not.

        Args:
            found: what was discovered.
            monitor: watches the servers.
        """
        with self._lock:
            if found.primary is not None and self.primary.move_to(found.primary):
                level = logging.WARNING if self._has_located else logging.INFO
                _log.log(level, "the primary is at %s now", _place(found.primary.parameters))
                if (search := monitor.search) is not None:
                    # Who waits for the address may be one whom `renew` waits for.
                    search.searched.set()
                self.primary.renew(close=True)
                monitor.primary_moved()
            self._has_located = self._has_located or found.primary is not None
            known = {node.config: node for node in self._discovered}
            wanted = tuple(self._named_apart(found.replicas))
            if set(wanted) == set(known):
                return
            nodes = tuple(known.get(config) or self._make(config) for config in wanted)
            gone = [node for node in self._discovered if node not in nodes]
            for node in gone:
                node.retire()
                _log.warning("replica %r has gone from %s", node.name, _place(node.url.parameters))
            monitor.follow({node.name: node.url.dsn for node in (*self._given, *nodes)})
            self._discovered = nodes
            self.nodes = (*self._given, *nodes)
            for node in nodes:
                if node.config not in known:
                    _log.info("replica %r was discovered at %s", node.name, _place(node.url.parameters))

    def close(self) -> None:
        """Let go of all connections; those of asynchronous sessions want `aclose()`."""
        for node in (self.primary, *self.nodes):
            node.renew(close=True)

    async def aclose(self) -> None:
        """The same within the loop that the connections belong to."""
        for node in (self.primary, *self.nodes):
            await node.aclose()

    def begin_in_child(self) -> None:
        """After a fork: the lock may be that of a thread that is not here, and the connections are the parent's."""
        self._lock = threading.Lock()
        for node in (self.primary, *self.nodes):
            node.begin_in_child()

    def _named_apart(self, replicas: Sequence[ReplicaConfig]) -> Iterator[ReplicaConfig]:
        taken = {self.primary.name, *(node.name for node in self._given)}
        for config in replicas:
            name, number = config.name, 1
            while name in taken:
                number += 1
                name = f"{config.name} ({number})"
            taken.add(name)
            yield config if name == config.name else replace(config, name=name)


def search_first(monitor: Monitor) -> bool:
    """Wait until somebody has searched for the servers once; whether anybody searches at all.

    Args:
        monitor: runs the search, and is started.
    """
    monitor.start()
    if (search := monitor.search) is None:
        return False
    wait_until(search.searched, _SEARCH_PATIENCE)
    return True


def _place(parameters: Mapping[str, str]) -> str:
    host = parameters.get("hostaddr") or parameters.get("host", "")
    return f"{host} port {parameters.get('port', '5432')}"
