"""What is in force of how a database in use is observed, and of whom a run tells what it does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from erm_alembic.config.sizes import Size

__all__ = ["LogFormat", "LoggingSettings", "ObserveSettings", "TelemetrySettings"]

LogFormat = Literal["text", "json"]
_MAX_SLOT = Size(4 * 1024**3)


def _nothing() -> Mapping[str, Any]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class ObserveSettings:
    """How long a database is observed, and from where on it counts as worse than before.

    Args:
        interval: how often a sample is taken.
        duration: how long all of it takes (`for` in erm.yaml).
        max_lag: a replica that is further behind is worse.
        max_lock_wait: a session that waits longer for a lock is worse.
        max_transaction: a transaction that is open for longer is worse.
        max_connections: the share of the server's connections in use that is worse, from 0 to 1.
        slower_than: a statement whose mean time is so many times that of before is worse.
        slow_query: a statement that takes less on average is never called slow.
        slow_new_query: a statement that was not there before and takes longer on average is worse.
        min_calls: a statement that was called less often is not judged.
        more_errors: how much the share of transactions that are rolled back may grow, from 0 to 1.
        max_dead_rows: the share of dead rows of a table that is worse, from 0 to 1.
        max_slot: a replication slot that keeps more of the log is worse.
        rules: how loud each rule is.
    """

    interval: timedelta = timedelta(seconds=5)
    duration: timedelta = field(default=timedelta(minutes=10), metadata={"key": "for"})
    max_lag: timedelta = timedelta(seconds=30)
    max_lock_wait: timedelta = timedelta(seconds=5)
    max_transaction: timedelta = timedelta(minutes=5)
    max_connections: float = 0.9
    slower_than: float = 2.0
    slow_query: timedelta = timedelta(milliseconds=10)
    slow_new_query: timedelta = timedelta(seconds=1)
    min_calls: int = 20
    more_errors: float = 0.02
    max_dead_rows: float = 0.2
    max_slot: Size = _MAX_SLOT
    rules: Mapping[str, Literal["error", "warning", "off"]] = field(default_factory=_nothing)


@dataclass(frozen=True, slots=True)
class TelemetrySettings:
    """Whom a run tells what it does, besides the terminal.

    Args:
        prometheus_textfile: the file for node exporter's textfile collector, absolute; None writes none.
        spans: whether OpenTelemetry gets spans, where it is installed and a program has set it up.
    """

    prometheus_textfile: Path | None = None
    spans: bool = True


@dataclass(frozen=True, slots=True)
class LoggingSettings:
    """How the command line tells on stderr what happens: for people, or as one JSON object a line."""

    format: LogFormat = "text"
