"""What applications ask of sessions: policies, options, fallback, tokens, waiting; on a primary with two standbys."""

from __future__ import annotations

import contextvars
import pickle
import threading
from collections.abc import Iterator
from typing import Any

import psycopg2
import pytest
import sqlalchemy as sa
from sqlalchemy.orm import scoped_session

from erm_alembic.errors import ConfigurationError
from erm_alembic.routing import (
    Cluster,
    FallbackBudget,
    NoReplicaAvailable,
    ReplicaConfig,
    ReplicaReadOptions,
    StaleReplicaWrite,
    WritePrevented,
    causal,
    connect_cluster,
    primary,
    replica_policy,
    replica_read,
)
from erm_alembic.routing.scope import CausalScope
from erm_alembic.routing.tokens import read_token, write_token
from tests.routing.applications import Application, Post, User, application, on_replica, route
from tests.routing.servers import EAST, WEST, Servers, frozen

USERS = sa.select(User)


@pytest.fixture
def app(newest_servers: Servers) -> Iterator[Application]:
    """An application on the driver that erm itself uses."""
    with application(newest_servers, "psycopg2") as app:
        yield app


@pytest.fixture
def cluster(app: Application) -> Iterator[Cluster]:
    """Its cluster, with both replicas fresh and two policies."""
    with app.cluster() as cluster:
        policies = {
            "reporting": ReplicaReadOptions(max_lag="20s"),
            "critical-read": ReplicaReadOptions(max_lag="5s", disable_fallback=True),
            "never": None,
        }
        yield cluster.use_replica_policies(None, policies)


def _where(cluster: Cluster, statement: Any = USERS, **options: Any) -> str:
    """Where a new session's read goes."""
    with cluster.sessionmaker()() as session:
        session.execute(statement, **options).all()
        return route(session)


def test_without_a_choice_everything_goes_to_the_primary(cluster: Cluster) -> None:
    """Reads opt in."""
    assert _where(cluster) == "primary"


def test_every_way_to_choose_chooses(cluster: Cluster) -> None:
    """Blocks, policies, options of a statement and of a call, of a session, its info, the default policy."""
    with replica_read(max_lag=60):
        assert _where(cluster) in (EAST, WEST)
    with replica_policy("reporting"):
        assert _where(cluster) in (EAST, WEST)
        with primary():
            assert _where(cluster) == "primary"
    assert _where(cluster, USERS.execution_options(replica_read="reporting")) in (EAST, WEST)
    assert _where(cluster, execution_options={"replica_read": ReplicaReadOptions(max_lag=60)}) in (EAST, WEST)
    for make in (cluster.sessionmaker(read="reporting"), cluster.sessionmaker(info={"replica_read": True})):
        with make() as session:
            session.execute(USERS)
            assert on_replica(session)
            session.rollback()
            with replica_policy("never"):
                session.execute(USERS)
                assert route(session) == "primary"
    cluster.use_replica_policies("reporting", {"reporting": ReplicaReadOptions(max_lag="20s")})
    assert _where(cluster) in (EAST, WEST)


@pytest.mark.parametrize("wrong", ["reportign", 5, object()])
def test_a_choice_that_is_none_is_an_error(wrong: Any, cluster: Cluster) -> None:
    """Never the default in silence."""
    with pytest.raises(ConfigurationError), cluster.sessionmaker()() as session:
        session.execute(USERS, execution_options={"replica_read": wrong})
    with pytest.raises(ConfigurationError):
        cluster.sessionmaker(read=wrong)()


def test_an_unknown_policy_names_the_known_ones(cluster: Cluster) -> None:
    """A typo is told with what was meant."""
    with pytest.raises(ConfigurationError) as told, replica_policy("reportign"):
        _where(cluster)
    assert told.value.what == (
        "There is no replica policy 'reportign'; did you mean 'reporting'? "
        "The cluster has: reporting, critical-read, never."
    )


def test_a_session_that_was_made_in_a_block_is_in_it_where_the_context_is_another(cluster: Cluster) -> None:
    """As in a thread of a pool; and no longer than the block lasts."""
    found: list[str] = []

    def read() -> None:
        session.execute(USERS)
        found.append(route(session))
        session.rollback()

    def elsewhere() -> None:
        thread = threading.Thread(target=contextvars.Context().run, args=(read,))
        thread.start()
        thread.join()

    with replica_read():
        session = cluster.sessionmaker()()
        elsewhere()
    elsewhere()
    assert found[0] in (EAST, WEST) and found[1] == "primary"
    session.close()


def test_a_replica_beyond_the_limit_is_not_read_from(app: Application, cluster: Cluster) -> None:
    """A held replay counts from the first write that it has not replayed; the other replica is taken."""
    app.servers.pause(EAST)
    app.servers.write()
    cluster.monitor.wait_for(lambda: (cluster.status().replicas[EAST].lag or 0) > 0.5 or None, 30.0)
    assert {_where(cluster, USERS.execution_options(replica_read=True)) for _ in range(20)} == {EAST, WEST}
    limited = USERS.execution_options(replica_read=ReplicaReadOptions(max_lag=0.5))
    cluster.monitor.refresh()
    assert _where(cluster, limited) in (WEST, "primary")
    explained = cluster.explain(USERS, ReplicaReadOptions(max_lag=0.5))
    assert explained.replicas[EAST] == "its lag is above the limit"


def test_a_limit_in_bytes_holds_too(app: Application, cluster: Cluster) -> None:
    """Whatever the time, no more of the log may be missing than that."""
    app.servers.pause(EAST)
    app.servers.pause(WEST)
    app.on_primary("SELECT pg_logical_emit_message(true, 'test', repeat('x', 100000))")
    cluster.monitor.refresh()
    assert _where(cluster, USERS.execution_options(replica_read=ReplicaReadOptions(max_lag="1MB"))) in (EAST, WEST)
    assert _where(cluster, USERS.execution_options(replica_read=ReplicaReadOptions(max_lag="64kB"))) == "primary"


def test_a_policy_without_fallback_refuses_at_selection(app: Application, cluster: Cluster) -> None:
    """And says what to look at; the session goes on."""
    app.servers.east.stop("immediate")
    app.servers.west.stop("immediate")
    cluster.monitor.wait_for(lambda: not any(r.reachable for r in cluster.status().replicas.values()) or None, 30.0)
    with cluster.sessionmaker()() as session:
        with pytest.raises(NoReplicaAvailable) as refused, replica_policy("critical-read"):
            session.execute(USERS)
        assert str(refused.value) == "No replica can answer the policy 'critical-read': no replica is fresh enough."
        with replica_policy("reporting"):
            session.execute(USERS)
        assert route(session) == "primary"


def test_a_budget_bounds_what_falls_back(app: Application) -> None:
    """So that a dying replica set does not bring the primary down too."""
    with app.cluster(fallback_budget=FallbackBudget(share=0.0, at_least=3)) as cluster:
        app.servers.pause(EAST)
        app.servers.pause(WEST)
        app.servers.write()
        needed = USERS.execution_options(replica_read=ReplicaReadOptions(max_lag=0))
        assert [_where(cluster, needed) for _ in range(3)] == ["primary"] * 3
        with pytest.raises(NoReplicaAvailable, match="no replica is fresh enough"):
            _where(cluster, needed)
        assert _where(cluster) == "primary"


def test_replicas_that_die_are_replaced_by_each_other_and_then_by_the_primary(
    app: Application, cluster: Cluster
) -> None:
    """Invisibly, before anything of the transaction was seen; before the monitor has noticed too."""
    with cluster.sessionmaker(read=True)() as session:
        assert len(session.scalars(USERS).all()) == 1
        first = route(session)
        session.rollback()
        app.servers.standbys[first].stop("immediate")
        for _ in range(5):
            assert len(session.scalars(USERS).all()) == 1
            assert route(session) not in (first, "primary")
            session.rollback()
        app.servers.standbys[EAST if first == WEST else WEST].stop("immediate")
        assert len(session.scalars(USERS).all()) == 1
        assert route(session) == "primary"
        session.add(User(id=2, name="Grace"))
        session.commit()


def test_a_query_that_stands_in_the_way_of_the_replay_is_asked_again(app: Application, cluster: Cluster) -> None:
    """A recovery conflict (40001) is no fault of the query's, nor the end of the replica."""
    app.on_primary(
        "CREATE OR REPLACE FUNCTION conflicts() RETURNS int LANGUAGE plpgsql STABLE AS $$ BEGIN"
        " IF pg_is_in_recovery() THEN RAISE EXCEPTION 'conflict' USING ERRCODE = '40001'; END IF; RETURN 1; END $$"
    )
    app.settle(cluster)
    learned = cluster.monitor.volatility
    cluster.monitor.read_catalogs()
    cluster.monitor.wait_for(lambda: cluster.monitor.volatility is not learned or None, 30.0)
    with cluster.sessionmaker(read=True)() as session:
        assert session.scalar(sa.select(sa.func.conflicts())) == 1
        assert route(session) == "primary"
    assert _where(cluster, USERS.execution_options(replica_read=True)) in (EAST, WEST)


def test_a_frozen_replica_does_not_hold_up_those_who_do_not_ask_it(app: Application, cluster: Cluster) -> None:
    """Once it does not answer the monitor, nobody asks it."""
    with frozen(app.servers.east):
        cluster.monitor.wait_for(lambda: not cluster.status().replicas[EAST].reachable or None, 30.0)
        where = {_where(cluster, USERS.execution_options(replica_read=True)) for _ in range(10)}
        assert where == {WEST}


def test_writes_can_be_prevented(cluster: Cluster) -> None:
    """So that a test catches a write where only reads were meant; nothing is sent."""
    with cluster.sessionmaker()() as session, replica_read(prevent_writes=True):
        session.scalars(USERS).all()
        for write in (sa.insert(User).values(id=2, name="x"), sa.select(User).with_for_update()):
            with pytest.raises(WritePrevented):
                session.execute(write)
        session.add(User(id=2, name="x"))
        with pytest.raises(WritePrevented):
            session.flush()
        session.rollback()
        assert len(session.scalars(USERS).all()) == 1


def test_a_token_lets_another_process_read_what_was_written(app: Application, cluster: Cluster) -> None:
    """Where no replica has replayed it the primary answers; once one has, it does."""
    app.servers.pause(EAST)
    app.servers.pause(WEST)
    with cluster.sessionmaker()() as writer:
        assert writer.causal_token is None
        writer.scalars(USERS).all()
        writer.commit()
        assert writer.causal_token is None  # it has written nothing
        writer.add(User(id=2, name="Grace"))
        writer.commit()
        token = writer.causal_token
    with connect_cluster(  # as in another process: it knows nothing of the commit
        app.url(app.servers.primary),
        [ReplicaConfig(name, app.url(standby)) for name, standby in app.servers.standbys.items()],
        monitor_interval=0.2,
    ) as other:
        other.status()
        other.monitor.wait_for(lambda: other.monitor.volatility, 30.0)
        other.monitor.refresh()
        with causal(token), replica_read():
            assert _where(other) == "primary"
            app.servers.resume(EAST)
            app.servers.catch_up(EAST)
            other.monitor.refresh()
            assert _where(other) == EAST


def test_a_token_of_another_history_asks_for_the_primary(cluster: Cluster) -> None:
    """After a failover nobody knows whether a replica has what the token stands for."""
    here = cluster.router.position()
    foreign = [
        write_token(type(here)(here.system, here.timeline + 1, 1)),
        write_token(type(here)(here.system ^ 1, here.timeline, 1)),
        "unreadable",
    ]
    for token in foreign:
        with causal(token), replica_read():
            assert _where(cluster) == "primary"
    with causal(write_token(type(here)(here.system, here.timeline, 1))), replica_read():
        assert _where(cluster) in (EAST, WEST)


def test_waiting_for_a_replica_ends_when_one_is_there(app: Application, cluster: Cluster) -> None:
    """And with the primary when none comes in time."""
    app.servers.pause(EAST)
    app.servers.pause(WEST)
    with cluster.sessionmaker(read=ReplicaReadOptions(max_wait=30))() as session:
        session.add(User(id=2, name="Grace"))
        session.commit()
        resumed = threading.Timer(0.0, app.servers.resume, [EAST])
        resumed.start()
        assert len(session.scalars(USERS).all()) == 2
        assert route(session) == EAST
        resumed.join()
    with cluster.sessionmaker(read=ReplicaReadOptions(max_wait="10ms"))() as session:
        app.servers.pause(EAST)
        session.add(User(id=3, name="Edsger"))
        session.commit()
        assert len(session.scalars(USERS).all()) == 3
        assert route(session) == "primary"


@pytest.mark.parametrize("way", ["another session", "pickled"])
def test_an_object_is_known_to_be_stale_wherever_it_goes(way: str, app: Application, cluster: Cluster) -> None:
    """One session loads it from a replica, another one writes it."""
    app.servers.pause(EAST)
    app.servers.pause(WEST)
    app.on_primary("UPDATE users SET score = 100")
    with cluster.sessionmaker(read=True)() as session:
        ada = session.get_one(User, 1)
        assert on_replica(session)
    if way == "pickled":
        ada = pickle.loads(pickle.dumps(ada))
    with cluster.sessionmaker()() as other:
        other.add(ada)
        ada.score += 1
        with pytest.raises(StaleReplicaWrite):
            other.commit()


def test_a_commit_that_nobody_knows_of_counts_as_one(app: Application, cluster: Cluster) -> None:
    """The connection is lost before the answer comes: who looks whether it is there, looks where it is if it is."""
    app.servers.pause(EAST)
    app.servers.pause(WEST)

    def lose_the_answer(connection: sa.Connection) -> None:
        connection.connection.driver_connection.commit()
        raise psycopg2.OperationalError("server closed the connection unexpectedly")

    sa.event.listen(cluster.writer(), "commit", lose_the_answer)
    try:
        with cluster.sessionmaker(read=True)() as session:
            session.add(User(id=2, name="Grace"))
            with pytest.raises(psycopg2.OperationalError):
                session.commit()
            session.rollback()
            assert session.scalars(sa.select(User.name).where(User.id == 2)).all() == ["Grace"]
            assert route(session) == "primary"
            assert session.causal_token is not None
    finally:
        sa.event.remove(cluster.writer(), "commit", lose_the_answer)


def test_the_sessions_of_a_unit_of_work_see_each_others_commits(app: Application, cluster: Cluster) -> None:
    """And what it wrote is one token."""
    app.servers.pause(EAST)
    app.servers.pause(WEST)
    with CausalScope(cluster) as scope:
        assert scope.token() is None
        with cluster.sessionmaker()() as session:
            session.add(User(id=2, name="Grace"))
            session.commit()
        with replica_read():
            assert _where(cluster) == "primary"
        token = scope.token()
    assert token is not None and read_token(token) is not None
    with replica_read():
        assert _where(cluster) in (EAST, WEST)


def test_one_snapshot_can_hold_for_a_transaction(app: Application, cluster: Cluster) -> None:
    """For a report whose parts have to fit together."""
    with cluster.sessionmaker(read=ReplicaReadOptions(snapshot=True))() as session:
        count = sa.select(sa.func.count()).select_from(Post)
        assert session.scalar(count) == 2
        where = route(session)
        app.on_primary("DELETE FROM posts")
        app.servers.catch_up()
        assert (session.scalar(count), route(session)) == (2, where)
        session.rollback()
        assert session.scalar(count) == 0


def test_a_snapshot_stays_what_it_was_taken_for(app: Application, cluster: Cluster) -> None:
    """It grows older with the transaction, and that is what was asked for; the next one is taken anew."""
    with cluster.sessionmaker(read=ReplicaReadOptions(snapshot=True, max_lag="0B"))() as session:
        count = sa.select(sa.func.count()).select_from(Post)
        assert session.scalar(count) == 2
        where = route(session)
        assert where in (EAST, WEST)
        app.servers.pause(where)
        app.on_primary("DELETE FROM posts")
        cluster.monitor.refresh()
        assert cluster.status().replicas[where].lag_bytes
        assert (session.scalar(count), route(session)) == (2, where)
        session.rollback()
        assert session.scalar(count) == 0
        assert route(session) != where


def test_a_snapshot_that_is_lost_is_not_replaced_by_another(app: Application, cluster: Cluster) -> None:
    """What was read so far would not fit to it; after the rollback the session goes on."""
    with cluster.sessionmaker(read=ReplicaReadOptions(snapshot=True))() as session:
        session.scalars(USERS).all()
        assert on_replica(session)
        app.servers.standbys[route(session)].execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = %s AND backend_type = %s"
            " AND application_name <> 'erm routing'",
            app.dbname,
            "client backend",
        )
        with pytest.raises(sa.exc.DBAPIError) as lost:
            session.scalars(USERS).all()
        assert lost.value.connection_invalidated
        with pytest.raises(sa.exc.PendingRollbackError):
            session.scalars(USERS).all()
        session.rollback()
        assert len(session.scalars(USERS).all()) == 1
        session.add(User(id=2, name="Grace"))
        session.commit()


def test_an_idle_connection_that_was_lost_is_no_error_of_the_next_snapshot(app: Application, cluster: Cluster) -> None:
    """A driver may find that out before anything is executed, and say it in words that SQLAlchemy does not wrap."""
    with cluster.sessionmaker(read=ReplicaReadOptions(snapshot=True))() as session:
        for _ in range(4):
            assert len(session.scalars(USERS).all()) == 1
            assert on_replica(session)
            replica = app.servers.standbys[route(session)]
            session.rollback()
            replica.execute(
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = %s AND backend_type = %s"
                " AND application_name <> 'erm routing'",
                app.dbname,
                "client backend",
            )
            session.scalars(USERS).all()
            session.rollback()
            cluster.monitor.refresh()
    for node in cluster.replicas:
        assert node.in_use(False) == 0


@pytest.mark.parametrize("end", ["commit", "rollback"])
def test_a_replica_has_nothing_to_say_about_the_end_of_a_transaction(
    end: str, app: Application, cluster: Cluster
) -> None:
    """It may be lost by then, with a snapshot and a cursor open: what is written to the primary is, or is not, written
    all the same, and the session knows it."""
    with cluster.sessionmaker(read=ReplicaReadOptions(snapshot=True))() as session:
        session.scalars(USERS.execution_options(yield_per=1))
        replica = app.servers.standbys[route(session)]
        session.add(User(id=2, name="Grace"))
        session.flush()
        replica.execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = %s AND backend_type = %s"
            " AND application_name <> 'erm routing'",
            app.dbname,
            "client backend",
        )
        getattr(session, end)()
        assert (session.causal_token is not None) == (end == "commit")
        assert app.on_primary("SELECT count(*) FROM users") == [(2 if end == "commit" else 1,)]
    for node in cluster.replicas:
        assert node.in_use(False) == 0


def test_a_cluster_without_replicas_is_the_same_with_one_server(app: Application) -> None:
    """The same API, no thread, nothing refused."""
    with connect_cluster(app.url(app.servers.primary)) as cluster:
        cluster.use_replica_policies("strict", {"strict": ReplicaReadOptions(max_lag=1, disable_fallback=True)})
        with cluster.sessionmaker()() as session, replica_read(disable_fallback=True):
            assert len(session.scalars(USERS).all()) == 1
            assert route(session) == "primary"
            session.add(User(id=2, name="Grace"))
            session.commit()
            assert session.causal_token is not None
        assert cluster.reader() is cluster.writer()
        assert not cluster.monitor.running


def test_engines_can_be_asked_for(cluster: Cluster) -> None:
    """For code without sessions."""
    with cluster.reader("reporting").connect() as connection:
        assert connection.scalar(sa.text("SELECT pg_is_in_recovery()")) is True
    with cluster.writer().connect() as connection:
        assert connection.scalar(sa.text("SELECT pg_is_in_recovery()")) is False
    assert cluster.reader("never") is cluster.writer()


def test_scoped_sessions_route_too(cluster: Cluster) -> None:
    """The registry only passes on."""
    registry = scoped_session(cluster.sessionmaker(read=True))
    assert len(registry.scalars(USERS).all()) == 1
    assert on_replica(registry())
    registry.remove()


def test_the_load_is_spread_by_weight(app: Application) -> None:
    """A replica with no connection in use is taken rather than one that is busy."""
    with app.cluster() as cluster:
        sessions = [cluster.sessionmaker(read=True)() for _ in range(8)]
        routes = []
        for session in sessions:
            session.scalars(USERS).all()
            routes.append(route(session))
        assert routes.count(EAST) == routes.count(WEST) == 4
        for session in sessions:
            session.close()
