"""A name with several addresses stands for several replicas."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from erm_alembic.config.dsn import DatabaseUrl
from erm_alembic.errors import ConfigurationError
from erm_alembic.routing import DnsReplicas, connect_cluster
from erm_alembic.routing.discovery import DiscoveryFailed
from tests.routing.applications import Application, application
from tests.routing.discovery.doors import Door, doors
from tests.routing.discovery.test_members import where
from tests.routing.servers import PATIENCE, Servers, until

PRIMARY = DatabaseUrl.parse("postgresql://app@db/shop")
Names = dict[str, list[str]]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    """What the resolver knows; nobody else is asked."""
    known: Names = {}

    def getaddrinfo(host: str, port: object, family: int = 0, *_: object) -> list[Any]:
        families = {address: socket.AF_INET6 if ":" in address else socket.AF_INET for address in known.get(host, ())}
        found = [(kind, socket.SOCK_STREAM, 6, "", (each, 0)) for each, kind in families.items() if family in (0, kind)]
        if not found:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return found

    monkeypatch.setattr("erm_alembic.routing.discovery.dns.socket.getaddrinfo", getaddrinfo)
    return known


def found(discovery: DnsReplicas) -> dict[str, str]:
    """The address of each replica, by its name."""
    replicas = discovery.find(PRIMARY).replicas
    assert all(isinstance(replica.url, DatabaseUrl) for replica in replicas)
    return {replica.name: replica.url.dsn() for replica in replicas if isinstance(replica.url, DatabaseUrl)}


def test_every_address_is_a_replica(names: Names) -> None:
    """Connections go to the address, and certificates are held against the name."""
    names["replicas"] = ["10.0.0.7", "10.0.0.6"]
    discovery = DnsReplicas("east", "postgresql://app:secret@replicas/shop?sslmode=verify-full")
    assert found(discovery) == {
        f"east@{address}": f"postgresql://app:secret@/shop?host=replicas&sslmode=verify-full&hostaddr={address}&port=5432"
        for address in ("10.0.0.6", "10.0.0.7")
    }
    names["replicas"] = ["10.0.0.8"]
    assert list(found(discovery)) == ["east@10.0.0.8"]


def test_a_server_with_an_address_of_each_family_is_not_taken_for_two(names: Names) -> None:
    """The resolver's first address says which family is meant, unless somebody else does."""
    names["replicas"] = ["fd00::1", "10.0.0.1", "fd00::2"]
    assert list(found(DnsReplicas("east", "postgresql://replicas:6000/"))) == [
        "east@[fd00::1]:6000",
        "east@[fd00::2]:6000",
    ]
    assert list(found(DnsReplicas("east", "postgresql://replicas", family="ipv4"))) == ["east@10.0.0.1"]


def test_several_hosts_are_resolved_each(names: Names) -> None:
    """An address stands for itself; one that two names share is one replica."""
    names |= {"one": ["10.0.0.1", "10.0.0.2"], "two": ["10.0.0.2"]}
    url = "postgresql://one:5432,two:5432,10.0.0.3:5433,two:6000/shop"
    assert list(found(DnsReplicas("east", url))) == [
        "east@10.0.0.1",
        "east@10.0.0.2",
        "east@10.0.0.2:6000",
        "east@10.0.0.3:5433",
    ]


def test_what_each_replica_is_said_to_be_holds_for_all(names: Names) -> None:
    """Lag, weight and whether it is read-only."""
    names["replicas"] = ["10.0.0.1"]
    discovery = DnsReplicas("east", "postgresql://replicas", max_follower_lag="15s", weight=2, read_only=False)
    (replica,) = discovery.find(PRIMARY).replicas
    assert (replica.limit.seconds, replica.weight, replica.read_only) == (15.0, 2, False)


def test_a_name_that_cannot_be_resolved_lets_no_other_go(names: Names) -> None:
    """Half an answer would look as if the other half had gone."""
    names["one"] = ["10.0.0.1"]
    with pytest.raises(DiscoveryFailed, match=r"^two cannot be resolved: .*Name or service not known$"):
        found(DnsReplicas("east", "postgresql://app:secret@one,two/shop"))


@pytest.mark.parametrize(
    "url", ["postgresql:///shop", "postgresql:///shop?host=/run/pg", "postgresql://db?hostaddr=10.0.0.1"]
)
def test_an_address_that_has_no_name_to_resolve_is_refused(url: str) -> None:
    """When it is written, not when it is first looked up."""
    with pytest.raises(ConfigurationError, match="names no host whose addresses can be looked up"):
        DnsReplicas("east", url)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"name": ""}, "need a name"),
        ({"family": "ipv5"}, "ipv4, ipv6 or None"),
        ({"interval": 0}, "longer than nothing"),
        ({"keep_for": "soon"}, "soon"),
        ({"weight": 0}, "is no positive number"),
        ({"max_follower_lag": -1}, "not negative"),
    ],
)
def test_what_makes_no_sense_is_refused_when_it_is_written(wrong: dict[str, Any], said: str) -> None:
    """A ValueError, as of one replica."""
    with pytest.raises(ValueError, match=said):
        DnsReplicas(**{"name": "east", "url": "postgresql://replicas", **wrong})


def test_the_resolver_of_the_machine_is_asked() -> None:
    """Whatever it knows of localhost."""
    assert set(found(DnsReplicas("here", "postgresql://localhost"))) <= {"here@127.0.0.1", "here@::1"}


@pytest.fixture
def app(newest_servers: Servers) -> Iterator[Application]:
    """An application on the driver that erm itself uses."""
    with application(newest_servers, "psycopg2") as app:
        yield app


def test_reads_follow_the_addresses_of_a_name(app: Application, names: Names) -> None:
    """A server comes with its address and goes with it; connections go where the monitor has looked."""
    servers = app.servers
    paths = [Path(standby.socket_dir) / ".s.PGSQL.5432" for standby in servers.standbys.values()]
    with ExitStack() as stack:
        try:
            east, west = stack.enter_context(doors(*paths))
        except OSError as error:
            pytest.skip(f"127.0.0.2 is no address of this machine: {error}")
        _follow(app, names, east, west)


def _follow(app: Application, names: Names, east: Door, west: Door) -> None:
    names["replicas"] = [east.address]
    url = f"postgresql://postgres@replicas:{east.port}/{app.dbname}"
    discovery = DnsReplicas("r", url, interval="20ms")
    with connect_cluster(app.url(app.servers.primary), discovery=discovery, monitor_interval=0.2) as cluster:
        cluster.monitor.start()
        until(lambda: cluster.replicas)
        app.settle(cluster)
        assert where(cluster) == f"r@{east.address}:{east.port}"
        assert (east.passed >= 2, west.passed) == (True, 0)
        names["replicas"] = [west.address]
        expected = f"r@{west.address}:{west.port}"
        assert cluster.monitor.wait_for(lambda: [node.name for node in cluster.replicas] == [expected], PATIENCE)
        until(lambda: where(cluster) == expected)
        del names["replicas"]
        cluster.monitor.refresh()
        assert where(cluster) == expected
