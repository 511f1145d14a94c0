"""A cluster as erm.yaml describes it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from erm_alembic.config.dsn import DatabaseUrl
from erm_alembic.postgres.embedded.address import running_address
from erm_alembic.routing.cluster import Cluster
from erm_alembic.routing.options import ReplicaConfig, ReplicaReadOptions

if TYPE_CHECKING:
    from erm_alembic.config.settings import PolicySettings, SealedUrl, Settings

__all__ = ["connect_cluster_from_config"]


def connect_cluster_from_config(env: str | None = None, config: str | Path | None = None, **options: Any) -> Cluster:
    """The cluster of a profile of erm.yaml: its database, its replicas, its pool and its policies.

    `ERM_DATABASE_URL` and `ERM_ENV` hold here as for the command line: an address from the environment replaces the
    database, and leaves out the replicas that are configured for another.

    Args:
        env: the profile; without it `ERM_ENV`, else `dev`.
        config: the file; without it erm.yaml is looked for in the working directory and above.
        options: what else `Cluster` takes: `monitor_interval`, `fallback_budget`, `engine_options`.

    Raises:
        ConfigurationError: the file has problems, no database is configured, or a secret cannot be had.
        ServerError: the embedded server that an `embedded://` address names cannot be started.

    Example:
        >>> with connect_cluster_from_config(env="dev") as cluster:
        ...     Session = cluster.sessionmaker()
    """
    # Reading erm.yaml takes a library that an application without one need not load.
    from erm_alembic.config.loader import load_settings

    settings = load_settings(env, None if config is None else Path(config))
    assert settings.url is not None  # load_settings was asked for one
    replicas = [
        ReplicaConfig(
            replica.name,
            _address(replica.url, settings),
            read_only=replica.read_only,
            max_follower_lag=replica.max_follower_lag,
        )
        for replica in settings.replicas
    ]
    cluster = Cluster(_address(settings.url, settings), replicas, pool=settings.pool, **options)
    policies = {name: _options(policy) for name, policy in settings.routing.policies.items()}
    return cluster.use_replica_policies(settings.routing.default_policy, policies)


def _options(policy: PolicySettings) -> ReplicaReadOptions | None:
    if not policy.read_only:
        return None
    return ReplicaReadOptions(max_lag=policy.max_follower_lag, disable_fallback=policy.disable_fallback)


def _address(sealed: SealedUrl, settings: Settings) -> DatabaseUrl:
    return running_address(sealed.database_url(), settings.project_dir)
