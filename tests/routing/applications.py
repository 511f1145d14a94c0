"""An application with two models, its cluster, and what its tests look at."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from erm_alembic.config.dsn import DatabaseUrl
from erm_alembic.routing import Cluster, ReplicaConfig, RoutingSession, connect_cluster
from tests.routing.servers import EAST, WEST, Servers, until

SYNCHRONOUS = ("psycopg2", "psycopg")
ASYNCHRONOUS = ("psycopg", "asyncpg")


class Base(DeclarativeBase):
    """The models of the application."""


class User(Base):
    """Somebody with posts."""

    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    score: Mapped[int] = mapped_column(default=0)
    posts: Mapped[list[Post]] = relationship(back_populates="user")


class Post(Base):
    """Something that somebody wrote."""

    __tablename__ = "posts"
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("users.id"))
    user: Mapped[User] = relationship(back_populates="posts")


@dataclass
class Application:
    """A database of its own on some servers, and clusters that lead there.

    Args:
        servers: the servers.
        driver: the driver of the addresses.
    """

    servers: Servers
    driver: str

    @property
    def dbname(self) -> str:
        """The name of its database: one for each driver, which test after test uses."""
        return f"app_{self.driver}"

    def url(self, server: Any) -> str:
        """The address of its database on a server."""
        text: str = server.url(self.dbname)
        return text.replace("postgresql://", f"postgresql+{self.driver}://", 1)

    @contextmanager
    def cluster(self, **options: Any) -> Iterator[Cluster]:
        """A cluster of all three servers; both replicas are known to be fresh when it is handed out."""
        replicas = [ReplicaConfig(name, self.url(standby)) for name, standby in self.servers.standbys.items()]
        settings = {"monitor_interval": 0.2, **options}
        with connect_cluster(self.url(self.servers.primary), settings.pop("replicas", replicas), **settings) as cluster:
            self.settle(cluster)
            yield cluster

    def settle(self, cluster: Cluster) -> None:
        """Wait until the standbys have replayed everything and the cluster knows it."""
        self.servers.catch_up()
        cluster.monitor.wait_for(lambda: cluster.monitor.volatility, 30.0)
        cluster.monitor.refresh()

    def learn(self, cluster: Cluster, statement: sa.Select[Any]) -> None:
        """Wait until the cluster knows what was made since it began, so that a statement is a pure read."""
        cluster.monitor.read_catalogs()
        until(lambda: cluster.router.classifier.why_not(statement) is None)

    def on_primary(self, statement: str, *parameters: object) -> Any:
        """Run a statement on the primary, as somebody else would."""
        return self.servers.primary.execute(statement, *parameters, dbname=self.dbname)


@contextmanager
def application(servers: Servers, driver: str) -> Iterator[Application]:
    """An application with one user, Ada, who has two posts."""
    app = Application(servers, driver)
    if not servers.primary.execute("SELECT 1 FROM pg_database WHERE datname = %s", app.dbname):
        servers.primary.execute(f"CREATE DATABASE {app.dbname}")
        engine = sa.create_engine(DatabaseUrl.parse(app.url(servers.primary)).sqlalchemy_url("postgresql+psycopg2"))
        Base.metadata.create_all(engine)
        engine.dispose()
    app.on_primary("TRUNCATE users, posts RESTART IDENTITY")
    app.on_primary("INSERT INTO users VALUES (1, 'Ada', 1)")
    app.on_primary("INSERT INTO posts VALUES (1, 1), (2, 1)")
    yield app


def route(session: RoutingSession) -> str:
    """The name of the server that the session's last statement went to."""
    assert session.last_route is not None
    return session.last_route.name


def on_replica(session: RoutingSession) -> bool:
    """Whether the session's last statement went to a replica."""
    return route(session) in (EAST, WEST)
