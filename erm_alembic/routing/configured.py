"""A cluster as erm.yaml describes it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from erm_alembic.config.dsn import DatabaseUrl
from erm_alembic.config.sizes import Size
from erm_alembic.errors import ConfigurationError
from erm_alembic.postgres.embedded.address import running_address
from erm_alembic.routing.cluster import Cluster
from erm_alembic.routing.deciding.budget import FallbackBudget
from erm_alembic.routing.discovery import Discovery, DnsReplicas, PatroniReplicas
from erm_alembic.routing.limits import Lag, seconds
from erm_alembic.routing.options import ReplicaConfig, ReplicaReadOptions
from erm_alembic.routing.watching.monitor import HeartbeatTable

if TYPE_CHECKING:
    from erm_alembic.config.settings import (
        DiscoverySettings,
        DnsSettings,
        PatroniSettings,
        PolicySettings,
        RoutingSettings,
        SealedUrl,
        Settings,
    )

__all__ = ["cluster_of", "connect_cluster_from_config"]


def connect_cluster_from_config(env: str | None = None, config: str | Path | None = None, **options: Any) -> Cluster:
    """The cluster of a profile of erm.yaml: its database, its replicas, its pool, its policies, and how it is watched.

    `ERM_DATABASE_URL` and `ERM_ENV` hold here as for the command line: an address from the environment replaces the
    database, and leaves out the replicas that are configured for another.

    Args:
        env: the profile; without it `ERM_ENV`, else `dev`.
        config: the file; without it erm.yaml is looked for in the working directory and above.
        options: what `Cluster` takes, and wins over the file here: `monitor_interval` (as a duration),
            `fallback_budget`, `heartbeat`, `on_stale`, `discovery`, `engine_options`.

    Raises:
        ConfigurationError: the file has problems, no database is configured, or a secret cannot be had.
        ServerError: the embedded server that an `embedded://` address names cannot be started.

    Example:
        >>> with connect_cluster_from_config(env="dev") as cluster:
        ...     Session = cluster.sessionmaker()
    """
    return cluster_of(_settings(env, None if config is None else Path(config)), **options)


def _settings(env: str | None, config: Path | None) -> Settings:
    # Reading erm.yaml takes a library that an application without one need not load.
    from erm_alembic.config.document import InvalidConfiguration, read_document
    from erm_alembic.config.loader import find_file, load_settings
    from erm_alembic.config.profiles import declared_profiles

    try:
        return load_settings(env, config)
    except InvalidConfiguration:
        raise
    except ConfigurationError as error:
        path = find_file(Path.cwd(), config)
        if path is None:
            said = f"There is no erm.yaml in {Path.cwd()} or above."
        else:
            said = f"{path} declares {', '.join(declared_profiles(read_document(path).data)) or 'no environment'}."
        # An application sees the end of a traceback, not which file the command line would have taken.
        raise type(error)(f"{error.what} {said}", effect=error.effect, cure=error.cure) from None


def cluster_of(settings: Settings, **options: Any) -> Cluster:
    """The cluster that settings in force describe.

    Args:
        settings: those, with a database.
        options: what `Cluster` takes, and wins over them.

    Raises:
        ConfigurationError: a secret cannot be had.
        ServerError: an embedded server cannot be started.
    """
    assert settings.url is not None  # whoever has none is refused before
    routing = settings.routing
    replicas = [
        ReplicaConfig(
            replica.name,
            _address(replica.url, settings),
            read_only=replica.read_only,
            max_follower_lag=_lag(replica.max_follower_lag),
            weight=replica.weight,
        )
        for replica in settings.replicas
    ]
    wanted = {"pool": settings.pool, **_watching(routing), **options}
    wanted["monitor_interval"] = seconds(wanted["monitor_interval"])
    cluster = Cluster(_address(settings.url, settings), replicas, **wanted)
    policies = {name: _options(policy) for name, policy in routing.policies.items()}
    return cluster.use_replica_policies(routing.default_policy, policies)


def _watching(routing: RoutingSettings) -> dict[str, Any]:
    budget, heartbeat = routing.fallback_budget, routing.heartbeat
    return {
        "monitor_interval": routing.monitor_interval,
        "on_stale": routing.on_stale,
        "fallback_budget": None if budget is None else FallbackBudget(budget.share, budget.rate, budget.at_least),
        "heartbeat": None if heartbeat is None else HeartbeatTable(heartbeat.schema, heartbeat.table),
        "discovery": None if routing.discovery is None else _discovery(routing.discovery),
    }


def _discovery(found: DiscoverySettings) -> Discovery | None:
    if (dns := found.dns) is not None:
        each = _of_each(dns)
        return DnsReplicas(dns.name, dns.url.database_url(), dns.family, interval=dns.interval, **each)
    if (patroni := found.patroni) is not None:
        return PatroniReplicas(
            patroni.addresses,
            cacert=patroni.cacert,
            certfile=patroni.certfile,
            keyfile=patroni.keyfile,
            find_primary=patroni.find_primary,
            interval=patroni.interval,
            timeout=patroni.timeout,
            **_of_each(patroni),
        )
    return None


def _of_each(found: DnsSettings | PatroniSettings) -> dict[str, Any]:
    return {
        "read_only": found.read_only,
        "max_follower_lag": _lag(found.max_follower_lag),
        "weight": found.weight,
        "keep_for": found.keep_for,
    }


def _options(policy: PolicySettings) -> ReplicaReadOptions | None:
    if not policy.read_only:
        return None
    return ReplicaReadOptions(
        max_lag=_lag(policy.max_follower_lag),
        max_wait=policy.max_wait,
        disable_fallback=policy.disable_fallback,
        prevent_writes=policy.prevent_writes,
        snapshot=policy.snapshot,
    )


def _lag(lag: timedelta | Size | None) -> Lag | None:
    return str(lag) if isinstance(lag, Size) else lag


def _address(sealed: SealedUrl, settings: Settings) -> DatabaseUrl:
    return running_address(sealed.database_url(), settings.project_dir)
