"""Observing in tests: samples that are taken when the test wants them, in time that passes as it says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from erm_alembic.config.loader import load_settings
from erm_alembic.config.observing_settings import ObserveSettings
from erm_alembic.observing.model import Observation, Sample, Worsened
from erm_alembic.observing.sampling import Sampler
from erm_alembic.observing.window import with_sample, with_silence
from erm_alembic.postgres.health.server import ServerNow
from erm_alembic.target import Target, open_target

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
SERVER = ServerNow("15.18", 15, "app", True, False, system="7", timeline=1, started=1.0, written=1000)
# At which everything is worse at once, so that no test need wait for it.
AT_ONCE = ObserveSettings(
    max_lag=timedelta(microseconds=1),
    max_lock_wait=timedelta(microseconds=1),
    max_transaction=timedelta(microseconds=1),
    slow_query=timedelta(0),
    min_calls=5,
)


def target_of(url: str, limits: ObserveSettings = AT_ONCE) -> Target:
    """A database as commands have it."""
    target = open_target(load_settings(environ={"ERM_DATABASE_URL": url}, cwd=Path("/")))
    return replace(target, settings=replace(target.settings, observe=limits))


class NoTexts:
    """Says nothing of statements."""

    def hashes(self, queries: Sequence[str]) -> Mapping[str, str]:
        return {}

    def texts(self, queries: Sequence[str]) -> Mapping[str, str]:
        return {}


class Watch:
    """An observation that looks whenever a test says so; a second passes between two looks.

    Args:
        sampler: takes the samples.
        limits: from where on it is worse.
        before: how it was before.
    """

    def __init__(self, sampler: Sampler, limits: ObserveSettings = AT_ONCE, before: Sample | None = None) -> None:
        self.sampler, self.limits = sampler, limits
        self.observation = empty(before=before)

    def look(self) -> Observation:
        """Take a sample, or note that nobody answers."""
        known = self.observation
        said = self.sampler.take()
        elapsed, now = 1.0 if known.samples or known.gaps else 0.0, datetime.now(UTC)
        if isinstance(said, str):
            self.observation = with_silence(known, said, now, now, elapsed, self.limits)
        else:
            sample = said if known.before is not None else self.sampler.with_hashes(said)
            self.observation = with_sample(known, sample, elapsed, self.limits, self.sampler)
        return self.observation

    def of(self, rule: str) -> list[Worsened]:
        """What a rule has found."""
        return of(self.observation, rule)


def empty(**members: Any) -> Observation:
    """An observation that has not begun."""
    return Observation("test", "postgresql://localhost/app", NOW, NOW, 600.0, **members)


def sample(seconds: float = 0.0, **members: Any) -> Sample:
    """A sample, so many seconds after the first one."""
    return Sample(**{"taken_at": NOW + timedelta(seconds=seconds), "server": SERVER, **members})


def seen(*samples: Sample, limits: ObserveSettings = AT_ONCE, before: Sample | None = None) -> Observation:
    """What is observed in these samples, one a second."""
    observation = empty(before=before)
    for each in samples:
        elapsed = 1.0 if observation.samples else 0.0
        observation = with_sample(observation, each, elapsed, limits, NoTexts())
    return observation


def of(observation: Observation, rule: str) -> list[Worsened]:
    """What a rule has found."""
    return [finding for finding in observation.findings if finding.rule == rule]
