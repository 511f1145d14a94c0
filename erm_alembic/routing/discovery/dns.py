"""Replicas behind one name: each address that it resolves to is one."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass, field
from typing import Literal

from erm_alembic.config.dsn import DatabaseUrl
from erm_alembic.errors import ConfigurationError
from erm_alembic.routing.discovery.found import DiscoveryFailed, Found
from erm_alembic.routing.discovery.repeated import RepeatedSearch
from erm_alembic.routing.limits import Duration, Lag
from erm_alembic.routing.options import ReplicaConfig

__all__ = ["DnsReplicas"]

_FAMILIES = {"ipv4": socket.AF_INET, "ipv6": socket.AF_INET6}
_PORT = "5432"


@dataclass(frozen=True)
class DnsReplicas(RepeatedSearch):
    """The replicas behind a name with several addresses, such as that of a headless service.

    The name is resolved again and again; a replica is called by the name given here and its address, `east@10.0.0.7`.
    A server of it that is the primary, or none of this cluster, is never read from. Certificates are checked against
    the name, by asyncpg against the address.

    Args:
        name: what its replicas' names begin with.
        url: their address, as for one replica; of several hosts each is resolved.
        family: "ipv4" or "ipv6"; None takes the family of the first address that the resolver gives, so that a server
            with an address of each is not taken for two.
        read_only: as for one replica, of each of them.
        max_follower_lag: the same.
        weight: the same.
        interval: how often the name is resolved.
        keep_for: how long the known replicas are kept while it cannot be.

    Raises:
        ConfigurationError: the address is none, or names no host that can be resolved.
        ValueError: the name is empty, the family is none, or a duration, lag or weight is none.

    Example:
        >>> DnsReplicas("east", "postgresql://app@replicas.internal/shop", max_follower_lag="15s").search_interval
        10.0
    """

    name: str
    url: str | DatabaseUrl = field(repr=False)
    family: Literal["ipv4", "ipv6"] | None = None
    read_only: bool = True
    max_follower_lag: Lag | None = None
    weight: float = 1.0
    interval: Duration = "10s"
    keep_for: Duration = "1h"

    def __post_init__(self) -> None:
        if self.family is not None and self.family not in _FAMILIES:
            raise ValueError(f"the family of addresses is ipv4, ipv6 or None, not {self.family!r}")
        if not self.name:
            raise ValueError("the replicas need a name")
        self.verify()
        hosts = self._url.parameters.get("host", "").split(",")
        if "hostaddr" in self._url.parameters or not all(hosts) or any(host[0] in "/@" for host in hosts):
            raise ConfigurationError(
                f"The address of {self.name!r} names no host whose addresses can be looked up.",
                cure="Write postgresql://USER@NAME/DATABASE, with a name that resolves to the replicas' addresses.",
            )

    @property
    def finds_primary(self) -> bool:
        """False: the addresses are of replicas."""
        return False

    def find(self, primary: DatabaseUrl) -> Found:
        """Resolve the name.

        Args:
            primary: the address that the cluster was given: its user, database and parameters.

        Raises:
            DiscoveryFailed: none of its hosts can be resolved.
        """
        hosts = self._url.parameters["host"].split(",")
        ports = self._url.parameters.get("port", "").split(",") + [""] * len(hosts)
        members: dict[tuple[str, str], ReplicaConfig] = {}
        problems = []
        for host, port in zip(hosts, ports, strict=False):
            try:
                addresses = self._addresses(host)
            except (OSError, UnicodeError) as error:
                problems.append(f"{host} cannot be resolved: {error}")
                continue
            for address in addresses:
                url = self._url.with_parameters(host=host, hostaddr=address, port=port or _PORT)
                member = self.replica(f"{self.name}@{_shown(address, port)}", url)
                members.setdefault((address, port or _PORT), member)
        if problems:
            # A part of the names would look as if the others' replicas had gone.
            raise DiscoveryFailed("; ".join(problems))
        return Found(tuple(sorted(members.values(), key=lambda member: member.name)))

    @property
    def _url(self) -> DatabaseUrl:
        return DatabaseUrl.parse(self.url) if isinstance(self.url, str) else self.url

    def _addresses(self, host: str) -> list[str]:
        try:
            return [str(ipaddress.ip_address(host))]
        except ValueError:
            pass
        wanted = _FAMILIES.get(self.family or "", socket.AF_UNSPEC)
        found = socket.getaddrinfo(host, None, wanted, socket.SOCK_STREAM)
        if not found:
            raise OSError("it has no address")
        first = found[0][0]
        return [str(sockaddr[0]) for family, _, _, _, sockaddr in found if family == first]


def _shown(address: str, port: str) -> str:
    if port in ("", _PORT):
        return address
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
