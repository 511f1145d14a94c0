"""A primary with its replicas, as JSON (`erm replicas --format json`)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from erm_alembic.config.redaction import redact
from erm_alembic.postgres.server_facts import ServerFacts
from erm_alembic.render.json import plain_value, result_document, result_line
from erm_alembic.render.replicas import unseen
from erm_alembic.routing.positions import format_lsn
from erm_alembic.routing.reporting.overview import Overview, PolicyView, ReplicaView

__all__ = ["replicas_json"]


def replicas_json(overview: Overview, environment: str, *, on_one_line: bool = False) -> str:
    """What there is to see as one JSON object; keys are added, never renamed.

    Args:
        overview: what there is to see.
        environment: the profile.
        on_one_line: for `--watch`, which prints one after the other.
    """
    primary = overview.primary
    facts = primary.facts
    document = {
        "environment": environment,
        "taken_at": datetime.fromtimestamp(overview.taken_at, UTC).isoformat(),
        "watched_seconds": round(overview.watched_for, 3),
        "primary": {
            "url": primary.url,
            "role": primary.role,
            "reachable": primary.state.reachable,
            "read_only": None if primary.state.seen_at is None else not primary.state.writable,
            "position": _lsn(primary.state.lsn),
            "timeline": primary.state.timeline,
            "system": _text(primary.state.system),
            "problem": redact(primary.state.problem) or None,
            **_server(facts, primary.silent),
        },
        "replicas": [_replica_document(replica) for replica in overview.replicas],
        "policies": [_policy_document(policy) for policy in overview.policies],
        "slots": [plain_value(slot) for slot in facts.slots] if facts else None,
        "discovery_problem": redact(overview.undiscovered) or None,
        "unseen": list(unseen(overview)),
    }
    return result_line(document) if on_one_line else result_document(document)


def _replica_document(replica: ReplicaView) -> dict[str, Any]:
    state, facts = replica.state, replica.facts
    return {
        "name": replica.name,
        "url": replica.url,
        "role": replica.role,
        "reachable": state.reachable,
        "read_only": None if state.seen_at is None else state.in_recovery,
        "follows": state.follows,
        "lag_seconds": None if state.lag is None else round(state.lag, 3),
        "lag_is_at_least": state.at_least,
        "lag_bytes": state.lag_bytes,
        "last_commit_age_seconds": None if replica.commit_age is None else round(replica.commit_age, 3),
        "position": _lsn(state.replay_lsn),
        "timeline": state.timeline,
        "sync_state": replica.sender.sync_state if replica.sender else None,
        "stream": replica.sender.state if replica.sender else None,
        "slot": replica.sender.slot if replica.sender else None,
        "replay_paused": facts.replay_paused if facts else None,
        "conflicts": dict(facts.conflicts) if facts and "pg_stat_database_conflicts" not in facts.refused else None,
        "max_follower_lag": str(replica.config.limit) if replica.config.max_follower_lag is not None else None,
        "weight": replica.config.weight,
        "problem": redact(state.problem) or None,
        **_server(facts, replica.silent),
    }


def _server(facts: ServerFacts | None, silent: str) -> dict[str, Any]:
    return {
        "server_version": facts.version if facts else None,
        "database": facts.database if facts else None,
        "db_role": facts.role if facts else None,
        "refused": list(facts.refused) if facts else None,
        "silent": redact(silent) or None,
    }


def _policy_document(policy: PolicyView) -> dict[str, Any]:
    limit = policy.mode.need.limit
    return {
        "name": policy.name or None,
        "default": policy.is_default,
        "replicas": policy.mode.replicas,
        "max_lag_seconds": limit.seconds,
        "max_lag_bytes": limit.bytes,
        "disable_fallback": policy.mode.disable_fallback,
        "eligible": list(policy.eligible),
        "objections": {name: redact(why) for name, why in policy.objections.items() if why},
    }


def _lsn(lsn: int | None) -> str | None:
    return None if lsn is None else format_lsn(lsn)


def _text(value: int | None) -> str | None:
    """A system identifier has 64 bits, which readers of JSON round."""
    return None if value is None else str(value)
