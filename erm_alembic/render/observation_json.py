"""What was observed of a database, as JSON (`erm observe --format json` and `jsonl`)."""

from __future__ import annotations

from typing import Any

from erm_alembic.config.redaction import redact
from erm_alembic.observing.model import Observation, Sample, Worsened
from erm_alembic.render.json import plain_value, result_document, result_line

__all__ = ["observation_document", "observation_json_text", "sample_line"]


def observation_json_text(observation: Observation, *, on_one_line: bool = False) -> str:
    """What was observed as one JSON object; keys are added, never renamed.

    Args:
        observation: what was observed.
        on_one_line: for `jsonl`, whose last line it is.
    """
    if on_one_line:
        return result_line({"event": "observed", **observation_document(observation)})
    return result_document(observation_document(observation))


def sample_line(observation: Observation) -> str:
    """The last look as one line of JSON.

    Args:
        observation: what was observed so far.
    """
    last = observation.last
    answered = not observation.is_away
    members: dict[str, Any] = {
        "event": "sample" if answered else "silence",
        "at": observation.ended_at.isoformat(),
        "observed_seconds": round(observation.observed_s, 3),
        "worse": [finding.rule for finding in observation.findings if not finding.is_over],
    }
    if not answered:
        return result_line({**members, "why": redact(observation.gaps[-1].why)})
    values = dict(observation.points[-1].values) if observation.points else {}
    return result_line({**members, "values": values, **({} if last is None else _sample(last))})


def observation_document(observation: Observation) -> dict[str, Any]:
    """What was observed, under the keys of the JSON.

    Args:
        observation: what was observed.
    """
    last = observation.last
    return {
        "environment": observation.environment,
        "database": {"url": observation.database, "server_version": last.server.version if last else None},
        "started_at": observation.started_at.isoformat(),
        "ended_at": observation.ended_at.isoformat(),
        "wanted_seconds": observation.wanted_s,
        "observed_seconds": round(observation.observed_s, 3),
        "complete": observation.is_complete,
        "worse": observation.is_worse,
        "samples": observation.samples,
        "findings": [_finding(finding) for finding in observation.findings],
        "gaps": [{**plain_value(gap), "why": redact(gap.why)} for gap in observation.gaps],
        "statements": [plain_value(change) for change in observation.changed],
        "counters": dict(observation.totals),
        "before": None if observation.before is None else _sample(observation.before),
        "now": None if last is None else _sample(last),
        "points": [{"at_seconds": round(point.at_s, 3), **point.values} for point in observation.points],
        "unseen": {name: redact(why) for name, why in observation.unseen.items()},
    }


def _sample(sample: Sample) -> dict[str, Any]:
    return {
        "taken_at": sample.taken_at.isoformat(),
        "server": {**plain_value(sample.server), "version": sample.server.version},
        "connections": plain_value(sample.connections),
        "waiting": sample.waiting,
        "waits": [
            {**plain_value(wait), "blockers": [redact(blocker) for blocker in wait.blockers]} for wait in sample.waits
        ],
        "transactions": [{"seconds": each.seconds, "who": redact(each.who)} for each in sample.transactions],
        "longest_statement_seconds": sample.query_s,
        "tables": [plain_value(table) for table in sample.tables],
        "invalid_indexes": list(sample.invalid_indexes),
        "unvalidated_constraints": [{"table": table, "name": name} for table, name in sample.unvalidated],
        "slots": [plain_value(slot) for slot in sample.slots],
        "replicas": [{**plain_value(each), "problem": redact(each.problem) or None} for each in sample.replicas],
        "statements_known": None if sample.statements is None else len(sample.statements.totals),
    }


def _finding(finding: Worsened) -> dict[str, Any]:
    members: dict[str, Any] = plain_value(finding)
    for name in ("revision", "path", "line", "overridden"):
        members.pop(name)
    return members
