"""Roles that live for six seconds, under an application that goes on: its pools never show it that they change."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import sqlalchemy as sa

from erm_alembic.routing import Cluster, connect_cluster_from_config
from tests.support.vault import OWNER, TERMINATING, Bao, Engine, TcpServer, engine_for
from tests.support.waiting import until

WHO = sa.select(sa.literal_column("session_user"))
WRITE = sa.text("INSERT INTO public.written SELECT session_user RETURNING who")
ENOUGH = 2


@dataclass
class Seen:
    """What an application has seen."""

    users: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    done: threading.Event = field(default_factory=threading.Event)

    def add(self, driver: str, route: str, user: str) -> None:
        self.users.setdefault((driver, route), set()).add(user)

    def enough(self, places: set[tuple[str, str]]) -> bool:
        return bool(self.failures) or all(len(self.users.get(place, ())) >= ENOUGH for place in places)


def test_roles_that_end_are_not_noticed_by_an_application(
    bao: Bao, tcp: TcpServer, standby: TcpServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On primary and replica, by each driver: every role is replaced before Vault ends its sessions and drops it."""
    for name, value in bao.environ.items():
        monkeypatch.setenv(name, value)
    with engine_for(bao, tcp) as engine:
        tcp.execute("CREATE TABLE public.written (who text)", dbname=engine.database)
        tcp.execute(f"ALTER TABLE public.written OWNER TO {OWNER}", dbname=engine.database)
        path = engine.role("app", "6s", "6s", revocation_statements=list(TERMINATING))
        drivers = ("psycopg2", "psycopg", "asyncpg")
        for driver in drivers:
            write_config(tmp_path, driver, engine, standby, path)
        seen = Seen()
        work: list[Callable[[], None]] = [
            lambda: synchronous("psycopg2", tmp_path, seen),
            lambda: synchronous("psycopg", tmp_path, seen),
            lambda: asyncio.run(asynchronous("asyncpg", tmp_path, seen)),
        ]
        threads = [threading.Thread(target=each) for each in work]
        for thread in threads:
            thread.start()
        places = {(driver, route) for driver in drivers for route in ("primary", "east")}
        try:
            until(lambda: seen.enough(places), lambda: f"{seen.users} {seen.failures}")
            known = sorted({user for users in seen.users.values() for user in users})
            left = "SELECT count(*) FROM pg_roles WHERE rolname = ANY (%s)"
            until(lambda: seen.failures or tcp.execute(left, known)[0][0] < len(known))
        finally:
            seen.done.set()
            for thread in threads:
                thread.join(20)
        assert seen.failures == []


def write_config(folder: Path, driver: str, engine: Engine, standby: TcpServer, path: str) -> None:
    """An erm.yaml for an application on one driver."""
    place = folder / driver
    place.mkdir()
    scheme = "postgresql" if driver == "psycopg2" else f"postgresql+{driver}"
    url, replica = (server.url(engine.database).replace("postgresql", scheme, 1) for server in (engine.server, standby))
    (place / "erm.yaml").write_text(
        "database:\n  environments:\n    dev:\n"
        f"      url: {url}\n      credentials: vault:{path}\n      pool: {{max_conns: 2}}\n"
        f"      replicas: [{{name: east, url: '{replica}'}}]\n"
        "      routing: {monitor_interval: 200ms}\n"
    )


def cluster_of(folder: Path, driver: str) -> Cluster:
    return connect_cluster_from_config("dev", folder / driver / "erm.yaml")


def synchronous(driver: str, folder: Path, seen: Seen) -> None:
    """Write and read until there is enough."""
    with cluster_of(folder, driver) as cluster:
        make = cluster.sessionmaker()
        while not seen.done.wait(0.02) and not seen.failures:
            try:
                with make() as session, session.begin():
                    seen.add(driver, "primary", session.scalar(WRITE) or "")
                with make(read=True) as session:
                    user = session.scalar(WHO) or ""
                    seen.add(driver, session.last_route.name, user)
            except Exception as error:
                seen.failures.append(f"{driver}: {type(error).__name__}: {error}")


async def asynchronous(driver: str, folder: Path, seen: Seen) -> None:
    """The same within a loop."""
    async with cluster_of(folder, driver) as cluster:
        make = cluster.async_sessionmaker()
        while not seen.done.is_set() and not seen.failures:
            try:
                async with make() as session, session.begin():
                    seen.add(driver, "primary", await session.scalar(WRITE) or "")
                async with make(read=True) as session:
                    user = await session.scalar(WHO) or ""
                    seen.add(driver, session.last_route.name, user)
            except Exception as error:
                seen.failures.append(f"{driver}: {type(error).__name__}: {error}")
            await asyncio.sleep(0.02)
