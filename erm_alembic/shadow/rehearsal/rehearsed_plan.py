"""Rehearse a plan: its steps are run in a shadow of the target, and the plan comes back with what was seen there."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import psycopg2

from erm_alembic.config.redaction import first_line, redact
from erm_alembic.errors import ShadowUnavailable
from erm_alembic.ledger.predictions import read_times
from erm_alembic.planning.accuracy import earlier_predictions
from erm_alembic.planning.build import Survey
from erm_alembic.planning.estimate import estimated, predicted, tables_of_interest
from erm_alembic.planning.model import DataLoss, Plan, Step
from erm_alembic.planning.proven_losses import not_disproven, proven_losses
from erm_alembic.planning.rehearsal import FailedRevision, Rehearsal
from erm_alembic.planning.sizes import measured
from erm_alembic.postgres.live_facts import LiveFacts, read_live_facts
from erm_alembic.postgres.stand_ins import available_extensions
from erm_alembic.shadow.opened import Shadow, ShadowDatabase
from erm_alembic.shadow.recipe import told_apart
from erm_alembic.shadow.rehearsal.kept import KeptRehearsal, keep_rehearsal, kept_rehearsal
from erm_alembic.shadow.rehearsal.matching import with_observed
from erm_alembic.shadow.rehearsal.sample import copy_samples, parse_sample
from erm_alembic.shadow.rehearsal.told import Rehearsed, failure_from_json, rehearsed_from_json
from erm_alembic.shadow.rehearsal.when import Wish, why_not_rehearsed
from erm_alembic.target import Target
from erm_alembic.under_way import under_way

__all__ = ["rehearse_plan", "with_rehearsal"]


@dataclass(frozen=True)
class _Heard:
    """What a rehearsal found.

    Args:
        steps: the revisions that ran, in their order.
        rehearsal: what is to be said of the whole.
        lacking: the extensions of which the shadow has nothing.
    """

    steps: tuple[Rehearsed, ...]
    rehearsal: Rehearsal
    lacking: tuple[str, ...] = ()


Afterwards = Callable[[ShadowDatabase, Sequence[Mapping[str, Any]]], None]
"""Told the scratch database as the plan has left it, and what the child told, where every step went through."""


def with_rehearsal(
    target: Target, shadow: Shadow, survey: Survey, wish: Wish, afterwards: Afterwards | None = None
) -> Survey:
    """The survey with its plan rehearsed, where there is something to rehearse and reason to.

    Args:
        target: the database, which is only read.
        shadow: its shadow.
        survey: the plan and what it was made from.
        wish: what the rehearsal is wanted for.
        afterwards: looks further in the scratch database; it is not called where the rehearsal is known already.
    """
    plan = survey.plan
    if not plan.steps or plan.cannot_run is not None:
        return survey
    why_not = why_not_rehearsed(target.settings, wish, empty=survey.empty)
    if why_not is not None:
        return replace(survey, plan=replace(plan, rehearsal=Rehearsal("skipped", why_not)))
    return replace(survey, plan=rehearse_plan(target, shadow, plan, wish.samples, afterwards))


def rehearse_plan(
    target: Target,
    shadow: Shadow,
    plan: Plan,
    samples: Sequence[str] = (),
    afterwards: Afterwards | None = None,
) -> Plan:
    """The plan with what a rehearsal of it shows, or why there was none.

    Args:
        target: the database, which is only read.
        shadow: its shadow.
        plan: what is to be rehearsed; it has steps that can run.
        samples: the rows of the target that it is rehearsed on, each as `TABLE:ROWS`.
        afterwards: as for `with_rehearsal`; not called where there are samples.
    """
    under_way(f"rehearsing {len(plan.steps)} {'revision' if len(plan.steps) == 1 else 'revisions'} in a shadow")
    try:
        if samples:
            heard = _rehearsed_on_rows(target, shadow, plan, samples)
        else:
            heard = _rehearsed(target, shadow, plan, afterwards)
    except ShadowUnavailable as error:
        return replace(plan, rehearsal=_unknown(" ".join(filter(None, (error.reason, error.cure)))))
    except psycopg2.Error as error:
        return replace(plan, rehearsal=_unknown(f"The shadow's server is gone: {first_line(error)}"))
    by_revision = {each.revision: each for each in heard.steps}
    steps = tuple(_seen(step, by_revision.get(step.revision)) for step in plan.steps)
    facts = _live_facts(target, steps)
    timeout = target.settings.execution.lock_timeout.total_seconds() * 1000
    told = tuple(
        replace(
            step,
            statements=estimated(step.statements, facts, timeout),
            predicted=predicted(step.statements, facts) if step.revision in by_revision else None,
        )
        for step in steps
    )
    losses = (*not_disproven(plan.data_loss, steps), *_proven_losses(target, plan, steps))
    failed = _failed_for_want_of(target, heard)
    rehearsal = replace(heard.rehearsal, failed=failed, earlier=earlier_predictions(read_times(target)))
    return replace(plan, steps=told, rehearsal=rehearsal, data_loss=losses, tables=measured(facts))


def _proven_losses(target: Target, plan: Plan, steps: tuple[Step, ...]) -> tuple[DataLoss, ...]:
    """What a rollback loses beyond the drops that its statements show."""
    if plan.direction == "upgrade" or not any(step.proof is not None and step.proof.lost for step in steps):
        return ()
    with contextlib.closing(target.connect_read_only("erm plan")) as connection:
        return proven_losses(connection, steps)


def _unknown(reason: str) -> Rehearsal:
    return Rehearsal("unknown", redact(reason))


def _rehearsed(target: Target, shadow: Shadow, plan: Plan, afterwards: Afterwards | None) -> _Heard:
    """What the child tells of the plan, now or when the same was rehearsed before."""
    root = target.settings.project_dir
    arguments = {"ledger_schema": target.settings.ledger.schema, "steps": [_order(step) for step in plan.steps]}
    key = told_apart([shadow.key_at(plan.current), arguments, [step.source_hash for step in plan.steps]])
    kept = kept_rehearsal(root, key, shadow.is_current)
    if kept is None:
        with shadow.at(plan.current) as database:
            kept = KeptRehearsal(tuple(shadow.run("rehearse", database, arguments)), database.notes)
            if afterwards is not None and database.made is not None and not _has_failed(kept):
                afterwards(database, kept.events)
        if database.made is not None:
            keep_rehearsal(root, key, kept, database.made)
    return _heard(kept.events, shadow, kept.notes)


def _has_failed(kept: KeptRehearsal) -> bool:
    return any(event["event"] == "failed" for event in kept.events)


def _rehearsed_on_rows(target: Target, shadow: Shadow, plan: Plan, samples: Sequence[str]) -> _Heard:
    """The same on rows of the target, which stay in a scratch database of their own, and of which nothing is kept."""
    wanted = [parse_sample(each) for each in samples]
    with shadow.at(plan.current) as database, shadow.at(plan.current) as sampled:
        copy_samples(target, sampled, wanted)
        arguments = {
            "ledger_schema": target.settings.ledger.schema,
            "steps": [_order(step) for step in plan.steps],
            "sampled": sampled.url,
        }
        events = shadow.run("rehearse", database, arguments)
    copied = ", ".join(f"{each.rows:,} of {each.table}" for each in wanted)
    return _heard(events, shadow, (*database.notes, f"Rehearsed on rows of the target, at most {copied}."))


def _order(step: Step) -> dict[str, Any]:
    prove = step.downgrade == "ok"
    return {"revision": step.revision, "direction": step.direction, "prove": prove, "keeps": list(step.keeps)}


def _heard(events: Sequence[Mapping[str, Any]], shadow: Shadow, notes: tuple[str, ...]) -> _Heard:
    steps: list[Rehearsed] = []
    version, failed = "", None
    refused: list[str] = []
    stood_in: list[str] = []
    lacking: list[str] = []
    for event in events:
        told = {name: value for name, value in event.items() if name != "event"}
        if event["event"] == "server":
            version = told["version"]
        elif event["event"] == "step":
            steps.append(rehearsed_from_json(told))
        elif event["event"] == "failed":
            failed = failure_from_json(told)
            if refused and failed.only_there is None:
                failed = replace(failed, only_there="it was not let connect to anything but the shadow")
        elif event["event"] == "refused":
            refused.append(f"A connection to {told['place']} was refused in the shadow.")
        elif event["event"] == "note":
            stood_in.append(told["note"])
        elif event["event"] == "lacking":
            lacking.append(told["extension"])
    every = tuple(dict.fromkeys((*notes, *stood_in, *refused)))
    rehearsal = Rehearsal("done", _why(failed), every, version.split()[0], shadow.exact_major, failed)
    return _Heard(tuple(steps), rehearsal, tuple(lacking))


def _failed_for_want_of(target: Target, heard: _Heard) -> FailedRevision | None:
    """What failed, with the extensions that the shadow lacks as its reason, where the target's server has them."""
    failed = heard.rehearsal.failed
    if failed is None or not heard.lacking or failed.only_there is not None:
        return failed
    with contextlib.closing(target.connect_read_only("erm plan")) as connection, connection.cursor() as cursor:
        available = available_extensions(cursor)
    missing = [name for name in heard.lacking if name not in available]
    if missing:
        return replace(failed, error=f"{failed.error} (the target's server has no extension {', '.join(missing)})")
    return replace(failed, only_there=f"the shadow's server has no extension {', '.join(heard.lacking)}")


def _why(failed: FailedRevision | None) -> str | None:
    return None if failed is None else f"revision {failed.revision} failed in the shadow"


def _seen(step: Step, rehearsed: Rehearsed | None) -> Step:
    if rehearsed is None:
        return step
    return replace(step, statements=with_observed(step.statements, rehearsed.statements), proof=rehearsed.proof)


def _live_facts(target: Target, steps: Sequence[Step]) -> LiveFacts:
    names = tables_of_interest(statement for step in steps for statement in step.statements)
    with contextlib.closing(target.connect_read_only("erm plan")) as connection:
        try:
            return read_live_facts(connection, names)
        except psycopg2.Error:  # a right is missing: then only what does not depend on sizes is known
            return LiveFacts()
