"""How a standby replays: that nothing holds it, how it deals with queries in its way, and whether it keeps up."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from erm_alembic.config.durations import format_duration
from erm_alembic.config.sizes import about
from erm_alembic.doctor.evidence import Evidence
from erm_alembic.doctor.model import Diagnosis, NotTold
from erm_alembic.postgres.server_facts import ServerFacts
from erm_alembic.routing.reporting.overview import ReplicaView

__all__ = ["lag", "replay_and_queries", "replay_goes_on"]


def replay_goes_on(evidence: Evidence) -> Iterator[Diagnosis]:
    """Nobody holds the replay, and it is not delayed on purpose."""
    for replica, facts in evidence.standbys:
        if facts.replay_paused:
            yield Diagnosis(
                "error",
                "Somebody has paused its replay.",
                "It falls behind with every commit, and its disk fills with log that is not replayed.",
                "SELECT pg_wal_replay_resume() on it, as a superuser.",
                replica.name,
            )
        delay = _milliseconds(facts, "recovery_min_apply_delay")
        if not delay:
            continue
        limit = _smallest_limit(evidence, replica)
        never = limit is not None and delay / 1000 > limit
        yield Diagnosis(
            "error" if never else "info",
            f"It replays on purpose {_shown(delay)} late (recovery_min_apply_delay).",
            f"No read that allows less than {_shown(delay)} of lag ever goes there, and the smallest limit is "
            f"{_seconds(limit)}."
            if never
            else f"Its answers are always {_shown(delay)} old.",
            "Take it out of database.replicas, or allow more lag, or take the delay away." if never else "",
            replica.name,
        )


def replay_and_queries(evidence: Evidence) -> Iterator[Diagnosis | NotTold]:
    """What happens where a query stands in the way of the replay."""
    for replica, facts in evidence.standbys:
        if "pg_settings" in facts.refused or "max_standby_streaming_delay" not in facts.settings:
            yield NotTold("Its settings may not be seen.", "", replica.name)
            continue
        delay = _milliseconds(facts, "max_standby_streaming_delay")
        feedback = facts.settings.get("hot_standby_feedback") == "on"
        limit = _smallest_limit(evidence, replica)
        if delay is None:
            yield Diagnosis(
                "warning",
                "Its replay waits for a query without end (max_standby_streaming_delay = -1).",
                "A long query makes it as stale as that query is long, and no read with a limit goes there meanwhile.",
                f"Set max_standby_streaming_delay to less than the smallest limit ({_seconds(limit)})."
                if limit is not None
                else "Set max_standby_streaming_delay to what lag you can bear.",
                replica.name,
            )
        elif limit is not None and delay / 1000 > limit:
            yield Diagnosis(
                "warning",
                f"Its replay waits {_shown(delay)} for a query that is in its way (max_standby_streaming_delay), and "
                f"the smallest limit of lag is {_seconds(limit)}.",
                "A query of that length takes it out of the choice for reads with that limit.",
                "Set max_standby_streaming_delay below the limit, or hot_standby_feedback = on, or allow more lag.",
                replica.name,
            )
        counted = sum(facts.conflicts.values())
        if counted:
            kinds = ", ".join(f"{number} by {kind}" for kind, number in facts.conflicts.items() if number)
            snapshots = facts.conflicts.get("snapshot", 0)
            yield Diagnosis(
                "warning" if snapshots and not feedback else "info",
                f"Its replay has cancelled {counted} queries on this database since its statistics began: {kinds}.",
                "Routing asks another server where nothing of the transaction was seen; other clients got an error.",
                "Set hot_standby_feedback = on there (the primary then keeps old rows for it), or shorten the queries."
                if snapshots and not feedback
                else "",
                replica.name,
            )
        yield Diagnosis(
            "info",
            f"hot_standby_feedback is {'on' if feedback else 'off'}, max_standby_streaming_delay is "
            f"{'-1' if delay is None else _shown(delay)}.",
            "The primary's vacuum leaves rows that a query there can still see: its tables may grow."
            if feedback
            else "A query there that can still see what the primary's vacuum removed is cancelled after that time.",
            server=replica.name,
        )


def lag(evidence: Evidence) -> Iterator[Diagnosis | NotTold]:
    """Each keeps within the lag that it, and the policies, allow."""
    overview = evidence.overview
    for replica, _ in evidence.standbys:
        state = replica.state
        if not state.reachable or not state.follows:
            continue
        if state.lag is None:
            yield NotTold(f"How far it is behind is not known: {state.problem or 'it does not say'}.", "", replica.name)
            continue
        known = f"{'at least ' if state.at_least else ''}{state.lag:.1f} s"
        missing = "" if state.lag_bytes is None else f", {about(state.lag_bytes)}"
        own = replica.config.limit
        if own.bytes is not None and state.lag_bytes is not None and state.lag_bytes > own.bytes:
            yield _beyond(replica, f"It is {about(state.lag_bytes)} behind", str(own))
        elif own.seconds is not None and max(state.lag, _age(replica)) > own.seconds:
            yield _beyond(replica, f"It is {known} behind{missing}{_since(replica)}", str(own))
        elif state.at_least:
            yield Diagnosis(
                "info",
                f"It is {known} behind{missing}{_since(replica)}.",
                "It was behind already when the watching began, so that its lag is not known for sure.",
                "`erm replicas --watch` shows how it goes on.",
                replica.name,
            )
    for policy in overview.policies:
        if not policy.name or not policy.mode.replicas or policy.eligible or not policy.objections:
            continue
        why = "; ".join(f"{name}: {objection}" for name, objection in policy.objections.items())
        refused = policy.mode.disable_fallback
        yield Diagnosis(
            "error" if refused else "warning",
            f"No replica can be taken now for the policy {policy.name!r} ({why}).",
            "Its reads fail with NoReplicaAvailable (disable_fallback)."
            if refused
            else "All of its reads go to the primary.",
            "`erm replicas --watch` shows how they go on; mend the replicas, or allow more lag.",
        )


def _beyond(replica: ReplicaView, what: str, limit: str) -> Diagnosis:
    return Diagnosis(
        "warning",
        f"{what}; its max_follower_lag is {limit}.",
        "No read goes there until it has caught up.",
        "Look at its load, at long queries (replay-and-queries) and at the network; or allow more lag.",
        replica.name,
    )


def _age(replica: ReplicaView) -> float:
    """What the primary's clock says of a replica that lacks something: no bound, but more than a short look can see."""
    return replica.commit_age or 0.0 if replica.state.at_least else 0.0


def _since(replica: ReplicaView) -> str:
    if not replica.state.at_least or replica.commit_age is None:
        return ""
    return f"; the last commit that it has was made {replica.commit_age:.1f} s ago"


def _smallest_limit(evidence: Evidence, replica: ReplicaView) -> float | None:
    """The smallest lag in seconds that somebody asks of a replica; None where nobody does."""
    limits = [replica.config.limit.seconds]
    limits += [policy.mode.need.limit.seconds for policy in evidence.overview.policies if policy.mode.replicas]
    return min((limit for limit in limits if limit is not None), default=None)


def _milliseconds(facts: ServerFacts, name: str) -> int | None:
    """A setting that is kept in milliseconds; None for -1, which means no bound."""
    value = int(facts.settings.get(name, "0"))
    return None if value < 0 else value


def _shown(milliseconds: float) -> str:
    return format_duration(timedelta(milliseconds=milliseconds))


def _seconds(seconds: float | None) -> str:
    return "none" if seconds is None else format_duration(timedelta(seconds=seconds))
