"""Within the child: connections to anything but the shadow are refused.

Three nets, because none is enough. What goes through Python's sockets, and the clients of databases that a revision
starts, is seen by an audit hook, which nothing can take away again. Drivers that leave the connecting to a library in C
are asked where they go (`drivers`). And where the system lets it, the process has no network at all (`network`).
"""

from __future__ import annotations

import os
import re
import socket
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from erm_alembic.config.dsn import DatabaseUrl
from erm_alembic.errors import ConfigurationError
from erm_alembic.postgres.scratch import is_scratch
from erm_alembic.shadow.child.drivers import guard_drivers
from erm_alembic.shadow.child.network import leave_network

__all__ = ["ConnectionElsewhere", "Guard", "isolate"]

DEFAULT_PORT = "5432"
# What a logging configuration may name; nobody answers there.
SYSTEM_LOGS = frozenset({"/dev/log", "/var/run/syslog", "/var/run/log"})
CLIENTS = frozenset(
    {
        "psql",
        "pg_dump",
        "pg_dumpall",
        "pg_restore",
        "pgbench",
        "createdb",
        "dropdb",
        "createuser",
        "dropuser",
        "vacuumdb",
    }
    | {"curl", "wget", "ssh", "scp", "sftp", "rsync", "nc", "ncat", "netcat", "socat", "telnet", "mysql", "mongosh"}
)
WORD = re.compile(r"[^\s;|&()'\"`$]+")


class ConnectionElsewhere(ConnectionRefusedError):
    """The project's code wants to connect to something that is not the shadow."""


@dataclass(frozen=True)
class Guard:
    """Knows the shadow's server and database, and refuses the rest.

    Args:
        hosts: the names and addresses of its server; a folder for a unix socket.
        port: its port.
        database: the scratch database; copies of it are let pass too.
        tell: told what was refused.
    """

    hosts: frozenset[str]
    port: str
    database: str
    tell: Callable[[str], None]

    def check(self, parameters: Mapping[str, Any]) -> None:
        """Let a driver connect, or not.

        Args:
            parameters: libpq's keywords; what they leave out is taken from the environment, as libpq does.

        Raises:
            ConnectionElsewhere: they lead elsewhere.
        """
        hosts = _words(parameters.get("hostaddr") or parameters.get("host") or os.environ.get("PGHOST", ""))
        ports = _words(parameters.get("port") or os.environ.get("PGPORT") or DEFAULT_PORT)
        database = str(parameters.get("database") or parameters.get("dbname") or os.environ.get("PGDATABASE", ""))
        at_shadow = bool(hosts) and self.hosts.issuperset(hosts) and {self.port}.issuperset(ports)
        # A rehearsal makes copies of the scratch database, beside it.
        ours = database == self.database or is_scratch(database)
        if parameters.get("service") or not at_shadow or not ours:
            shown = parameters.get("service") or ",".join(hosts) or "the default host"
            raise self.refusal(f"{shown}, port {','.join(ports)}, database {database or 'of the default name'}")

    def check_address(self, text: str, over: Mapping[str, Any]) -> None:
        """The same for an address in one text.

        Args:
            text: the address; empty for none.
            over: keywords that replace those of the text.

        Raises:
            ConnectionElsewhere: it leads elsewhere, or nobody knows where it leads.
        """
        try:
            parameters = DatabaseUrl.parse(text).parameters if text.strip() else {}
        except ConfigurationError:
            raise self.refusal("an address that cannot be read") from None
        self.check({**parameters, **over})

    def audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        """See what Python is about to do; installed for the rest of the process's life."""
        if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
            self._check_socket(arguments[0], arguments[1] if len(arguments) > 1 else None)
        # Programs take neither a hook nor a driver along; and to a socket on this machine there is always a way.
        elif event in ("subprocess.Popen", "os.posix_spawn", "os.exec", "os.spawn", "os.system"):
            for program in sorted(CLIENTS & set(_programs(arguments[:3] if event == "os.spawn" else arguments[:2]))):
                raise self.refusal(f"whatever {program} connects to")

    def refusal(self, place: str) -> ConnectionElsewhere:
        """The error for a connection that is refused, which is told of too: it may be caught."""
        self.tell(place)
        return ConnectionElsewhere(f"In the shadow nothing connects elsewhere; refused: {place}.")

    def _check_socket(self, end: Any, address: Any) -> None:
        family = getattr(end, "family", None)
        if family == getattr(socket, "AF_UNIX", None):
            path = os.fsdecode(address) if isinstance(address, str | bytes) else str(address)
            if path not in SYSTEM_LOGS and path not in {f"{host}/.s.PGSQL.{self.port}" for host in self.hosts}:
                raise self.refusal(f"the socket {path}")
        elif family in (socket.AF_INET, socket.AF_INET6) and isinstance(address, tuple):
            host, port = str(address[0]).partition("%")[0], str(address[1])
            if host not in self.hosts or port != self.port:
                raise self.refusal(f"{host}, port {port}")


def isolate(url: str, tell: Callable[[str], None]) -> None:
    """Refuse, from now on, every connection of this process that does not go to the shadow.

    Args:
        url: the scratch database, as a libpq URI.
        tell: told what was refused, without credentials.
    """
    parameters = DatabaseUrl.parse(url).parameters
    hosts = _words(parameters.get("hostaddr") or parameters.get("host", ""))
    on_socket = all(host.startswith("/") for host in hosts)
    port = parameters.get("port", DEFAULT_PORT).partition(",")[0]
    addresses = () if on_socket else tuple(_resolved(hosts, port))
    guard = Guard(frozenset((*hosts, *addresses)), port, parameters.get("dbname", ""), tell)
    if on_socket:
        leave_network()
    guard_drivers(guard)
    sys.addaudithook(guard.audit)


def _resolved(hosts: Iterable[str], port: str) -> Iterable[str]:
    for host in hosts:
        try:
            yield from (str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except OSError:
            continue


def _words(text: Any) -> tuple[str, ...]:
    return tuple(filter(None, str(text).split(",")))


def _programs(arguments: Iterable[Any]) -> Iterable[str]:
    """The names in a command line, a shell's included, that may be those of programs."""
    for argument in arguments:
        if isinstance(argument, str | bytes | os.PathLike):
            yield from (PurePath(word).name for word in WORD.findall(os.fsdecode(argument)))
        elif isinstance(argument, list | tuple):
            yield from _programs(argument)
