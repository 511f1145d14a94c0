"""The shape of erm.yaml, as the validation library knows it; the JSON Schema is generated from here.

Descriptions are what an editor shows while the file is written. Defaults stand in `settings`, once.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from erm_alembic.config import settings
from erm_alembic.config.backup_model import BackupModel
from erm_alembic.config.command_field import Command
from erm_alembic.config.durations import format_duration
from erm_alembic.config.fields import DURATION_SCHEMA, Count, Duration, Flag, Section, Url, as_duration
from erm_alembic.config.observing_model import LoggingModel, ObserveModel, TelemetryModel
from erm_alembic.config.plan_keys import written_key
from erm_alembic.config.release_model import ReleaseModel
from erm_alembic.config.routing_model import ReplicaModel, RoutingModel
from erm_alembic.config.secrets_model import Credentials, SecretsModel

__all__ = [
    "BackupModel",
    "DatabaseModel",
    "DriftIgnoreModel",
    "DriftModel",
    "ExecutionModel",
    "FileModel",
    "HooksModel",
    "LedgerModel",
    "LoggingModel",
    "MigrationsModel",
    "ObserveModel",
    "PoolModel",
    "ProfileModel",
    "ReleaseModel",
    "ReplicaModel",
    "RoutingModel",
    "SafetyModel",
    "SecretsModel",
    "ShadowModel",
    "SmokeModel",
    "TelemetryModel",
]


def _fits_server(value: timedelta) -> timedelta:
    """The server counts its timeouts in milliseconds, in 32 bits; what it cannot count would fail in the deploy."""
    if value > _LONGEST_TIMEOUT:
        raise ValueError(f"the server's timeouts are {format_duration(_LONGEST_TIMEOUT)} at most; 0s means no limit")
    return value


_LONGEST_TIMEOUT = timedelta(milliseconds=2**31 - 1)
ServerTimeout = Annotated[Duration, AfterValidator(_fits_server)]
Level = Literal["error", "warning", "off"]
PlanKey = Annotated[
    str,
    AfterValidator(written_key),
    Field(examples=["file:keys/ci.pub", "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE="]),
]

_POOL = settings.PoolSettings()
_EXECUTION = settings.ExecutionSettings()
_HOOKS = settings.HooksSettings()
_SMOKE = settings.SmokeSettings()


class PoolModel(Section):
    """How many connections an application holds, and for how long."""

    max_conns: Annotated[
        Count, Field(ge=1, description=f"connections open at once, never more ({_POOL.max_conns})")
    ] = _POOL.max_conns
    min_conns: Annotated[Count, Field(ge=0, description=f"connections kept open ({_POOL.min_conns})")] = _POOL.min_conns
    max_conn_lifetime: Annotated[
        Duration, Field(description=f"older connections are replaced ({format_duration(_POOL.max_conn_lifetime)})")
    ] = _POOL.max_conn_lifetime
    max_conn_idle_time: Annotated[
        Duration,
        Field(description=f"connections unused for longer are closed ({format_duration(_POOL.max_conn_idle_time)})"),
    ] = _POOL.max_conn_idle_time
    health_check_period: Annotated[
        Duration,
        Field(description=f"how often idle connections are looked at ({format_duration(_POOL.health_check_period)})"),
    ] = _POOL.health_check_period


class MigrationsModel(Section):
    """Where the Alembic project is."""

    directory: str | None = Field(None, description="Alembic's script location, relative to this file")
    alembic_ini: str | None = Field(None, description="an existing ini to adopt instead of `directory`")
    metadata: str | None = Field(
        None, pattern=r"^[^:\s]+:[^:\s]+$", description="module:attribute, only where env.py sets no target_metadata"
    )
    role: str | None = Field(None, description="SET ROLE before migrating, so that login roles own no tables")


class SafetyModel(Section):
    """What blocks a plan."""

    downgrades_since: str | None = Field(
        None, description="this revision and its ancestors are exempt from the down-script rule"
    )
    rules: dict[str, Level] = Field(default_factory=dict, description="how loud each rule is")
    require_plan: Flag = Field(False, description="apply and rollback run approved plans only (--plan FILE)")
    plan_keys: list[PlanKey] = Field(
        default_factory=list,
        description="Ed25519 public keys, or file:PATH of them: a plan must be signed with one of theirs",
    )


class DriftIgnoreModel(Section):
    """Objects that drift detection leaves out: of a kind, of a name, or both."""

    kind: str | None = Field(None, min_length=1, description="what they are, as drift tells it: index, grant, ...")
    name: str | None = Field(
        None, min_length=1, description="a pattern with * and ? for their names with the schema; covers their parts too"
    )

    @model_validator(mode="before")
    @classmethod
    def _a_text_is_a_name(cls, data: Any) -> Any:
        return {"name": data} if isinstance(data, str) else data

    @model_validator(mode="after")
    def _says_something(self) -> DriftIgnoreModel:
        if self.kind is None and self.name is None:
            raise ValueError("kind or name is expected here: this would leave out everything")
        return self


class DriftModel(Section):
    """What drift detection leaves out, and how loud the rest is."""

    ignore: list[
        Annotated[
            DriftIgnoreModel,
            WithJsonSchema(
                {
                    "anyOf": [
                        {"type": "string", "minLength": 1},
                        {
                            "type": "object",
                            "properties": {
                                "kind": {"type": "string", "minLength": 1},
                                "name": {"type": "string", "minLength": 1},
                            },
                            "additionalProperties": False,
                            "minProperties": 1,
                        },
                    ],
                    "examples": ["public.legacy_*", {"kind": "index", "name": "public.tmp_*"}],
                }
            ),
        ]
    ] = Field(default_factory=list, description="objects to leave out: a name pattern, or {kind: ..., name: ...}")
    severity: dict[str, Level] = Field(
        default_factory=dict, description="how loud drift of a kind of object is, by kind"
    )


class ShadowModel(Section):
    """The scratch database in which history is replayed."""

    url: Url | None = Field(
        None,
        description="a server on which erm makes and drops scratch databases; without it, an embedded one of its own",
    )
    source: Literal["history", "live"] = Field(
        "history", alias="from", description="what it is built from: the revisions, or the schema of the live database"
    )
    rehearse: Flag = Field(True, description="whether a plan runs its revisions in it first (true)")


class LedgerModel(Section):
    """The tables of what was run."""

    schema_: str = Field("erm", alias="schema", min_length=1, description="a schema of their own (erm)")


class ExecutionModel(Section):
    """How patiently a run waits for locks, and how often it tries again; 0s means no limit."""

    lock_timeout: Annotated[
        ServerTimeout,
        Field(
            description="how long a statement in a transaction waits for a lock, and holds up whoever comes after it "
            f"({format_duration(_EXECUTION.lock_timeout)})"
        ),
    ] = _EXECUTION.lock_timeout
    lock_retries: Annotated[
        Count,
        Field(ge=0, description=f"how often a revision is tried again for a lock ({_EXECUTION.lock_retries})"),
    ] = _EXECUTION.lock_retries
    retry_delay: Annotated[
        Duration,
        Field(
            description="the pause before the first of these tries; it doubles each time, with jitter "
            f"({format_duration(_EXECUTION.retry_delay)})"
        ),
    ] = _EXECUTION.retry_delay
    max_retry_delay: Annotated[
        Duration, Field(description=f"the longest pause ({format_duration(_EXECUTION.max_retry_delay)})")
    ] = _EXECUTION.max_retry_delay
    statement_timeout: Annotated[
        ServerTimeout,
        Field(
            description="how long a statement in a transaction may run "
            f"({format_duration(_EXECUTION.statement_timeout)}: as long as it takes)"
        ),
    ] = _EXECUTION.statement_timeout
    concurrent_timeout: Annotated[
        ServerTimeout,
        Field(
            description="how long a statement that cannot run in a transaction may run, such as CREATE INDEX "
            f"CONCURRENTLY ({format_duration(_EXECUTION.concurrent_timeout)}: as long as it takes)"
        ),
    ] = _EXECUTION.concurrent_timeout
    deploy_lock_wait: Annotated[
        Duration,
        Field(
            description="how long to wait for another deployer, unless --wait says otherwise "
            f"({format_duration(_EXECUTION.deploy_lock_wait)}; 0s tries once)"
        ),
    ] = _EXECUTION.deploy_lock_wait
    synchronous_commit: Annotated[
        bool,
        Field(
            description="whether each revision's commit waits for the disk and for synchronous standbys; without it "
            "the last one of a run does, for all of them (false)"
        ),
    ] = _EXECUTION.synchronous_commit


class HooksModel(Section):
    """Commands of the team's own around a run; plan or outcome comes as JSON on stdin, and ${VAR} is left to them."""

    before_run: tuple[Command, ...] = Field((), description="before a run; one that fails stops it")
    after_run: tuple[Command, ...] = Field((), description="after a run, however it ended")
    before_revision: tuple[Command, ...] = Field((), description="before each revision; one that fails stops the run")
    after_revision: tuple[Command, ...] = Field((), description="after each revision that was tried")
    on_failure: tuple[Command, ...] = Field((), description="after a run that failed or was interrupted")
    timeout: Annotated[
        timedelta,
        BeforeValidator(as_duration),
        WithJsonSchema(DURATION_SCHEMA),
        Field(description=f"how long each command may take ({format_duration(_HOOKS.timeout)}; 0s: no limit)"),
    ] = _HOOKS.timeout


def _longer_than_nothing(value: timedelta) -> timedelta:
    if value <= timedelta(0):
        raise ValueError("a smoke test always has a limit: the duration must be longer than nothing")
    return value


class SmokeModel(Section):
    """Smoke tests: those marked `erm_smoke`, run on a database in use in transactions that are rolled back."""

    paths: list[Annotated[str, Field(min_length=1)]] = Field(
        default_factory=list, description="the files and folders of the tests, relative to this file"
    )
    timeout: Annotated[
        ServerTimeout,
        AfterValidator(_longer_than_nothing),
        Field(description=f"how long each of their statements may run ({format_duration(_SMOKE.timeout)})"),
    ] = _SMOKE.timeout
    run_timeout: Annotated[
        Duration,
        AfterValidator(_longer_than_nothing),
        Field(description=f"how long all of them may take ({format_duration(_SMOKE.run_timeout)})"),
    ] = _SMOKE.run_timeout
    role: str | None = Field(None, min_length=1, description="SET ROLE in their transactions")
    hosts: list[Annotated[str, Field(min_length=1)]] = Field(
        default_factory=list, description="the hosts of other services that they may reach; none without it"
    )


class _Shared(Section):
    """The sections that a profile may hold too."""

    safety: SafetyModel | None = None
    drift: DriftModel | None = None
    shadow: ShadowModel | None = None
    backup: BackupModel | None = None
    ledger: LedgerModel | None = None
    observe: ObserveModel | None = None
    telemetry: TelemetryModel | None = None
    execution: ExecutionModel | None = None
    hooks: HooksModel | None = None
    smoke: SmokeModel | None = None
    release: ReleaseModel | None = None
    secrets: SecretsModel | None = None
    migrations: MigrationsModel | None = None


class ProfileModel(_Shared):
    """One environment; its sections win over the base's, key by key."""

    url: Url | None = None
    credentials: Credentials | None = None
    pool: PoolModel | None = None
    replicas: list[ReplicaModel] | None = Field(None, description="stands instead of the base's list")
    routing: RoutingModel | None = None


class DatabaseModel(Section):
    """The database, and its environments."""

    url: Url | None = Field(None, description="for every environment that has no url of its own")
    credentials: Credentials | None = None
    pool: PoolModel | None = None
    replicas: list[ReplicaModel] | None = None
    routing: RoutingModel | None = None
    environments: dict[str, ProfileModel | None] = Field(default_factory=dict, description="the profiles of --env")


class FileModel(_Shared):
    """erm.yaml: which database, which migrations, how strict."""

    database: DatabaseModel | None = None
    logging: LoggingModel | None = None
    module: Any = Field(None, description="another tool's section, left alone")
    oidc: Any = Field(None, description="another tool's section, left alone")
    graphql: Any = Field(None, description="another tool's section, left alone")
    extensions: Any = Field(None, description="another tool's section, left alone")
