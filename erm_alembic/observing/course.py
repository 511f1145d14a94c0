"""Observing a database for a while: looking again and again, whatever becomes of the connection."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from erm_alembic.errors import TargetError
from erm_alembic.observing.model import Observation, Sample
from erm_alembic.observing.rules import refuse_unknown
from erm_alembic.observing.sampling import Sampler
from erm_alembic.observing.window import with_sample, with_silence

if TYPE_CHECKING:
    from erm_alembic.target import Target

__all__ = ["before", "observe"]

Told = Callable[[Observation], None]
# How often somebody is asked whether it is to stop, in seconds.
STEP = 0.25


def before(target: Target, tables: Collection[str] = ()) -> Sample:
    """How a database is now, to be compared with what becomes of it.

    Args:
        target: the database.
        tables: the tables that will be changed, with their schemas, quoted where they must be.

    Raises:
        TargetError: the server does not answer.
    """
    with Sampler(target, tables) as sampler:
        said = sampler.take()
        if isinstance(said, str):
            raise TargetError(
                f"{target.redacted} cannot be observed: {said.rstrip('.')}.",
                effect="How it was before is not known.",
                cure="Check that the server runs: `psql` with the same URL says the same.",
            )
        return sampler.with_hashes(said)


def observe(
    target: Target,
    *,
    before: Sample | None = None,
    resumed: Observation | None = None,
    tables: Collection[str] = (),
    duration: timedelta | None = None,
    interval: timedelta | None = None,
    told: Told | None = None,
    stop: Callable[[], bool] | None = None,
) -> Observation:
    """Look at a database in use again and again, and say what became worse.

    Whatever happens to the server and the connection is part of what is observed: a server that does not answer is a
    gap. The first look is taken at once, the last one when the time is over.

    Args:
        target: the database.
        before: how it was before, from `before()`; None compares with the first sample.
        resumed: what was observed of it earlier, which this goes on with: its time, its findings, what was before.
        tables: the tables that were changed, with their schemas, quoted where they must be.
        duration: how long all of it takes, what was observed earlier included; None for `observe.for`.
        interval: how often a sample is taken; None for `observe.interval`.
        told: hears of each sample, and each gap, with what was observed so far.
        stop: asked between the samples; what was observed so far is returned when it says so.

    Returns:
        What was observed; `is_complete` says whether that is all that was wanted.

    Raises:
        ConfigurationError: `observe.rules` names a rule that there is not.

    Example:
        >>> from erm_alembic.config.loader import load_settings
        >>> from erm_alembic.target import open_target
        >>> target = open_target(load_settings("staging"))
        >>> observation = observe(target, before=before(target), duration=timedelta(milliseconds=50))
        >>> observation.is_complete, observation.samples
        (True, 2)
    """
    limits = target.settings.observe
    refuse_unknown(limits.rules)
    wanted = (duration or limits.duration).total_seconds()
    every = (interval or limits.interval).total_seconds()
    observation = _begun(target, before, resumed, tables, wanted)
    is_stopped = stop or (lambda: False)
    if observation.is_complete and observation.samples:
        return observation
    with Sampler(target, observation.tables) as sampler:
        looked_at: float | None = None
        while True:
            begun, since = time.monotonic(), datetime.now(UTC)
            elapsed = 0.0 if looked_at is None else begun - looked_at
            looked_at = begun
            is_last = observation.observed_s + elapsed >= wanted
            said = sampler.take(thrifty=observation.samples > 0 and not is_last)
            if isinstance(said, str):
                observation = with_silence(observation, said, since, datetime.now(UTC), elapsed, limits)
            else:
                sample = said if observation.before is not None else sampler.with_hashes(said)
                observation = with_sample(observation, sample, elapsed, limits, sampler)
            if told is not None:
                told(observation)
            rest = wanted - observation.observed_s
            if rest <= 0 or not _waited(begun + min(every, rest), is_stopped):
                return observation


def _begun(
    target: Target, before: Sample | None, resumed: Observation | None, tables: Collection[str], wanted: float
) -> Observation:
    now = datetime.now(UTC)
    if resumed is not None:
        return replace(resumed, wanted_s=wanted, tables=tuple(dict.fromkeys((*resumed.tables, *tables))))
    return Observation(
        target.settings.environment,
        target.redacted,
        now,
        now,
        wanted,
        tables=tuple(dict.fromkeys(tables)),
        before=before,
    )


def _waited(until: float, is_stopped: Callable[[], bool]) -> bool:
    """Wait for a moment; whether that came, rather than a wish to stop."""
    pause = threading.Event()
    while not is_stopped():
        rest = until - time.monotonic()
        if rest <= 0:
            return True
        pause.wait(min(STEP, rest))
    return False
