"""replicas: every replica has replayed what was applied, so that no read finds an older schema than code expects."""

from __future__ import annotations

import time

from erm_alembic.config.durations import format_duration
from erm_alembic.release.course import Course
from erm_alembic.release.stage import Ended, Stage, nothing_to_do
from erm_alembic.routing.cluster import Cluster
from erm_alembic.routing.configured import cluster_of
from erm_alembic.routing.positions import Position, format_lsn
from erm_alembic.routing.watching.state import ReplicaState, Trouble

__all__ = ["STAGE"]

# What waiting does not mend.
HOPELESS = frozenset({Trouble.NO_STANDBY, Trouble.OTHER_CLUSTER, Trouble.OTHER_DATABASE, Trouble.NOT_TOLD})
# How long it is waited before a look whether a signal has come, in seconds.
STEP = 1.0


def _has_replicas(course: Course) -> bool:
    return bool(course.settings.replicas) or course.settings.routing.discovery is not None


def _would(course: Course) -> str:
    if not _has_replicas(course):
        return "nothing: no replica is configured"
    limit = format_duration(course.settings.release.wait_for_replicas)
    return f"wait until every replica has replayed it, for {limit} at most"


def _run(course: Course) -> Ended:
    if not _has_replicas(course):
        return nothing_to_do("no replica is configured")
    with cluster_of(course.settings) as cluster:
        return _wait(course, cluster)


def _wait(course: Course, cluster: Cluster) -> Ended:
    limit = course.settings.release.wait_for_replicas
    begun = time.monotonic()
    cluster.wait_until_ready()
    position = cluster.monitor.primary_position()
    told = ""
    while True:
        left = limit.total_seconds() - (time.monotonic() - begun)
        cluster.monitor.wait_for(lambda: not _behind(cluster, position), max(0.0, min(STEP, left)), position)
        course.watch.check()
        behind = _behind(cluster, position)
        seconds = round(time.monotonic() - begun, 1)
        details = {"position": format_lsn(position.lsn), "seconds": seconds, "behind": behind}
        if not behind:
            names = [node.name for node in cluster.replicas]
            return Ended("done", f"replayed by {', '.join(names)} after {seconds:g} s", details=details)
        hopeless = any(_state(cluster, name).trouble in HOPELESS for name in behind)
        if left <= 0 or hopeless:
            return Ended("failed", _words(behind), _cure(course), details)
        if (words := _words(behind)) != told:
            course.tell(f"  waiting: {words}")
            told = words


def _state(cluster: Cluster, name: str) -> ReplicaState:
    return cluster.monitor.state.replicas.get(name, ReplicaState(name))


def _behind(cluster: Cluster, position: Position) -> dict[str, str]:
    """The replicas that have not replayed a position, each with why."""
    found = {}
    for node in cluster.replicas:
        state = _state(cluster, node.name)
        if not state.reachable or not state.follows or state.replay_lsn is None:
            found[node.name] = state.problem or "how far it has replayed is not known"
        elif state.replay_lsn < position.lsn:
            found[node.name] = f"{position.lsn - state.replay_lsn} bytes behind"
    return found


def _words(behind: dict[str, str]) -> str:
    return "not replayed by " + ", ".join(f"{name} ({why})" for name, why in behind.items())


def _cure(course: Course) -> str:
    return (
        f"`{course.command('replicas')}` shows what holds them up; then {course.command('release', 'resume')}\n"
        f"Where a replica is known to be away: {course.command('release', 'resume')} --skip replicas --reason TEXT"
    )


STAGE = Stage("replicas", _would, _run)
