"""The sections `observe`, `telemetry` and `logging` of erm.yaml, as the validation library knows them."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, PlainValidator, WithJsonSchema

from erm_alembic.config.durations import format_duration
from erm_alembic.config.fields import Count, Duration, Flag, Number, Section, or_variable
from erm_alembic.config.observing_settings import LogFormat, ObserveSettings
from erm_alembic.config.sizes import SIZE_PATTERN, Size, parse_size

__all__ = ["LoggingModel", "ObserveModel", "TelemetryModel"]

_OBSERVE = ObserveSettings()
_SHORTEST = timedelta(milliseconds=100)
Level = Literal["error", "warning", "off"]


def _longer_than_nothing(value: timedelta) -> timedelta:
    if value <= timedelta(0):
        raise ValueError("the duration must be longer than nothing")
    return value


def _often_enough(value: timedelta) -> timedelta:
    if value < _SHORTEST:
        raise ValueError(f"a sample is taken every {format_duration(_SHORTEST)} at most: it costs the server a little")
    return value


def _a_prom_file(value: str) -> str:
    """The collector reads no others, and would leave the file out without a word."""
    if not value.endswith(".prom"):
        raise ValueError("node exporter reads files whose name ends in .prom")
    return value


def _as_size(value: object) -> Size:
    if isinstance(value, str):
        return parse_size(value)
    raise ValueError("a size is expected here, as 512kB, 16MB or 1GB")


Period = Annotated[Duration, AfterValidator(_longer_than_nothing)]
Share = Annotated[Number, Field(ge=0, le=1)]
Bytes = Annotated[
    Size,
    PlainValidator(_as_size),
    or_variable({"type": "string", "pattern": SIZE_PATTERN, "examples": ["16MB", "4GB"]}),
]


def _told(name: str) -> str:
    value = getattr(_OBSERVE, name)
    return format_duration(value) if isinstance(value, timedelta) else f"{value}"


def _described(words: str, name: str) -> str:
    return f"{words} ({_told(name)})"


class ObserveModel(Section):
    """How a database in use is observed, and from where on it counts as worse than before."""

    interval: Annotated[
        Duration,
        AfterValidator(_often_enough),
        Field(description=_described("how often a sample is taken", "interval")),
    ] = _OBSERVE.interval
    duration: Annotated[Period, Field(alias="for", description=_described("how long it is observed", "duration"))] = (
        _OBSERVE.duration
    )
    max_lag: Annotated[Period, Field(description=_described("how far a replica may be behind", "max_lag"))] = (
        _OBSERVE.max_lag
    )
    max_lock_wait: Annotated[
        Period, Field(description=_described("how long a session may wait for a lock", "max_lock_wait"))
    ] = _OBSERVE.max_lock_wait
    max_transaction: Annotated[
        Period, Field(description=_described("how long a transaction may be open", "max_transaction"))
    ] = _OBSERVE.max_transaction
    max_connections: Annotated[
        Share, Field(description=_described("the share of the server's connections in use", "max_connections"))
    ] = _OBSERVE.max_connections
    slower_than: Annotated[
        Number,
        Field(gt=1, description=_described("how many times its former mean a statement may take", "slower_than")),
    ] = _OBSERVE.slower_than
    slow_query: Annotated[
        Duration, Field(description=_described("a mean below which no statement is called slow", "slow_query"))
    ] = _OBSERVE.slow_query
    slow_new_query: Annotated[
        Duration, Field(description=_described("the longest mean of a statement that is new", "slow_new_query"))
    ] = _OBSERVE.slow_new_query
    min_calls: Annotated[
        Count, Field(ge=1, description=_described("a statement called less often is not judged", "min_calls"))
    ] = _OBSERVE.min_calls
    more_errors: Annotated[
        Share,
        Field(description=_described("how much the share of rolled back transactions may grow", "more_errors")),
    ] = _OBSERVE.more_errors
    max_dead_rows: Annotated[
        Share, Field(description=_described("the share of a table's rows that may be dead", "max_dead_rows"))
    ] = _OBSERVE.max_dead_rows
    # A factory: a size is nothing that a schema could show as a default.
    max_slot: Annotated[
        Bytes,
        Field(
            default_factory=lambda: _OBSERVE.max_slot,
            description=_described("how much of the log a replication slot may keep", "max_slot"),
        ),
    ]
    rules: dict[str, Level] = Field(default_factory=dict, description="how loud each rule is: error, warning or off")


class TelemetryModel(Section):
    """Whom a run tells what it does, besides the terminal."""

    prometheus_textfile: Annotated[
        Annotated[str, AfterValidator(_a_prom_file)] | None,
        Field(description="a file that ends in .prom, for node exporter's textfile collector"),
        WithJsonSchema({"type": "string", "minLength": 1, "examples": ["/var/lib/node_exporter/erm.prom"]}),
    ] = None
    spans: Flag = Field(True, description="spans for OpenTelemetry, where that is installed and set up (true)")


class LoggingModel(Section):
    """How the command line tells on stderr what happens."""

    format: LogFormat = Field("text", description="text for people; json: one object a line (text)")
