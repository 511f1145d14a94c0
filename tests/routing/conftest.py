"""A primary with two standbys for the tests of routing: one set a test process and major, mended after each test."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from erm_alembic.postgres.embedded.binaries import PostgresBinaries
from erm_alembic.routing import Cluster
from erm_alembic.routing.watching.monitor import Monitor
from tests.routing.applications import SYNCHRONOUS, Application, application
from tests.routing.servers import Servers, three_servers
from tests.support.databases import one_per_major
from tests.support.standbys import has_basebackup

_ABLE = tuple(binaries for binaries in one_per_major() if has_basebackup(binaries))
MonitorOf = Callable[..., Monitor]


class _Sets:
    """The servers of this test process, started when a test first asks for their major."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._running: dict[int, Servers] = {}

    def of(self, binaries: PostgresBinaries | None) -> Servers:
        if binaries is None:
            pytest.skip("no PostgreSQL here has pg_basebackup to make standbys with")
        if binaries.major not in self._running:
            self._running[binaries.major] = self._stack.enter_context(three_servers(binaries))
        return self._running[binaries.major]

    def close(self) -> None:
        self._stack.close()


@pytest.fixture(scope="session")
def _sets() -> Iterator[_Sets]:
    sets = _Sets()
    yield sets
    sets.close()


@pytest.fixture(params=_ABLE or [None], ids=lambda binaries: f"pg{binaries.major}" if binaries else "none")
def servers(request: pytest.FixtureRequest, _sets: _Sets) -> Iterator[Servers]:
    """A primary with two standbys of every major that can make them, caught up; mended after the test."""
    yield from _mended(_sets.of(request.param))


@pytest.fixture
def newest_servers(_sets: _Sets) -> Iterator[Servers]:
    """The same on the newest major only, for behaviour that does not depend on the server."""
    yield from _mended(_sets.of(_ABLE[-1] if _ABLE else None))


@pytest.fixture
def role(newest_servers: Servers) -> Iterator[str]:
    """A role that may do nothing but connect, on all servers."""
    name = f"t_{uuid.uuid4().hex[:12]}"
    newest_servers.primary.execute(f"CREATE ROLE {name} LOGIN")
    newest_servers.catch_up()
    yield name
    newest_servers.primary.execute(f"DROP OWNED BY {name}")
    newest_servers.primary.execute(f"DROP ROLE {name}")


@pytest.fixture(params=SYNCHRONOUS)
def app(request: pytest.FixtureRequest, newest_servers: Servers) -> Iterator[Application]:
    """An application of each synchronous driver, with one user."""
    with application(newest_servers, request.param) as app:
        yield app


@pytest.fixture
def cluster(app: Application) -> Iterator[Cluster]:
    """Its cluster, with both replicas fresh."""
    with app.cluster() as cluster:
        yield cluster


@pytest.fixture
def fresh_servers() -> Iterator[Servers]:
    """A primary with two standbys of the test's own, for what cannot be mended: a promotion, a crash."""
    if not _ABLE:
        pytest.skip("no PostgreSQL here has pg_basebackup to make standbys with")
    with three_servers(_ABLE[-1]) as servers:
        yield servers


@pytest.fixture
def monitor_of() -> Iterator[MonitorOf]:
    """Makes a monitor of some servers, which is stopped at the end of the test."""
    made = []

    def make(servers: Servers, **options: object) -> Monitor:
        replicas = {name: standby.url for name, standby in servers.standbys.items()}
        settings = {"primary": servers.primary.url, "replicas": replicas, "interval": 0.1, "catalogs": False, **options}
        made.append(Monitor(**settings))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for monitor in made:
        monitor.stop()


def _mended(servers: Servers) -> Iterator[Servers]:
    yield servers
    servers.mend()
