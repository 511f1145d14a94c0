"""How long an application does without, when a standby is killed and when the primary is."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import sqlalchemy as sa

from erm_alembic.routing import Cluster, ReplicaConfig, RoutingSession, connect_cluster
from erm_alembic.routing.need import NOTHING_NEEDED
from tests.routing.applications import Base, User
from tests.support.load.topology import Member, Topology
from tests.support.waiting import until

__all__ = ["Outage", "measure_recovery"]

_PAUSE = 0.001


@dataclass(frozen=True)
class Outage:
    """How long something could not be done, over several rounds, in seconds.

    Args:
        what: what could not be done, and since when.
        seconds: of each round.
        errors: how many errors the application saw in all rounds.
    """

    what: str
    seconds: tuple[float, ...]
    errors: int

    @property
    def median(self) -> float:
        """Of all rounds."""
        return statistics.median(self.seconds)

    @property
    def worst(self) -> float:
        """Of all rounds."""
        return max(self.seconds)


def measure_recovery(servers: Topology, rounds: int) -> list[Outage]:
    """Kill, and see when the next one answers.

    Args:
        servers: a primary and standbys, all well; roles are exchanged, and they are well again afterwards.
        rounds: how often each is done.
    """
    engine = sa.create_engine(servers.address([servers.virtual], "psycopg2"))
    Base.metadata.create_all(engine)
    engine.dispose()
    servers.settle()
    members = list(servers.members.values())
    everywhere = servers.address([member.writes for member in members], "psycopg2", target_session_attrs="read-write")
    found = [
        _lost_standby(servers, rounds, "killed (-9)", servers.kill, servers.start),
        _lost_standby(servers, max(1, rounds // 3), "stopped where it stands (SIGSTOP)", servers.freeze, servers.thaw),
    ]
    replicas = [ReplicaConfig(each.name, servers.address([each.reads], "psycopg2")) for each in members]
    with connect_cluster(everywhere, replicas) as cluster:
        return [*found, *_killed_primary(servers, cluster, rounds)]


def _ready(servers: Topology, cluster: Cluster) -> None:
    """Wait until all is well, and the cluster knows it."""
    servers.settle()
    cluster.status()
    assert cluster.monitor.wait_for(lambda: cluster.monitor.volatility, 30.0)
    standbys = {member.name for member in servers.standbys}

    def are_fit() -> bool:
        objections = cluster.objections(NOTHING_NEEDED)
        return not any(objection for name, objection in objections.items() if name in standbys)

    assert cluster.monitor.wait_for(are_fit, 30.0)


def _reads_from(session: RoutingSession) -> str:
    """Read in a transaction of its own; the name of the server that answered."""
    session.execute(sa.select(User)).all()
    assert session.last_route is not None
    session.rollback()
    return session.last_route.name


def _lost_standby(
    servers: Topology, rounds: int, how: str, disturb: Callable[[Member], None], mend: Callable[[Member], None]
) -> Outage:
    """From the loss to the answer of the read that is sent to the lost one next, before anybody has noticed."""
    lost, other = servers.standbys[:2]
    # All reads go to the one while it is there.
    replicas = [
        ReplicaConfig(lost.name, servers.address([lost.reads], "psycopg2"), weight=1e9),
        ReplicaConfig(other.name, servers.address([other.reads], "psycopg2")),
    ]
    seconds, errors = [], 0
    with connect_cluster(servers.address([servers.virtual], "psycopg2"), replicas) as cluster:
        for _ in range(rounds):
            _ready(servers, cluster)
            with cluster.sessionmaker(read=True)() as session:
                # An idle connection from before the last loss may have to be found lost first.
                while _reads_from(session) != lost.name:
                    cluster.monitor.refresh()
                disturb(lost)
                began = time.monotonic()
                while True:
                    try:
                        session.execute(sa.select(User)).all()
                        break
                    except sa.exc.DBAPIError:
                        errors += 1
                        session.rollback()
                seconds.append(time.monotonic() - began)
                assert session.last_route is not None and session.last_route.name != lost.name
            mend(lost)
    return Outage(f"a standby {how}: the read that was sent to it next", tuple(seconds), errors)


def _killed_primary(servers: Topology, cluster: Cluster, rounds: int) -> list[Outage]:
    """From the kill, and from the end of the promotion, to the first write that is acknowledged."""
    since_kill, since_promotion, errors = [], [], 0
    for _ in range(rounds):
        _ready(servers, cluster)
        promoted: list[float] = []
        old = servers.primary
        make = cluster.sessionmaker()
        with make() as session:
            session.execute(sa.insert(User).values(name="before", score=0))
            session.commit()
        servers.kill(old)
        began = time.monotonic()
        old.writes.cut()

        def promote(promoted: list[float] = promoted) -> None:
            servers.promote()
            promoted.append(time.monotonic())

        promoting = threading.Thread(target=promote)
        promoting.start()
        while True:
            try:
                with make() as session:
                    session.execute(sa.insert(User).values(name="after", score=0))
                    session.commit()
                break
            except sa.exc.DBAPIError:
                errors += 1
                time.sleep(_PAUSE)
        ended = time.monotonic()
        promoting.join()
        since_kill.append(ended - began)
        since_promotion.append(max(0.0, ended - promoted[0]))
        servers.rejoin(old, rewind=True)
        until(lambda: all(servers.streams(member) for member in servers.standbys))
    return [
        Outage(
            "the primary killed, a standby promoted at once: the first write, from the kill on",
            tuple(since_kill),
            errors,
        ),
        Outage("the same, from the end of the promotion on", tuple(since_promotion), errors),
    ]
