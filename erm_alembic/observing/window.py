"""An observation that grows: each sample, or that there is none, makes another one of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Protocol

from erm_alembic.config.observing_settings import ObserveSettings
from erm_alembic.observing.differences import added, grown, statements_grown, with_statements
from erm_alembic.observing.model import Gap, Observation, Point, Sample, StatementChange, Worsened
from erm_alembic.observing.rules import View, look, look_at_gaps
from erm_alembic.postgres.health.statements import StatementTotal

__all__ = ["Texts", "with_sample", "with_silence"]

# How many points of the history are kept: more are made half as many, each of the worse of two.
POINTS = 240
# How many statements, and findings, are told.
SLOWEST = 20
FINDINGS = 200
GAPS = 200
RESTARTED = "The server was restarted"
FAILED_OVER = "Another server answers, or on another timeline: a failover"


class Texts(Protocol):
    """What says more of statements, by query id; nothing where the server does not say."""

    def hashes(self, queries: Sequence[str]) -> Mapping[str, str]:
        """What tells their texts apart."""

    def texts(self, queries: Sequence[str]) -> Mapping[str, str]:
        """Their texts without values."""


def with_silence(
    observation: Observation, why: str, since: datetime, now: datetime, elapsed: float, limits: ObserveSettings
) -> Observation:
    """The observation after a look to which nobody answered.

    Args:
        observation: what was observed so far.
        why: the reason, in words without secrets.
        since: when the look began.
        now: when it ended.
        elapsed: how much longer was observed, in seconds: the time counts, and what was in it is not known.
        limits: from where on something is worse.
    """
    last, known = observation.last, observation.gaps
    gaps = known
    if not observation.is_away:  # the first reason says more than what comes of it
        # It may have gone at any time since the last sample, but not while nobody looked.
        begun = last.taken_at if last is not None and elapsed > 0 else since
        gaps = (*known, Gap(begun, None, "silence", why))[-GAPS:]
    # Of the rest nobody knows whether it is over.
    away = {(each.rule, each.subject): each for each in look_at_gaps(gaps, limits, now)}
    kept = tuple(each for each in observation.findings if (each.rule, each.subject) not in away)
    former = tuple(each for each in observation.findings if (each.rule, each.subject) in away)
    return replace(
        observation,
        ended_at=now,
        observed_s=observation.observed_s + elapsed,
        gaps=gaps,
        findings=(*kept, *_merged(former, tuple(away.values()), now)),
    )


def with_sample(
    observation: Observation, sample: Sample, elapsed: float, limits: ObserveSettings, texts: Texts
) -> Observation:
    """The observation with another sample.

    Args:
        observation: what was observed so far.
        sample: the sample.
        elapsed: how much longer was observed, in seconds; 0 for the first sample, and for the first after a pause.
        limits: from where on something is worse.
        texts: says more of statements.
    """
    last = observation.last
    before = observation.before or sample
    totals: Mapping[str, int] = {} if last is None or _is_pause(observation, elapsed) else grown(last, sample)
    ran = {} if last is None or _is_pause(observation, elapsed) else statements_grown(last, sample)
    statements = with_statements(observation.statements, ran)
    all_totals = added(observation.totals, totals)
    gaps = _gaps_over_pause(observation) if _is_pause(observation, elapsed) else _gaps(observation, sample)
    changed = _changed(statements, before, limits, observation.changed, texts)
    first = observation.first or replace(sample, statements=None)
    view = View(limits, before, first, sample, all_totals, changed, gaps)
    observed = observation.observed_s + elapsed
    return replace(
        observation,
        ended_at=sample.taken_at,
        observed_s=observed,
        samples=observation.samples + 1,
        before=before,
        first=first,
        last=sample,
        totals=all_totals,
        statements=statements,
        changed=changed,
        points=_thinned((*observation.points, Point(observed, _values(sample, totals, ran, elapsed)))),
        gaps=gaps,
        findings=_merged(observation.findings, tuple(look(view)), sample.taken_at),
    )


def _is_pause(observation: Observation, elapsed: float) -> bool:
    """Whether nobody observed since the last sample: what happened meanwhile belongs to no one's time."""
    return elapsed <= 0 and observation.samples > 0


def _gaps_over_pause(observation: Observation) -> tuple[Gap, ...]:
    """A gap ends with the run in which it was seen: one that is restarted while nobody looks is away from nobody."""
    gaps = observation.gaps
    return (*gaps[:-1], replace(gaps[-1], until=observation.ended_at)) if observation.is_away else gaps


def _gaps(observation: Observation, sample: Sample) -> tuple[Gap, ...]:
    gaps, last = observation.gaps, observation.last
    if observation.is_away:
        gaps = (*gaps[:-1], replace(gaps[-1], until=sample.taken_at))
        silent = True
    else:
        silent = False
    if last is None or sample.server.is_same_run(last.server):
        return gaps
    same = sample.server.is_same_history(last.server)
    why = RESTARTED if same else FAILED_OVER
    if silent:
        ended = gaps[-1]
        return (*gaps[:-1], replace(ended, why=f"{ended.why.rstrip('.')}. {why}"))
    return (*gaps, Gap(last.taken_at, sample.taken_at, "restart" if same else "failover", why))[-GAPS:]


def _changed(
    statements: Mapping[str, StatementTotal],
    before: Sample,
    limits: ObserveSettings,
    known: Sequence[StatementChange],
    texts: Texts,
) -> tuple[StatementChange, ...]:
    """The statements that take longer than before: their ids change with the tables they name, their texts do not."""
    if before.statements is None:
        return ()
    slow_ms = limits.slow_query.total_seconds() * 1000
    new_ms = limits.slow_new_query.total_seconds() * 1000
    judged = {
        query: total
        for query, total in statements.items()
        if total.calls >= limits.min_calls and total.mean_ms >= slow_ms
    }
    formerly = before.statements.totals
    unknown = sorted(query for query in judged if query not in formerly)
    hashes = texts.hashes(unknown) if unknown else {}
    by_text = {total.text_hash: total for total in formerly.values() if total.text_hash} if hashes else {}
    found: list[StatementChange] = []
    for query, total in judged.items():
        past = formerly.get(query) or by_text.get(hashes.get(query, ""))
        if past is None:
            is_new = before.statements.complete and total.mean_ms >= new_ms
        else:
            is_new = False
            if past.calls < limits.min_calls or total.mean_ms < limits.slower_than * past.mean_ms:
                continue
        if past is not None or is_new:
            past_ms = None if past is None else past.mean_ms
            found.append(StatementChange(query, "", past_ms, total.mean_ms, total.calls, total.total_ms))
    worst = sorted(found, key=lambda change: change.total_ms, reverse=True)[:SLOWEST]
    told = {change.query: change.text for change in known if change.text}
    told |= texts.texts([change.query for change in worst if change.query not in told])
    return tuple(replace(change, text=told.get(change.query, "")) for change in worst)


def _values(
    sample: Sample, totals: Mapping[str, int], ran: Mapping[str, StatementTotal], elapsed: float
) -> Mapping[str, float]:
    calls = sum(total.calls for total in ran.values())
    lags = [replica.seconds for replica in sample.replicas if replica.seconds is not None]
    found: dict[str, float | None] = {
        "lag": max(lags, default=None),
        "waiting": float(sample.waiting),
        "lock_wait": max((wait.seconds for wait in sample.waits if wait.seconds is not None), default=0.0),
        "connections": None if sample.connections is None else float(sample.connections.used),
        "transaction": max((each.seconds for each in sample.transactions), default=0.0),
        "query": sample.query_s or 0.0,
        "commits": totals["xact_commit"] / elapsed if elapsed > 0 and "xact_commit" in totals else None,
        "rollbacks": totals["xact_rollback"] / elapsed if elapsed > 0 and "xact_rollback" in totals else None,
        "statement": sum(total.total_ms for total in ran.values()) / calls if calls else None,
    }
    return {name: round(value, 3) for name, value in found.items() if value is not None}


def _thinned(points: tuple[Point, ...]) -> tuple[Point, ...]:
    if len(points) <= POINTS:
        return points
    pairs = [(points[index], points[index + 1]) for index in range(0, len(points) - 1, 2)]
    kept = [Point(later.at_s, _worse(earlier.values, later.values)) for earlier, later in pairs]
    return (*kept, *points[len(pairs) * 2 :])


def _worse(one: Mapping[str, float], other: Mapping[str, float]) -> Mapping[str, float]:
    return {name: max(values[name] for values in (one, other) if name in values) for name in {**one, **other}}


def _merged(known: Sequence[Worsened], found: Sequence[Worsened], now: datetime) -> tuple[Worsened, ...]:
    """What was found before and what is found now: once each, at its worst."""
    current = {(each.rule, each.subject): each for each in found}
    merged: list[Worsened] = []
    for former in known:
        again = current.pop((former.rule, former.subject), None)
        if again is None:
            merged.append(replace(former, is_over=True))
            continue
        kept = again if again.worst >= former.worst else former
        last_at = former.last_at if again.is_over else now
        merged.append(
            replace(kept, first_at=former.first_at, last_at=last_at, seen=former.seen + 1, is_over=again.is_over)
        )
    merged += [replace(each, first_at=now, last_at=now) for each in current.values()]
    return tuple(merged[:FINDINGS])
