"""One OpenBao and one PostgreSQL over TCP for all tests of secrets."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from erm_alembic.postgres.embedded.binaries import PostgresBinaries
from tests.support.standbys import has_basebackup
from tests.support.vault import Bao, Engine, TcpServer, bao_server, engine_for, tcp_server, tcp_standby


@pytest.fixture(scope="session")
def bao() -> Iterator[Bao]:
    """A running OpenBao, with a versioned and a plain key/value engine."""
    with bao_server() as running:
        running.ask("post", "sys/mounts/kv", type="kv", options={"version": "2"})
        running.ask("post", "sys/mounts/plain", type="kv", options={"version": "1"})
        yield running


@pytest.fixture(scope="session")
def tcp(pg_bin: PostgresBinaries) -> Iterator[TcpServer]:
    """A PostgreSQL server that asks for passwords."""
    with tcp_server(pg_bin) as running:
        yield running


@pytest.fixture(scope="session")
def standby(tcp: TcpServer, pg_bin: PostgresBinaries) -> Iterator[TcpServer]:
    """A replica of it."""
    if not has_basebackup(pg_bin):
        pytest.skip("no pg_basebackup here to make a standby with")
    with tcp_standby(tcp) as running:
        yield running


@pytest.fixture
def engine(bao: Bao, tcp: TcpServer) -> Iterator[Engine]:
    """A fresh database for which OpenBao makes roles."""
    with engine_for(bao, tcp) as made:
        yield made
