"""A cluster that was made before a fork, as by a server that loads the application first, serves every child of it."""

from __future__ import annotations

import json
import os
import signal
import traceback
from collections.abc import Callable
from contextlib import ExitStack
from threading import Event, Thread
from typing import Any

import pytest
import sqlalchemy as sa

from erm_alembic.postgres.engine import keeper_of
from erm_alembic.routing import (
    Cluster,
    FallbackBudget,
    ReplicaConfig,
    ReplicaReadOptions,
    causal,
    connect_cluster,
    replica_read,
)
from erm_alembic.routing.deciding.reasons import Reason, Why
from erm_alembic.routing.discovery import Found
from erm_alembic.routing.watching.changes import Change
from tests.routing.applications import SYNCHRONOUS, User, application, on_replica, route
from tests.routing.servers import EAST, PATIENCE, WEST, Servers, until

PID = sa.select(sa.func.pg_backend_pid())


def in_child(work: Callable[[], Any]) -> Callable[[], Any]:
    """Start a child that does something; what is returned waits for what it says."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        said: Any = None
        try:
            said = {"done": work()}
        except BaseException:
            said = {"failed": traceback.format_exc()}
        finally:
            os.write(writing, json.dumps(said).encode())
            os._exit(0)
    os.close(writing)

    def wait() -> Any:
        with os.fdopen(reading) as stream:
            said = json.loads(stream.read())
        os.waitpid(child, 0)
        assert "failed" not in said, said["failed"]
        return said["done"]

    return wait


def serve(cluster: Cluster, name: str) -> dict[str, Any]:
    """What a worker does with its requests: write, read it again, read from a replica."""
    make = cluster.sessionmaker()
    with make() as session:
        first = session.scalar(PID)
        session.rollback()
        with replica_read(max_lag=5):
            session.scalars(sa.select(User)).all()
        unknown = route(session)
        session.rollback()
        session.add(User(name=name))
        session.commit()
        token = session.causal_token
    cluster.monitor.wait_for(lambda: cluster.monitor.volatility, PATIENCE)
    with make() as session, causal(token), replica_read(max_wait=PATIENCE):
        names = list(session.scalars(sa.select(User.name)))
        there = route(session)
    cluster.close()
    return {"pid": first, "before any news": unknown, "sees itself": name in names, "read from": there}


def test_a_child_waits_for_no_lock_of_its_parents_threads() -> None:
    """Whatever they were at when it was forked: they are not there to let go of it."""
    replicas = [ReplicaConfig(EAST, "postgresql://app@/nobody?host=/nonexistent")]
    budget = FallbackBudget(share=0.5)
    with connect_cluster("postgresql://app@/nobody?host=/nonexistent", replicas, fallback_budget=budget) as cluster:
        node = cluster.replicas[0]
        cluster.primary.engine()
        keeper = keeper_of(cluster.primary.engine())

        reactions = cluster._reactions
        assert reactions is not None

        def use() -> int:
            # A lock that nobody lets go of would be waited for until this ends the child.
            signal.alarm(20)
            cluster.router.count_read()
            cluster.router.fall_back(ReplicaReadOptions().mode, Reason(Why.NONE_FRESH))
            reactions.noticed(Change(EAST, "reachable", False, 0.0))
            for each in (cluster.primary, node):
                each.engine()
                each.open_connections.terminate()
                node.retire()
            cluster.monitor.follow({})
            cluster.monitor.start()
            cluster._members.take(Found(), cluster.monitor)
            cluster.close()
            return 1

        assert cluster.router.budget is not None
        locks: list[Any] = [cluster.router.budget, cluster._reactions, cluster._members, cluster.monitor, keeper]
        locks += [cluster.monitor._links, cluster.primary, node]
        locks += [each.open_connections for each in (cluster.primary, node)]

        def work(held: Event, done: Event) -> None:
            with ExitStack() as stack:
                for each in locks:
                    stack.enter_context(each._lock)
                held.set()
                done.wait(60)

        held, done = Event(), Event()
        thread = Thread(target=work, args=(held, done))
        thread.start()
        assert held.wait(60)
        wait = in_child(use)
        done.set()
        assert wait() == 1
        thread.join()


@pytest.mark.parametrize("driver", SYNCHRONOUS)
def test_the_children_of_a_process_serve_as_it_does(driver: str, newest_servers: Servers) -> None:
    """Three at once, forked while connections are open, in use and idle: each has its own, knows nothing at first and
    so asks the primary, reads its own writes from a replica then; and the parent's connections stay its own."""
    with application(newest_servers, driver) as app, app.cluster() as cluster:
        app.on_primary("SELECT setval('users_id_seq', 1)")
        make = cluster.sessionmaker()
        with make() as idle, replica_read():
            idle.scalars(sa.select(User)).all()
            assert on_replica(idle)
        with make() as used:
            parents = used.scalar(PID)
            children = [in_child(lambda name=name: serve(cluster, name)) for name in ("a", "b", "c")]
            said = [wait() for wait in children]
            # Its transaction went on all the time.
            assert used.scalar(PID) == parents
            used.commit()
        assert [each["before any news"] for each in said] == ["primary"] * 3
        assert all(each["sees itself"] for each in said)
        assert {each["read from"] for each in said} <= {EAST, WEST}
        assert len({parents, *(each["pid"] for each in said)}) == 4
        app.settle(cluster)
        with make() as session, replica_read(max_lag=5):
            assert session.scalars(sa.select(User.name)).all().count("a") == 1
            assert on_replica(session)
        assert app.on_primary("SELECT count(*) FROM users") == [(4,)]
    for server in (newest_servers.primary, *newest_servers.standbys.values()):
        count = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND application_name <> 'erm routing'"
        until(lambda server=server, count=count: server.execute(count, app.dbname) == [(0,)])
