"""A file for the textfile collector of Prometheus' node exporter: the last run, what is pending, drift, lag."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from erm_alembic.execute.progress import Progress, SilentProgress
from erm_alembic.planning.model import Outcome, Plan
from erm_alembic.postgres.live_facts import read_live_facts
from erm_alembic.target import Target
from erm_alembic.telemetry.exposition import Gauge, read_gauges, rendered, replaced

if TYPE_CHECKING:
    from erm_alembic.config.settings import Settings
    from erm_alembic.observing.model import Observation

__all__ = ["Textfile", "not_planned", "observed", "planned", "written"]

_log = logging.getLogger("erm_alembic")

# The exporter runs as a user of its own and must be able to read the file. No secret stands in it: the names of
# environments, databases, replicas and revisions.
MODE = 0o644
GOOD = ("done", "nothing-to-do")
LAG = "erm_replica_lag_seconds"


class Textfile:
    """The file, for one database of those that are in it.

    Args:
        path: the file.
        environment: the profile.
        database: the name of the database.
    """

    def __init__(self, path: Path, environment: str, database: str) -> None:
        self._path = path
        self._labels = {"environment": environment, "database": database}

    def write(self, gauges: Sequence[Gauge]) -> None:
        """Replace values of this database; what is wrong is logged, and fails nothing.

        Args:
            gauges: the new values, without the labels of the database.
        """
        new = [Gauge(gauge.name, gauge.value, {**self._labels, **gauge.labels}) for gauge in gauges]
        try:
            with self._alone():
                former = self._former()
                if former is None:
                    _log.warning(f"{self._path} is not a file that erm has written: it is left as it is.")
                    return
                self._replace(rendered(replaced(former, new, self._labels, gone=(LAG,))))
        except OSError as error:
            _log.warning(f"telemetry.prometheus_textfile: {self._path} cannot be written: {error.strerror}.")

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep two runs that end at once from writing over each other."""
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            with contextlib.suppress(OSError):  # of a file system that has no locks
                fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)

    def _former(self) -> list[Gauge] | None:
        try:
            return read_gauges(self._path.read_text(encoding="utf-8", errors="replace"))
        except FileNotFoundError:
            return []

    def _replace(self, text: str) -> None:
        """The exporter reads whole files that end in .prom: it never sees half of one."""
        new = self._path.with_name(f".{self._path.name}.{os.getpid()}.tmp")
        try:
            with contextlib.suppress(FileNotFoundError):
                new.unlink()
            handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
            with open(handle, "w", encoding="utf-8") as file:  # noqa: PTH123 - a descriptor
                os.fchmod(handle, MODE)
                file.write(text)
            new.replace(self._path)
        except OSError:
            with contextlib.suppress(OSError):
                new.unlink()
            raise


class _RunWritten(SilentProgress):
    """Watches a run for its end."""

    def __init__(self, textfile: Textfile, target: Target) -> None:
        self._textfile, self._target = textfile, target
        self._plan: Plan | None = None
        self._mode, self._begun = "", time.monotonic()

    def run_started(self, plan: Plan, mode: str) -> None:
        """Note what is run, and since when."""
        self._plan, self._mode, self._begun = plan, mode, time.monotonic()

    def run_finished(self, outcome: Outcome) -> None:
        """Write how it went."""
        now, good = time.time(), outcome.result in GOOD
        seconds = outcome.duration_ms / 1000 or time.monotonic() - self._begun
        info = {"mode": self._mode, "outcome": outcome.result, "revision": ",".join(outcome.current)}
        gauges = [
            Gauge("erm_last_run_timestamp_seconds", now),
            Gauge("erm_last_run_success", float(good)),
            Gauge("erm_last_run_duration_seconds", round(seconds, 3)),
            Gauge("erm_last_run_info", 1, info),
        ]
        if good:
            gauges.append(Gauge("erm_last_success_timestamp_seconds", now))
        if self._plan is not None:
            gauges.append(Gauge("erm_drift_differences", len(self._plan.drift)))
            if _goes_to_the_heads(self._plan):
                done = {step.revision for step in outcome.steps if step.outcome == "done"}
                gauges.append(Gauge("erm_revisions_pending", sum(s.revision not in done for s in self._plan.steps)))
        # A database that could not be asked any more is not waited for.
        self._textfile.write([*gauges, *(_lags(self._target) if outcome.current_known else ())])


def _goes_to_the_heads(plan: Plan) -> bool:
    """Whether all that could be pending is in a plan."""
    reached = {*plan.current, *(step.revision for step in plan.steps)}
    return plan.direction == "upgrade" and reached.issuperset(plan.heads)


def written(target: Target) -> Progress | None:
    """What writes the file when a run ends; nothing where none is configured.

    Args:
        target: the database.
    """
    textfile = _textfile(target.settings, target.database)
    return None if textfile is None else _RunWritten(textfile, target)


def planned(target: Target, plan: Plan) -> None:
    """Write what a plan up to the heads has found: what is pending, and drift.

    Args:
        target: the database.
        plan: the plan.
    """
    if (textfile := _textfile(target.settings, target.database)) is not None:
        pending = Gauge("erm_revisions_pending", len(plan.steps))
        textfile.write([pending, Gauge("erm_drift_differences", len(plan.drift)), *_lags(target)])


def not_planned(target: Target, mode: str) -> None:
    """Write that a run did not come to its first step, because what it was to do could not be planned.

    Args:
        target: the database.
        mode: what the ledger would have called the run.
    """
    if (textfile := _textfile(target.settings, target.database)) is not None:
        textfile.write(
            [
                Gauge("erm_last_run_timestamp_seconds", time.time()),
                Gauge("erm_last_run_success", 0.0),
                Gauge("erm_last_run_info", 1, {"mode": mode, "outcome": "failed", "revision": ""}),
            ]
        )


def observed(target: Target, observation: Observation) -> None:
    """Write what was observed of a database.

    Args:
        target: the database.
        observation: what was observed so far.
    """
    if (textfile := _textfile(target.settings, target.database)) is None:
        return
    replicas = () if observation.last is None or observation.is_away else observation.last.replicas
    lags = [Gauge(LAG, round(each.seconds, 3), {"replica": each.name}) for each in replicas if each.seconds is not None]
    worse = [finding for finding in observation.findings if not finding.is_over]
    textfile.write(
        [
            *lags,
            Gauge("erm_observation_timestamp_seconds", observation.ended_at.timestamp()),
            Gauge("erm_observation_worse", float(observation.is_worse)),
            Gauge("erm_observation_findings", len(worse)),
        ]
    )


def _textfile(settings: Settings, database: str) -> Textfile | None:
    path = settings.telemetry.prometheus_textfile
    return None if path is None else Textfile(path, settings.environment, database)


def _lags(target: Target) -> list[Gauge]:
    """The lag of the standbys, as the primary sees it; nothing where it cannot be asked."""
    try:
        with contextlib.closing(target.connect_read_only("erm telemetry")) as connection:
            replicas = read_live_facts(connection, ()).replicas
    except Exception:  # the run has ended, and says for itself what there is to say
        return []
    known: dict[str, float] = {}
    for replica in replicas:
        if replica.lag_seconds is not None:
            known[replica.name] = max(known.get(replica.name, 0.0), replica.lag_seconds)
    return [Gauge(LAG, round(lag, 3), {"replica": name}) for name, lag in known.items()]
