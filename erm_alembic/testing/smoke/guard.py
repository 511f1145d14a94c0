"""Within the process of the smoke tests: no other connection is opened, and no program that would open one.

As in the shadow, three nets: an audit hook, drivers that are asked, and no network at all where the system lets it.
"""

from __future__ import annotations

import os
import socket
import sys
from dataclasses import dataclass, field
from typing import Any

from erm_alembic.shadow.child.drivers import guard_drivers
from erm_alembic.shadow.child.isolation import SYSTEM_LOGS, ConnectionElsewhere, Guard
from erm_alembic.shadow.child.network import leave_network
from erm_alembic.testing.smoke.escapes import Escapes

__all__ = ["close_doors"]

LOOKUPS = ("socket.getaddrinfo", "socket.gethostbyname")


@dataclass(frozen=True)
class SmokeGuard(Guard):
    """Refuses every connection but those to hosts that are named.

    What goes to a database is an escape; what goes elsewhere (telemetry, another service) fails, and is told.

    Args:
        escapes: told what is refused.
        named: the hosts that tests may reach, with their addresses.
    """

    escapes: Escapes = field(default_factory=lambda: Escapes(lambda what: None, lambda what: None))
    named: frozenset[str] = frozenset()

    def audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        """See what Python is about to do."""
        if event in LOOKUPS:
            host = arguments[0] if arguments else None
            text = host.decode(errors="replace") if isinstance(host, bytes) else host
            if isinstance(text, str) and text and text not in self.named:
                raise self._unnamed(text)
            return
        super().audit(event, arguments)

    def refusal(self, place: str) -> ConnectionElsewhere:
        """Refuse, and remember it."""
        return self.escapes.refuse(
            f"A smoke test opens a connection of its own: {place}.",
            effect="It was not opened.",
            cure="Use erm_smoke_session, erm_smoke_connection or erm_smoke_engine.",
        )

    def _check_socket(self, end: Any, address: Any) -> None:
        family = getattr(end, "family", None)
        if family == getattr(socket, "AF_UNIX", None):
            path = os.fsdecode(address) if isinstance(address, str | bytes) else str(address)
            if path not in SYSTEM_LOGS:
                raise self._unnamed(f"the socket {path}")
        is_inet = family in (socket.AF_INET, socket.AF_INET6) and isinstance(address, tuple)
        if is_inet and str(address[0]).partition("%")[0] not in self.named:
            raise self._unnamed(f"{address[0]}, port {address[1]}")

    def _unnamed(self, place: str) -> ConnectionElsewhere:
        self.tell(f"refused: a connection to {place}; smoke.hosts in erm.yaml names the hosts that tests may reach")
        return ConnectionElsewhere(f"A smoke test connects to nothing but its database; refused: {place}.")


def close_doors(escapes: Escapes, hosts: tuple[str, ...]) -> None:
    """Refuse, from now on, every connection of this process; those that are open stay so.

    Args:
        escapes: told what is refused, and which hosts have no address.
        hosts: the names and addresses that tests may reach.
    """
    named = set(hosts)
    for host in hosts:
        try:
            named |= {str(found[4][0]) for found in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
        except OSError as error:
            escapes.note(f"smoke.hosts: {host} has no address: {error.strerror or error}")
    guard = SmokeGuard(frozenset(), "", "", escapes.note, escapes, frozenset(named))
    if not hosts:
        leave_network()
    guard_drivers(guard)
    sys.addaudithook(guard.audit)
