"""The fixtures of replicas: one that lags on demand, and a real standby. Nothing is imported until it is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from erm_alembic.testing.lagging import LaggingReplica
    from erm_alembic.testing.servers import PrivateServers, Schema
    from erm_alembic.testing.standby import StreamingStandby

__all__ = ["erm_driver", "erm_private_servers", "erm_replica", "erm_replica_url", "erm_schema", "erm_standby"]


@pytest.fixture(scope="session")
def erm_private_servers(
    tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> Iterator[PrivateServers]:
    """The private PostgreSQL servers of this test process; each starts when a test first needs it."""
    from erm_alembic.testing.servers import PrivateServers

    servers = PrivateServers(tmp_path_factory.mktemp("erm-servers"), pytestconfig.rootpath)
    yield servers
    servers.close()


@pytest.fixture(scope="session")
def erm_schema() -> Schema | None:
    """What makes the tables of a database, given an engine; define a fixture of this name to have yours made."""
    return None


@pytest.fixture
def erm_driver() -> str:
    """The driver of synchronous sessions, `psycopg2` or `psycopg`; define a fixture of this name for another one."""
    return "psycopg2"


@pytest.fixture
def erm_replica_url(erm_private_servers: PrivateServers, erm_schema: Schema | None, erm_driver: str) -> Iterator[str]:
    """The address of the database of `erm_replica`; define a fixture of this name to use a database of your own."""
    from erm_alembic.testing.servers import with_driver

    with erm_private_servers.database(erm_schema) as name:
        yield with_driver(erm_private_servers.primary.dsn(name), erm_driver)


@pytest.fixture
def erm_replica(erm_replica_url: str) -> Iterator[LaggingReplica]:
    """A replica that lags on demand, without a standby: it shows what was committed at the last `advance()`."""
    from erm_alembic.testing.lagging import LaggingReplica

    with LaggingReplica(erm_replica_url) as replica:
        yield replica


@pytest.fixture
def erm_standby(
    erm_private_servers: PrivateServers, erm_schema: Schema | None, erm_driver: str
) -> Iterator[StreamingStandby]:
    """A real streaming standby, whose replay is held by `pause()`, let go by `resume()`, waited for by `wait()`."""
    from erm_alembic.testing.standby import StreamingStandby

    # The standby exists before the database does: a copy of the servers is made once for all tests.
    assert erm_private_servers.standby
    with (
        erm_private_servers.database(erm_schema) as name,
        StreamingStandby(erm_private_servers, name, erm_driver) as standby,
    ):
        yield standby
