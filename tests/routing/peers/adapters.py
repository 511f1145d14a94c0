"""Who routes reads: erm, advanced-alchemy, and the recipe of SQLAlchemy's documentation, behind one face."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from importlib.util import find_spec
from types import MappingProxyType
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.sql import Delete, Update

from erm_alembic.config.dsn import DatabaseUrl
from erm_alembic.routing import ReplicaConfig, connect_cluster, primary
from tests.routing.applications import Application
from tests.routing.servers import EAST, WEST

PRIMARY = "primary"
REPLICAS = frozenset({EAST, WEST})
Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


@dataclass(frozen=True)
class Opened:
    """One of them on an application's servers.

    Args:
        session: makes a session whose reads may go to replicas; takes what `Session` takes.
        async_session: the same for asyncio.
        pools: of each pool of connections the server that it leads to; asked whenever one is met.
        settle: waits until the replicas have everything, and it knows that.
        aclose: lets go of asynchronous connections.
        on_primary: a block whose reads go to the primary; None where there is none.
        on_primary_generator: lets the code of an asynchronous generator run in such a block.
    """

    session: Callable[..., Session]
    async_session: Callable[..., AsyncSession]
    pools: Callable[[], Mapping[Any, str]]
    settle: Callable[[], None]
    aclose: Callable[[], Any]
    on_primary: Callable[[], AbstractContextManager[Any]] | None = None
    on_primary_generator: Decorator | None = None
    erm: Any = None


@dataclass(frozen=True)
class Peer:
    """One of those who are compared.

    Args:
        name: what it is called.
        open: opens it on an application; may be given another address of the primary.
        lacks: what it has not, by which a scenario knows that it is not about this one; with why.
    """

    name: str
    open: Callable[..., AbstractContextManager[Opened]]
    lacks: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


def _url(app: Application, server: Any, driver: str) -> sa.URL:
    return DatabaseUrl.parse(server.url(app.dbname)).sqlalchemy_url(f"postgresql+{driver}")


@contextmanager
def _erm(app: Application, primary_url: str | None = None) -> Iterator[Opened]:
    opened = (
        app.cluster()
        if primary_url is None
        # No primary is there yet: nobody waits for one.
        else connect_cluster(primary_url, [ReplicaConfig(EAST, app.url(app.servers.east))])
    )
    with opened as cluster:

        def pools() -> dict[Any, str]:
            nodes = (cluster.primary, *cluster.replicas)
            engines = ((node, node._engines.get(asynchronous)) for node in nodes for asynchronous in (True, False))
            return {engine.pool: node.name for node, engine in engines if engine is not None}

        yield Opened(
            session=cluster.sessionmaker(read=True),
            async_session=cluster.async_sessionmaker(read=True),
            pools=pools,
            settle=lambda: app.settle(cluster),
            aclose=cluster.aclose,
            on_primary=primary,
            on_primary_generator=primary(),
            erm=cluster,
        )


class _Engines:
    """An engine for each server, for either kind of session."""

    def __init__(self, app: Application, primary_url: str | None) -> None:
        servers = {PRIMARY: app.servers.primary, **app.servers.standbys}
        urls = {name: _url(app, server, app.driver) for name, server in servers.items()}
        if primary_url is not None:
            urls[PRIMARY] = DatabaseUrl.parse(primary_url).sqlalchemy_url(f"postgresql+{app.driver}")
        self.synchronous = {name: sa.create_engine(url) for name, url in urls.items()}
        self.asynchronous: dict[str, AsyncEngine] = {
            name: create_async_engine(_url(app, server, "asyncpg")) for name, server in servers.items()
        }

    def pools(self) -> dict[Any, str]:
        found: dict[Any, str] = {engine.pool: name for name, engine in self.synchronous.items()}
        return found | {engine.sync_engine.pool: name for name, engine in self.asynchronous.items()}

    async def aclose(self) -> None:
        for engine in self.asynchronous.values():
            await engine.dispose()

    def close(self) -> None:
        for engine in self.synchronous.values():
            engine.dispose()


@contextmanager
def _recipe(app: Application, primary_url: str | None = None) -> Iterator[Opened]:
    """The rule of "Custom Vertical Partitioning": flushes, and UPDATE and DELETE, to the leader, the rest anywhere."""
    engines = _Engines(app, primary_url)

    class Recipe(Session):
        def get_bind(self, mapper: Any = None, clause: Any = None) -> Any:  # type: ignore[override]
            if self._flushing or isinstance(clause, Update | Delete):
                return engines.synchronous[PRIMARY]
            return engines.synchronous[random.choice([EAST, WEST])]

    class AsynchronousRecipe(Session):
        def get_bind(self, mapper: Any = None, clause: Any = None, **_: Any) -> Any:  # type: ignore[override]
            if self._flushing or isinstance(clause, Update | Delete):
                return engines.asynchronous[PRIMARY].sync_engine
            return engines.asynchronous[random.choice([EAST, WEST])].sync_engine

    yield Opened(
        session=sessionmaker(class_=Recipe),
        async_session=lambda **options: AsyncSession(sync_session_class=AsynchronousRecipe, **options),
        pools=engines.pools,
        settle=app.servers.catch_up,
        aclose=engines.aclose,
    )
    engines.close()


@contextmanager
def _advanced_alchemy(app: Application, primary_url: str | None = None, **settings: Any) -> Iterator[Opened]:
    from advanced_alchemy.config.routing import RoutingConfig
    from advanced_alchemy.routing import (
        RoutingAsyncSessionMaker,
        RoutingSyncSessionMaker,
        primary_context,
        reset_routing_context,
    )

    engines = _Engines(app, primary_url)
    texts = {f"{name} {kind}": engine for kind in ("sync", "async") for name, engine in _kind(engines, kind).items()}

    def maker(kind: str, class_: Any, options: dict[str, Any]) -> Any:
        config = RoutingConfig(
            primary_connection_string=f"{PRIMARY} {kind}",
            read_replicas=[f"{EAST} {kind}", f"{WEST} {kind}"],
            **settings,
        )
        # The engines are made by us, so that we know which is which; they are made as it would make them.
        return class_(config, session_config=options, create_engine_callable=lambda text, **_: texts[text])()

    reset_routing_context()
    yield Opened(
        session=lambda **options: maker("sync", RoutingSyncSessionMaker, options),
        async_session=lambda **options: maker("async", RoutingAsyncSessionMaker, options),
        pools=engines.pools,
        settle=app.servers.catch_up,
        aclose=engines.aclose,
        on_primary=primary_context,
    )
    reset_routing_context()
    engines.close()


def _kind(engines: _Engines, kind: str) -> Mapping[str, Any]:
    return engines.synchronous if kind == "sync" else engines.asynchronous


def _advanced_alchemy_that_sticks(app: Application, primary_url: str | None = None) -> Any:
    return _advanced_alchemy(app, primary_url, reset_stickiness_on_commit=False)


_OF_OTHERS = {
    "retries": "it asks no other server after an error",
    "lag": "it knows no lag, and has no limit for it",
    "tokens": "it has no tokens",
}
ERM = Peer("erm", _erm)
RECIPE = Peer(
    "SQLAlchemy's recipe",
    _recipe,
    {**_OF_OTHERS, "blocks": "it has no blocks, and sticks to nothing"},
)


def peers() -> tuple[Peer, ...]:
    """All of them that are installed."""
    if find_spec("advanced_alchemy") is None:
        return (ERM, RECIPE)
    name = f"advanced-alchemy {version('advanced-alchemy')}"
    return (
        ERM,
        Peer(name, _advanced_alchemy, _OF_OTHERS),
        Peer(f"{name}, stickiness kept at commit", _advanced_alchemy_that_sticks, _OF_OTHERS),
        RECIPE,
    )
