"""What is in force: the values that the rest of erm works with.

They are plain frozen dataclasses, so that a program which only opens sessions pays neither for the validation library
nor for the file's model. Addresses stay sealed until they are used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from erm_alembic.config.backup import BackupSettings
from erm_alembic.config.observing_settings import LoggingSettings, ObserveSettings, TelemetrySettings
from erm_alembic.config.release_settings import ReleaseSettings
from erm_alembic.config.sealed import SealedUrl
from erm_alembic.config.sealed_login import SealedLogin
from erm_alembic.config.secrets.settings import SecretsSettings
from erm_alembic.config.sizes import Size

__all__ = [
    "BackupSettings",
    "DiscoverySettings",
    "DnsSettings",
    "DriftIgnore",
    "DriftSettings",
    "ExecutionSettings",
    "FallbackBudgetSettings",
    "HeartbeatSettings",
    "HooksSettings",
    "LedgerSettings",
    "LoggingSettings",
    "MigrationsSettings",
    "ObserveSettings",
    "PatroniSettings",
    "PolicySettings",
    "PoolSettings",
    "ReleaseSettings",
    "ReplicaSettings",
    "RoutingSettings",
    "SafetySettings",
    "SealedLogin",
    "SealedUrl",
    "SecretsSettings",
    "Settings",
    "ShadowSettings",
    "SmokeSettings",
    "TelemetrySettings",
]

RuleLevel = Literal["error", "warning", "off"]
OnStale = Literal["raise", "refetch", "warn"]


def _nothing() -> Mapping[str, Any]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class PoolSettings:
    """How many connections are held, and for how long.

    Args:
        max_conns: connections open at once, never more.
        min_conns: connections kept open while nobody uses them.
        max_conn_lifetime: a connection older than this is replaced.
        max_conn_idle_time: a connection unused for longer than this is closed, down to `min_conns`.
        health_check_period: how often the idle connections are looked at.
    """

    max_conns: int = 10
    min_conns: int = 0
    max_conn_lifetime: timedelta = timedelta(hours=1)
    max_conn_idle_time: timedelta = timedelta(minutes=30)
    health_check_period: timedelta = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class ReplicaSettings:
    """One streaming standby: name, address, how far behind it may be read (None: any lag), its share of the reads."""

    name: str
    url: SealedUrl
    read_only: bool = True
    max_follower_lag: timedelta | Size | None = None
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class PolicySettings:
    """What a read asks for.

    Args:
        read_only: whether it may go to a replica.
        max_follower_lag: how stale its answer may be: a time, or bytes of log.
        disable_fallback: whether it fails rather than reads from the primary.
        max_wait: how long to wait for a replica that is fresh enough before the primary is asked.
        prevent_writes: whether it fails where something is written.
        snapshot: one snapshot for the whole transaction.
    """

    read_only: bool = False
    max_follower_lag: timedelta | Size | None = None
    disable_fallback: bool = False
    max_wait: timedelta = timedelta(0)
    prevent_writes: bool = False
    snapshot: bool = False


@dataclass(frozen=True, slots=True)
class FallbackBudgetSettings:
    """How many reads the primary takes over where replicas are missing: a share of them (0 to 1), so many a second."""

    share: float | None = None
    rate: float | None = None
    at_least: int = 20


@dataclass(frozen=True, slots=True)
class HeartbeatSettings:
    """The table by which replicas are measured that do not state their position."""

    schema: str
    table: str = "erm_heartbeat"


@dataclass(frozen=True, slots=True)
class DnsSettings:
    """Replicas behind a name with several addresses: how each is called and may be read, how often it is resolved."""

    url: SealedUrl
    name: str = "dns"
    family: Literal["ipv4", "ipv6"] | None = None
    read_only: bool = True
    max_follower_lag: timedelta | Size | None = None
    weight: float = 1.0
    interval: timedelta = timedelta(seconds=10)
    keep_for: timedelta = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class PatroniSettings:
    """Replicas that Patroni's REST API names: its addresses, certificates (absolute paths) and pace."""

    addresses: tuple[str, ...]
    cacert: Path | None = None
    certfile: Path | None = None
    keyfile: Path | None = None
    find_primary: bool = True
    read_only: bool = True
    max_follower_lag: timedelta | Size | None = None
    weight: float = 1.0
    interval: timedelta = timedelta(seconds=5)
    timeout: timedelta = timedelta(seconds=2)
    keep_for: timedelta = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class DiscoverySettings:
    """How replicas are found while an application runs: one of these at most."""

    dns: DnsSettings | None = None
    patroni: PatroniSettings | None = None


@dataclass(frozen=True, slots=True)
class RoutingSettings:
    """Where reads go.

    Args:
        default_policy: the policy that holds where none is asked for; None means the primary.
        policies: by name what a read asks for.
        monitor_interval: how often the servers are asked how far they are.
        on_stale: what happens with an object that was read stale and changed.
        fallback_budget: None sets no bound.
        heartbeat: None writes nothing anywhere.
        discovery: None finds none.
    """

    default_policy: str | None = None
    policies: Mapping[str, PolicySettings] = field(default_factory=_nothing)
    monitor_interval: timedelta = timedelta(seconds=1)
    on_stale: OnStale = "raise"
    fallback_budget: FallbackBudgetSettings | None = None
    heartbeat: HeartbeatSettings | None = None
    discovery: DiscoverySettings | None = None


@dataclass(frozen=True, slots=True)
class MigrationsSettings:
    """Where the Alembic project is: absolute paths, or None where erm finds them by itself.

    `metadata` is `module:attribute`; `role` is the role of a SET ROLE before migrating.
    """

    directory: Path | None = None
    alembic_ini: Path | None = None
    metadata: str | None = None
    role: str | None = None


@dataclass(frozen=True, slots=True)
class SafetySettings:
    """How loud each rule is, and whether only approved plans are run.

    Args:
        downgrades_since: that revision and its ancestors are exempt from the down-script rule.
        rules: how loud each rule is.
        require_plan: whether apply and rollback run approved plans only.
        plan_keys: the public keys of which one must have signed a plan; none where a plan need not be signed.
    """

    downgrades_since: str | None = None
    rules: Mapping[str, RuleLevel] = field(default_factory=_nothing)
    require_plan: bool = False
    plan_keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DriftIgnore:
    """What drift detection leaves out: objects of a kind, of a name, or both; None means any.

    Args:
        kind: what the objects are, as drift tells it: `index`, `grant`, ...
        name: a pattern with `*` and `?` for their names with their schema.

    Example:
        >>> str(DriftIgnore(kind="index", name="public.tmp_*"))
        'index public.tmp_*'
    """

    kind: str | None = None
    name: str | None = None

    def __str__(self) -> str:
        return " ".join(part for part in (self.kind, self.name) if part is not None)


@dataclass(frozen=True, slots=True)
class DriftSettings:
    """What drift detection leaves out, and how loud the drift of each kind of object is."""

    ignore: tuple[DriftIgnore, ...] = ()
    severity: Mapping[str, RuleLevel] = field(default_factory=_nothing)


@dataclass(frozen=True, slots=True)
class ShadowSettings:
    """Where the scratch databases are, what they are built from, and whether a plan is rehearsed in one.

    `url` is the server on which erm makes and drops them; None for an embedded one of its own.
    """

    url: SealedUrl | None = None
    source: Literal["history", "live"] = "history"
    rehearse: bool = True


@dataclass(frozen=True, slots=True)
class LedgerSettings:
    """The schema of the ledger's tables."""

    schema: str = "erm"


@dataclass(frozen=True, slots=True)
class ExecutionSettings:
    """How patiently a run waits for locks, and how often it tries again. A duration of zero means no limit.

    Args:
        lock_timeout: how long a statement in a transaction waits for a lock; whoever comes after it waits behind it.
        lock_retries: how often a revision is tried again after a lock was not had; 0 gives up at once.
        retry_delay: the pause before the first of these tries; it doubles each time, with jitter.
        max_retry_delay: the longest pause.
        statement_timeout: how long a statement in a transaction may run.
        concurrent_timeout: how long a statement that cannot run in a transaction (CREATE INDEX CONCURRENTLY) may run.
        deploy_lock_wait: how long to wait for another deployer; `--wait` says otherwise. Zero tries once.
        synchronous_commit: whether each revision's commit waits for the disk (and for synchronous standbys); without
            it, only the last one of a run does, and brings all before it along.
    """

    lock_timeout: timedelta = timedelta(seconds=3)
    lock_retries: int = 10
    retry_delay: timedelta = timedelta(seconds=1)
    max_retry_delay: timedelta = timedelta(seconds=30)
    statement_timeout: timedelta = timedelta(0)
    concurrent_timeout: timedelta = timedelta(0)
    deploy_lock_wait: timedelta = timedelta(seconds=10)
    synchronous_commit: bool = False


@dataclass(frozen=True, slots=True)
class HooksSettings:
    """Commands of the team's own around a run, each as a shell would read it; `shlex.split` gives its words back.

    Args:
        before_run: before the first revision of a run; one that fails stops the run.
        after_run: after a run, however it ended.
        before_revision: before each revision; one that fails stops the run there.
        after_revision: after each revision that was tried.
        on_failure: after a run that failed or was interrupted, before `after_run`.
        timeout: how long each command may take; zero means no limit.
    """

    before_run: tuple[str, ...] = ()
    after_run: tuple[str, ...] = ()
    before_revision: tuple[str, ...] = ()
    after_revision: tuple[str, ...] = ()
    on_failure: tuple[str, ...] = ()
    timeout: timedelta = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class SmokeSettings:
    """How smoke tests run on a database in use.

    Args:
        paths: the files and folders of the tests, relative to the project; none: where pytest looks by itself.
        timeout: how long each of their statements may run.
        run_timeout: how long all of them may take.
        role: what their transactions act as; None for the login role.
        hosts: the hosts of other services that they may reach.
    """

    paths: tuple[str, ...] = ()
    timeout: timedelta = timedelta(seconds=15)
    run_timeout: timedelta = timedelta(minutes=10)
    role: str | None = None
    hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that is in force for one environment.

    Args:
        environment: the profile's name, declared or not.
        project_dir: the folder of erm.yaml, else the working directory.
        config_path: the erm.yaml that was read, None without one.
        url: the address of the database, None only where none was required.
        origins: where each setting comes from, by dotted key: `erm.yaml:12`, `ERM_DATABASE_URL`, `default`.
        notes: lines for stderr: what was decided that the user may not expect.
    """

    environment: str
    project_dir: Path
    config_path: Path | None = None
    url: SealedUrl | None = None
    pool: PoolSettings = PoolSettings()
    replicas: tuple[ReplicaSettings, ...] = ()
    routing: RoutingSettings = RoutingSettings()
    migrations: MigrationsSettings = MigrationsSettings()
    safety: SafetySettings = SafetySettings()
    drift: DriftSettings = DriftSettings()
    shadow: ShadowSettings = ShadowSettings()
    backup: BackupSettings = field(default_factory=BackupSettings)
    ledger: LedgerSettings = LedgerSettings()
    observe: ObserveSettings = field(default_factory=ObserveSettings)
    telemetry: TelemetrySettings = field(default_factory=TelemetrySettings)
    logging: LoggingSettings = field(default_factory=LoggingSettings)
    execution: ExecutionSettings = ExecutionSettings()
    hooks: HooksSettings = HooksSettings()
    smoke: SmokeSettings = SmokeSettings()
    release: ReleaseSettings = field(default_factory=ReleaseSettings)
    secrets: SecretsSettings = field(default_factory=SecretsSettings)
    origins: Mapping[str, str] = field(default_factory=_nothing)
    notes: tuple[str, ...] = ()
