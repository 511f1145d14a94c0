"""The servers of a cluster as an application uses them: one engine each, for either kind of session."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import Any, cast

from sqlalchemy import Dialect, Engine, create_engine, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.pool import Pool, QueuePool

from erm_alembic.config.dsn import DatabaseUrl
from erm_alembic.config.settings import PoolSettings
from erm_alembic.errors import ConfigurationError
from erm_alembic.postgres.engine import pooled_engine
from erm_alembic.postgres.logins import log_in_at_each_connection, without_login
from erm_alembic.routing.connections.by_hand import listen_to_commits
from erm_alembic.routing.connections.closing import close_at_return, dispose_within
from erm_alembic.routing.connections.connecting import connect_by_host, connect_timeout, with_connect_timeout
from erm_alembic.routing.connections.open_connections import OpenConnections
from erm_alembic.routing.connections.read_only import is_held, told
from erm_alembic.routing.connections.same_server import hold_to_server
from erm_alembic.routing.deciding.classify import Classifier
from erm_alembic.routing.deciding.reasons import Reason
from erm_alembic.routing.failures import READ_ONLY, is_in_recovery, sqlstate_of
from erm_alembic.routing.options import PRIMARY, ReplicaConfig

__all__ = ["Node", "NotARead", "PrimaryNode", "ReplicaNode"]


_log = logging.getLogger("erm_alembic.routing")

# So long a failure of a replica is the same one, in seconds.
_TOLD_AGAIN = 1.0
# What SQLAlchemy's own pool knows nothing of, and only that of psycopg2 does here.
_OF_PSYCOPG2 = ("min_conns", "max_conn_idle_time", "health_check_period")
# The execution options by which a result is fetched by and by, which takes a transaction.
_STREAMING = ("stream_results", "yield_per")
# The execution option of an engine that its user has asked for.
_BY_HAND = "erm_asked_for_by_hand"


class NotARead(Exception):
    """What the ORM made of a statement is not known to be a pure read; raised before it is sent to a replica.

    Args:
        reason: why it is not.
    """

    def __init__(self, reason: Reason) -> None:
        super().__init__(str(reason))
        self.reason = reason


class Node:
    """One server: its engines are made when they are first asked for, and are the same ever after.

    Args:
        name: what it is called.
        url: its address.
        pool: how many connections each engine holds, and for how long.
        options: what else `sqlalchemy.create_engine` is told.
    """

    def __init__(self, name: str, url: str | DatabaseUrl, pool: PoolSettings, options: Mapping[str, Any]) -> None:
        self.name = name
        self.url = DatabaseUrl.parse(url) if isinstance(url, str) else url
        self._pool, self._options = pool, dict(options)
        self._lock = threading.Lock()
        self._engines: dict[bool, Engine] = {}
        self._loop: asyncio.AbstractEventLoop | None = None  # which the asynchronous connections belong to
        self.open_connections = OpenConnections()
        self._former_pools: weakref.WeakSet[Pool] = weakref.WeakSet()

    def engine(self, asynchronous: bool = False) -> Engine:
        """Its engine; of an asynchronous one the engine within, which is what a session routes to.

        Args:
            asynchronous: whether an `AsyncSession` asks.
        """
        engine = self._engines.get(asynchronous)
        if engine is None:
            with self._lock:
                engine = self._engines.get(asynchronous)
                if engine is None:
                    engine = self._asynchronous() if asynchronous else self._synchronous()
                    self.prepare(engine)
                    if self.url.logins is not None and (asynchronous or self.url.driver == "psycopg"):
                        log_in_at_each_connection(engine, lambda: self.url)
                    self.open_connections.watch(engine)
                    if asynchronous:
                        event.listen(engine, "connect", self._remember_loop)
                    self._engines[asynchronous] = engine
        return engine

    def prepare(self, engine: Engine) -> None:
        """Set up an engine that was just made."""

    def located(self) -> DatabaseUrl:
        """Where a new connection goes."""
        return self.url

    def in_use(self, asynchronous: bool) -> int:
        """How many connections of its engine are in use."""
        engine = self._engines.get(asynchronous)
        return 0 if engine is None else cast(QueuePool, engine.pool).checkedout()

    def owns(self, engine: Engine) -> bool:
        """Whether an engine is one of this server's, or one with options of its own over the same connections."""
        return any(engine.pool is own.pool for own in list(self._engines.values()))

    def renew(self, *, close: bool) -> None:
        """Let go of the idle connections; those in use are closed when they come back.

        Args:
            close: False leaves them open, as after a fork, where they are the parent's.
        """
        for asynchronous, engine in list(self._engines.items()):
            if close and asynchronous:
                dispose_within(self._loop, engine)
            else:
                self._dispose(engine, close=close)
        if close:
            self.open_connections.expire()
        else:
            self.open_connections.forget()

    def _dispose(self, engine: Engine, *, close: bool = True) -> None:
        """Replace a synchronous pool; what was being opened in a former one came back there, and is closed now."""
        if not close:
            self._former_pools.clear()  # in a fork they are the parent's
        for pool in list(self._former_pools):
            pool.dispose()
        if close:
            self._former_pools.add(engine.pool)
        engine.dispose(close=close)

    def begin_in_child(self) -> None:
        """After a fork: the lock may be that of a thread that is not here, and the connections are the parent's."""
        self._lock, self._loop = threading.Lock(), None
        self.renew(close=False)

    async def aclose(self) -> None:
        """Close the idle connections of both kinds, within the loop of the asynchronous ones."""
        from sqlalchemy.ext.asyncio import AsyncEngine

        for asynchronous, engine in list(self._engines.items()):
            if asynchronous:
                await AsyncEngine(engine).dispose()
            else:
                self._dispose(engine)
        self.open_connections.expire()

    def _synchronous(self) -> Engine:
        if self.url.driver == "psycopg":
            url = with_connect_timeout(without_login(self.url)).sqlalchemy_url("postgresql+psycopg")
            return create_engine(url, **self._pool_arguments("psycopg"))
        return pooled_engine(
            self.url, self._pool, address=lambda: with_connect_timeout(self.located()), **self._options
        )

    def _asynchronous(self) -> Engine:
        from sqlalchemy.ext.asyncio import create_async_engine

        driver = _asynchronous_driver(self.url.driver)
        arguments = self._pool_arguments(driver)
        if driver == "asyncpg":
            patient = {"async_creator_fn": connect_by_host(connect_timeout(self.url))}
            arguments["connect_args"] = patient | arguments.get("connect_args", {})
        url = with_connect_timeout(without_login(self.url)).sqlalchemy_url(f"postgresql+{driver}")
        return create_async_engine(url, **arguments).sync_engine

    def _remember_loop(self, *_: Any) -> None:
        self._loop = asyncio.get_running_loop()

    def _pool_arguments(self, driver: str) -> dict[str, Any]:
        """What SQLAlchemy's own pool is told; the log names what was asked for and has no effect on it."""
        default = PoolSettings()
        unheeded = [name for name in _OF_PSYCOPG2 if getattr(self._pool, name) != getattr(default, name)]
        if unheeded:
            _log.warning(
                "%s %s no effect on the connections of %s to %r: psycopg2's alone are looked after in this way",
                " and ".join(unheeded),
                "has" if len(unheeded) == 1 else "have",
                driver,
                self.name,
            )
        return {
            "pool_size": self._pool.max_conns,
            "max_overflow": 0,
            "pool_use_lifo": True,
            "pool_recycle": self._pool.max_conn_lifetime.total_seconds(),
            **self._options,
        }


class PrimaryNode(Node):
    """The primary: that it is none any more is noticed at the first write that is refused.

    Its engines are the same wherever it moves: a transaction that is under way must not get a second one.

    Args:
        url: its address.
        pool: how many connections each engine holds, and for how long.
        options: what else `sqlalchemy.create_engine` is told.
    """

    # Called before a connection is opened, where somebody searches for the primary.
    locate: Callable[[], object] | None = None
    # Called before something is committed that no session of the cluster's has looked at; its answer, after that.
    begins_commit: Callable[[], Callable[[], None] | None] = staticmethod(lambda: None)

    def __init__(self, url: str | DatabaseUrl, pool: PoolSettings, options: Mapping[str, Any]) -> None:
        super().__init__(PRIMARY, url, pool, options)

    def prepare(self, engine: Engine) -> None:
        """Let a write that a standby refused count as a lost connection, so that the whole pool is replaced."""
        event.listen(engine, "handle_error", _disconnect_from_standby)
        event.listen(engine, "handle_error", told)
        event.listen(engine, "do_connect", self._lead)
        listen_to_commits(engine, lambda: self.begins_commit())

    def located(self) -> DatabaseUrl:
        """Where the primary is now."""
        if self.locate is not None:
            self.locate()
        return self.url

    def move_to(self, url: DatabaseUrl) -> bool:
        """Let new connections go to another server; whether it is another one. Those that are open, `renew` ends."""
        if url == self.url:
            return False
        self.url = url
        return True

    def _lead(self, dialect: Dialect, _record: Any, _arguments: Any, parameters: dict[str, Any]) -> None:
        """Let a driver connect to where the primary is now."""
        if self.locate is None:
            return
        url = without_login(self.located()).sqlalchemy_url(f"postgresql+{dialect.driver}")
        current = dialect.create_connect_args(url)[1]
        for keyword in ("host", "port", "hostaddr"):
            parameters.pop(keyword, None)
            if keyword in current:
                parameters[keyword] = current[keyword]


class ReplicaNode(Node):
    """A replica: its connections have no transactions, so that none stands in the way of its replay.

    Args:
        config: what was said of it.
        url: its address.
        pool: how many connections each engine holds.
        options: what else the engine is told.
        classifier: looks at each statement as it is sent.
        on_engine: told of each engine that was made for it; None tells nobody.
        known_start: says when the server was started of which the monitor has heard; None while that is not known.
    """

    def __init__(
        self,
        config: ReplicaConfig,
        url: str | DatabaseUrl,
        pool: PoolSettings,
        options: Mapping[str, Any],
        classifier: Classifier,
        on_engine: Callable[[Engine], None] | None = None,
        known_start: Callable[[], float | None] | None = None,
    ) -> None:
        execution = dict(options.get("execution_options") or {})
        execution.pop("isolation_level", None)
        self._streaming = {key: execution.pop(key) for key in _STREAMING if key in execution}
        own = {"isolation_level": "AUTOCOMMIT", "execution_options": execution}
        super().__init__(config.name, url, pool, {**options, **own})
        self.streams = any(self._streaming.values())  # whether all its results are to be fetched by and by
        self.config, self.limit = config, config.limit
        self._on_engine, self._known_start = on_engine, known_start
        self.failed_at = float("-inf")  # by time.monotonic(); the monitor's next good news makes up for it
        self._classifier = classifier
        self._derived: dict[tuple[bool, str], Engine] = {}
        self._retired = False

    def failed(self) -> None:
        """Take it out of the choice until the monitor has heard of it again."""
        now = time.monotonic()
        if now - self.failed_at > _TOLD_AGAIN:  # several sessions find it out at once
            _log.warning(
                "replica %r failed a read: it is left alone until the monitor has heard of it again", self.name
            )
        self.failed_at = max(self.failed_at, now)

    def retire(self) -> None:
        """Take it out of the choice for good; its connections are closed, those in use when they come back."""
        self.failed_at = float("inf")
        with self._lock:
            self._retired = True
            engines = list(self._engines.items())
        for asynchronous, engine in engines:
            event.listen(engine, "checkin", close_at_return)
            if not asynchronous:
                engine.dispose()
            else:
                dispose_within(self._loop, engine)

    def snapshot_engine(self, asynchronous: bool) -> Engine:
        """The same connections, with one snapshot for each transaction."""
        return self._with("snapshot", asynchronous, isolation_level="REPEATABLE READ")

    def streaming_engine(self, asynchronous: bool) -> Engine:
        """The same connections with a transaction for the cursor on the server, and a snapshot for each statement."""
        return self._with("streaming", asynchronous, isolation_level="READ COMMITTED", **self._streaming)

    def reading_engine(self, *, snapshot: bool) -> Engine:
        """The same for code that has asked for a replica by itself, and knows what it sends: text is let through.

        Args:
            snapshot: one snapshot for each transaction.
        """
        if snapshot:
            return self._with("snapshot by hand", False, isolation_level="REPEATABLE READ", **{_BY_HAND: True})
        return self._with("by hand", False, **{_BY_HAND: True})

    def _with(self, what: str, asynchronous: bool, **options: Any) -> Engine:
        engine = self._derived.get((asynchronous, what))
        if engine is None:
            engine = self.engine(asynchronous).execution_options(**options)
            # Two threads may make one each; both stand for the same pool.
            engine = self._derived.setdefault((asynchronous, what), engine)
        return engine

    def prepare(self, engine: Engine) -> None:
        """Let nothing pass that is not known to be a read once the ORM has finished it."""
        event.listen(engine, "before_cursor_execute", _only_reads(self._classifier))
        if self._known_start is not None:
            hold_to_server(engine, self.name, self._known_start)
        if self._retired:
            event.listen(engine, "checkin", close_at_return)
        if self._on_engine is not None:
            self._on_engine(engine)


def _only_reads(classifier: Classifier) -> Callable[..., None]:
    def look(_connection: Any, _cursor: Any, _statement: str, _parameters: Any, context: Any, _many: bool) -> None:
        if context.execution_options.get(_BY_HAND):
            return
        reason = classifier.why_not_sent(context.compiled)
        if reason is not None:
            raise NotARead(reason)

    return look


def _disconnect_from_standby(context: ExceptionContext) -> None:
    if context.connection is None or sqlstate_of(context.sqlalchemy_exception or Exception()) != READ_ONLY:
        return
    # A transaction that was made read-only on purpose is refused in the same words, on a healthy primary.
    in_recovery = is_in_recovery(context.connection.connection.driver_connection)
    if in_recovery or (in_recovery is None and not is_held(context.execution_context)):
        context.is_disconnect = True


def _asynchronous_driver(asked: str) -> str:
    if asked in ("asyncpg", "psycopg"):
        return asked
    if asked == "psycopg_async":
        return "psycopg"
    for driver in ("asyncpg", "psycopg"):
        if find_spec(driver) is not None:
            return driver
    raise ConfigurationError(
        "No driver for asynchronous sessions is installed.",
        cure="Install one: pip install 'erm-alembic[async]' brings asyncpg; psycopg is understood too.",
    )
