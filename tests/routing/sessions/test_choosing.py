"""Where sessions read: by a block, an option, a policy; within its limits, and when servers are away."""

from __future__ import annotations

import contextvars
import threading
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import scoped_session

from erm_alembic.errors import ConfigurationError
from erm_alembic.routing import (
    Cluster,
    FallbackBudget,
    NoReplicaAvailable,
    ReplicaReadOptions,
    WritePrevented,
    connect_cluster,
    primary,
    replica_policy,
    replica_read,
)
from tests.routing.applications import Application, User, on_replica, route
from tests.routing.servers import EAST, WEST, frozen
from tests.routing.sessions.asking import USERS, where


def test_without_a_choice_everything_goes_to_the_primary(cluster: Cluster) -> None:
    """Reads opt in."""
    assert where(cluster) == "primary"


def test_every_way_to_choose_chooses(cluster: Cluster) -> None:
    """Blocks, policies, options of a statement and of a call, of a session, its info, the default policy."""
    with replica_read(max_lag=60):
        assert where(cluster) in (EAST, WEST)
    with replica_policy("reporting"):
        assert where(cluster) in (EAST, WEST)
        with primary():
            assert where(cluster) == "primary"
    assert where(cluster, USERS.execution_options(replica_read="reporting")) in (EAST, WEST)
    assert where(cluster, execution_options={"replica_read": ReplicaReadOptions(max_lag=60)}) in (EAST, WEST)
    for make in (cluster.sessionmaker(read="reporting"), cluster.sessionmaker(info={"replica_read": True})):
        with make() as session:
            session.execute(USERS)
            assert on_replica(session)
            session.rollback()
            with replica_policy("never"):
                session.execute(USERS)
                assert route(session) == "primary"
    cluster.use_replica_policies("reporting", {"reporting": ReplicaReadOptions(max_lag="20s")})
    assert where(cluster) in (EAST, WEST)


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
        where(cluster)
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
    assert {where(cluster, USERS.execution_options(replica_read=True)) for _ in range(20)} == {EAST, WEST}
    limited = USERS.execution_options(replica_read=ReplicaReadOptions(max_lag=0.5))
    cluster.monitor.refresh()
    assert where(cluster, limited) in (WEST, "primary")
    explained = cluster.explain(USERS, ReplicaReadOptions(max_lag=0.5))
    assert explained.replicas[EAST] == "its lag is above the limit"


def test_a_limit_in_bytes_holds_too(app: Application, cluster: Cluster) -> None:
    """Whatever the time, no more of the log may be missing than that."""
    app.servers.pause(EAST)
    app.servers.pause(WEST)
    app.on_primary("SELECT pg_logical_emit_message(true, 'test', repeat('x', 100000))")
    cluster.monitor.refresh()
    assert where(cluster, USERS.execution_options(replica_read=ReplicaReadOptions(max_lag="1MB"))) in (EAST, WEST)
    assert where(cluster, USERS.execution_options(replica_read=ReplicaReadOptions(max_lag="64kB"))) == "primary"


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
        assert [where(cluster, needed) for _ in range(3)] == ["primary"] * 3
        with pytest.raises(NoReplicaAvailable, match="no replica is fresh enough"):
            where(cluster, needed)
        assert where(cluster) == "primary"


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
    assert where(cluster, USERS.execution_options(replica_read=True)) in (EAST, WEST)


def test_a_frozen_replica_does_not_hold_up_those_who_do_not_ask_it(app: Application, cluster: Cluster) -> None:
    """Once it does not answer the monitor, nobody asks it."""
    with frozen(app.servers.east):
        cluster.monitor.wait_for(lambda: not cluster.status().replicas[EAST].reachable or None, 30.0)
        places = {where(cluster, USERS.execution_options(replica_read=True)) for _ in range(10)}
        assert places == {WEST}


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
