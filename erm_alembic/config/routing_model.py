"""The shape of `database.replicas` and `database.routing` in erm.yaml: what an application reads from, and how."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, GetJsonSchemaHandler, InstanceOf
from pydantic_core import CoreSchema

from erm_alembic.config import settings
from erm_alembic.config.durations import format_duration, parse_duration
from erm_alembic.config.fields import DURATION_SCHEMA, Count, Duration, Flag, Number, Section, Url, or_variable
from erm_alembic.config.secrets_model import Credentials
from erm_alembic.config.sizes import SIZE_PATTERN, Size, parse_size

__all__ = ["DiscoveryModel", "FallbackBudgetModel", "HeartbeatModel", "PolicyModel", "ReplicaModel", "RoutingModel"]

OFF = "off"

_POLICY = settings.PolicySettings()
_ROUTING = settings.RoutingSettings()
_BUDGET = settings.FallbackBudgetSettings()
_HEARTBEAT = settings.HeartbeatSettings("")
_DNS = settings.DnsSettings(settings.SealedUrl("", ""))
_PATRONI = settings.PatroniSettings(())
_REST_ADDRESS = re.compile(r"(https?://)?([A-Za-z0-9._\-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?(/[^\s@?#]*)?")


def _as_lag(value: object) -> object:
    if not isinstance(value, str):
        return value
    for parse in (parse_size, parse_duration):
        try:
            return parse(value)
        except ValueError:
            continue
    raise ValueError(f"{value!r} is no lag; write a time, as 500ms or 15s, or bytes of log, as 16MB")


def _longer_than_nothing(value: timedelta) -> timedelta:
    if not value:
        raise ValueError("the interval must be longer than nothing")
    return value


def _rest_address(value: str) -> str:
    if not _REST_ADDRESS.fullmatch(value):
        # Not repeated: it may hold a password.
        raise ValueError("https://HOST:PORT is expected here, without a user and a password")
    return value


def _unless_off(value: object) -> object:
    """`off` says that there is none, also where the base has one: an empty value would leave the base's."""
    if value == OFF:
        return None
    if not isinstance(value, dict | Section | None):
        raise ValueError("keys and values are expected here, or off")
    return value


class _OrOff:
    """Adds `off` to the JSON Schema of a section."""

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        found = handler(core)
        return {"anyOf": [*(each for each in found.get("anyOf", [found]) if each != {"type": "null"}), {"const": OFF}]}


Lag = Annotated[
    timedelta | InstanceOf[Size],
    BeforeValidator(_as_lag),
    or_variable(DURATION_SCHEMA, {"type": "string", "pattern": SIZE_PATTERN, "examples": ["16MB"]}),
]


class ReplicaModel(Section):
    """A streaming standby that reads may go to."""

    name: str = Field(min_length=1)
    url: Url
    credentials: Credentials | None = None
    read_only: Flag = True
    max_follower_lag: Lag | None = Field(None, description="how far behind the primary it may be read: 15s, or 16MB")
    weight: Annotated[Number, Field(gt=0, description="its share of the reads beside the other replicas' (1)")] = 1.0


class PolicyModel(Section):
    """What a read asks for."""

    read_only: Flag = Field(False, description="may run on a replica")
    max_follower_lag: Lag | None = Field(None, description="how stale its answer may be: 15s, or 16MB of log")
    disable_fallback: Flag = Field(False, description="fail rather than read from the primary")
    max_wait: Annotated[
        Duration,
        Field(
            description="how long to wait for a replica that is fresh enough before the primary is asked "
            f"({format_duration(_POLICY.max_wait)})"
        ),
    ] = _POLICY.max_wait
    prevent_writes: Flag = Field(False, description="fail where something is written")
    snapshot: Flag = Field(False, description="one snapshot for the whole transaction, not one for each statement")


class FallbackBudgetModel(Section):
    """How many reads the primary takes over where replicas are missing; beyond it a read fails."""

    share: Annotated[
        Number | None, Field(ge=0, le=1, description="of the reads that may go to replicas, the greatest part (0 to 1)")
    ] = None
    rate: Annotated[Number | None, Field(gt=0, description="reads a second")] = None
    at_least: Annotated[
        Count, Field(ge=0, description=f"so many in ten seconds always may, whatever the share ({_BUDGET.at_least})")
    ] = _BUDGET.at_least


class HeartbeatModel(Section):
    """A table that the monitor writes to on the primary: for managed readers that do not state their position."""

    schema_: str | None = Field(
        None, alias="schema", min_length=1, description="the table's schema, which is made where it is missing"
    )
    table: str = Field(_HEARTBEAT.table, min_length=1, description="its name")


class DiscoveredModel(Section):
    """What holds for each replica that is discovered."""

    read_only: Flag = True
    max_follower_lag: Lag | None = Field(None, description="how far behind the primary each may be read: 15s, or 16MB")
    weight: Annotated[Number, Field(gt=0, description="the share of each of the reads (1)")] = 1.0
    keep_for: Annotated[
        Duration,
        Field(
            description=f"how long the known ones are kept while none can be found ({format_duration(_DNS.keep_for)})"
        ),
    ] = _DNS.keep_for


class DnsModel(DiscoveredModel):
    """Replicas behind a name with several addresses."""

    url: Url
    name: str = Field(_DNS.name, min_length=1, description=f"what their names begin with ({_DNS.name})")
    family: Literal["ipv4", "ipv6"] | None = Field(None, description="without it that of the first address")
    interval: Annotated[
        Duration,
        AfterValidator(_longer_than_nothing),
        Field(description=f"how often the name is resolved ({format_duration(_DNS.interval)})"),
    ] = _DNS.interval


class PatroniModel(DiscoveredModel):
    """Replicas, and the primary, that Patroni's REST API names."""

    addresses: list[Annotated[str, AfterValidator(_rest_address)]] = Field(
        min_length=1, description="of the REST API of some members", examples=[["https://pg1:8008", "https://pg2:8008"]]
    )
    cacert: str | None = Field(None, description="a file of the certificates that sign those of the REST API")
    certfile: str | None = Field(None, description="a file of the certificate that is shown to it")
    keyfile: str | None = Field(None, description="the file of its key, where that is not in certfile")
    find_primary: Flag = Field(True, description="false leaves the primary where its url says")
    interval: Annotated[
        Duration,
        AfterValidator(_longer_than_nothing),
        Field(description=f"how often a member is asked ({format_duration(_PATRONI.interval)})"),
    ] = _PATRONI.interval
    timeout: Annotated[
        Duration,
        AfterValidator(_longer_than_nothing),
        Field(description=f"how long one member may take to answer ({format_duration(_PATRONI.timeout)})"),
    ] = _PATRONI.timeout


class DiscoveryModel(Section):
    """How replicas are found while an application runs: by one of these."""

    dns: Annotated[DnsModel | None, BeforeValidator(_unless_off), _OrOff] = None
    patroni: Annotated[PatroniModel | None, BeforeValidator(_unless_off), _OrOff] = None


class RoutingModel(Section):
    """Where reads go."""

    default_policy: str | None = None
    policies: dict[str, PolicyModel] = Field(default_factory=dict)
    monitor_interval: Annotated[
        Duration,
        AfterValidator(_longer_than_nothing),
        Field(
            description="how often the servers are asked how far they are "
            f"({format_duration(_ROUTING.monitor_interval)}); no answer can be known to be fresher than that"
        ),
    ] = _ROUTING.monitor_interval
    on_stale: Literal["raise", "refetch", "warn"] = Field(
        _ROUTING.on_stale, description="what happens with an object that was read stale and changed"
    )
    fallback_budget: Annotated[FallbackBudgetModel | None, BeforeValidator(_unless_off), _OrOff] = Field(
        None, description="how many reads the primary takes over where replicas are missing; off sets no bound"
    )
    heartbeat: Annotated[HeartbeatModel | None, BeforeValidator(_unless_off), _OrOff] = Field(
        None, description="a table to measure replicas by that do not state their position; off writes nothing"
    )
    discovery: Annotated[DiscoveryModel | None, BeforeValidator(_unless_off), _OrOff] = Field(
        None, description="how replicas are found while an application runs; off finds none"
    )
