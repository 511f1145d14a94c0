"""A real primary with a real streaming standby, whose replay a test holds in its hands."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from types import TracebackType
from typing import Any

import psycopg2

from erm_alembic.errors import ServerError
from erm_alembic.postgres.replay import commit_something, has_replayed, hold_replay, is_held, let_go_of_replay
from erm_alembic.routing.cluster import Cluster
from erm_alembic.routing.from_addresses import connect_cluster
from erm_alembic.routing.options import ReplicaConfig
from erm_alembic.testing.servers import PrivateServers, with_driver

__all__ = ["StreamingStandby"]

_PATIENCE = 60.0
# A test does not want to wait for news.
_INTERVAL = 0.1


class StreamingStandby:
    """A cluster of a primary and its streaming standby, for one database.

    Args:
        servers: where both run.
        dbname: the database.
        driver: the driver of synchronous sessions: `psycopg2` or `psycopg`.
        options: what else `connect_cluster` is told, such as `fallback_budget`.

    Raises:
        ServerError: a server cannot be started.
    """

    def __init__(self, servers: PrivateServers, dbname: str, driver: str = "psycopg2", **options: Any) -> None:
        self._servers = servers
        primary, standby = servers.primary, servers.standby
        # The standby may not have the database yet.
        self._primary_dsn, self._standby_dsn = primary.dsn("postgres"), standby.dsn("postgres")
        replica = ReplicaConfig("standby", with_driver(standby.dsn(dbname), driver))
        settings = {"monitor_interval": _INTERVAL, **options}
        self._held = False
        self.cluster: Cluster = connect_cluster(with_driver(primary.dsn(dbname), driver), [replica], **settings)
        try:
            self.wait()
        except BaseException:
            self.cluster.close()
            raise

    def pause(self) -> None:
        """Hold the replay: what is committed from now on is not seen on the standby until `resume()`.

        Raises:
            ServerError: the standby does not do so.
        """
        with closing(_autocommit(self._standby_dsn)) as connection, connection.cursor() as cursor:
            hold_replay(cursor)
            # One that has replayed everything stops before the next record.
            self._until(lambda: (self._commit_something(), is_held(cursor))[1], "hold its replay")
        self._held = True

    def resume(self) -> None:
        """Let the standby replay again; `wait()` waits until it has caught up.

        Raises:
            ServerError: the standby does not do so.
        """
        with closing(_autocommit(self._standby_dsn)) as connection, connection.cursor() as cursor:
            let_go_of_replay(cursor)
            self._until(lambda: not is_held(cursor), "replay again")
        self._held = False

    def wait(self) -> None:
        """Wait until the standby has replayed all that is committed, and the cluster knows of it.

        Raises:
            ServerError: the replay is held, or the standby does not catch up within a minute.
        """
        if self._held:
            raise ServerError(
                "The standby replays nothing while it is paused.",
                effect="It was not waited for.",
                cure="Call resume() before wait().",
            )
        position, moment = self._commit_something(), time.monotonic()
        with closing(_autocommit(self._standby_dsn)) as connection, connection.cursor() as cursor:
            self._until(lambda: has_replayed(cursor, position), "catch up")
        if not self.cluster.monitor.wait_for(lambda: self._is_known_as_of(moment), _PATIENCE):
            raise _late("come to be known as caught up to its cluster")

    def stop(self) -> None:
        """End the standby; its connections are cut."""
        self._servers.standby.stop()

    def start(self) -> None:
        """Start it again, and wait until it has caught up; a replay that was held goes on.

        Raises:
            ServerError: it does not start, or does not catch up within a minute.
        """
        self._servers.standby.ensure_running()
        self._held = False
        for node in self.cluster.replicas:
            node.renew(close=True)  # the connections were cut
        self.wait()

    def close(self) -> None:
        """Let go of the connections; leave the standby running, replaying and caught up for whoever comes next."""
        try:
            self._servers.standby.ensure_running()
            self.resume()
        finally:
            self.cluster.close()

    def __enter__(self) -> StreamingStandby:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _is_known_as_of(self, moment: float) -> bool:
        """Whether the cluster knows that the standby is there, and has all that was committed before a moment."""
        monitor = self.cluster.monitor
        replica = monitor.state.replicas.get("standby")
        if monitor.volatility is None or replica is None or not replica.reachable:
            return False
        return min(replica.seen_at or 0.0, replica.fresh_as_of or 0.0) >= moment

    def _commit_something(self) -> str:
        with closing(_autocommit(self._primary_dsn)) as connection, connection.cursor() as cursor:
            return commit_something(cursor)

    def _until(self, condition: Callable[[], object], what: str) -> None:
        deadline = time.monotonic() + _PATIENCE
        while not condition():
            if time.monotonic() > deadline:
                raise _late(what)
            time.sleep(0.005)


def _late(what: str) -> ServerError:
    return ServerError(
        f"The standby did not {what} within {_PATIENCE:g} s.",
        effect="The test cannot go on.",
        cure="Look at the load of the machine, and at the standby's log.",
    )


def _autocommit(dsn: str) -> Any:
    connection = psycopg2.connect(dsn)
    connection.autocommit = True
    return connection
