"""Turns validated sections into the settings in force, and says where each of them was found."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

from erm_alembic.config import settings
from erm_alembic.config.backup_model import backup_settings
from erm_alembic.config.document import Document, KeyPath, dotted
from erm_alembic.config.profiles import SECTIONS, Effective
from erm_alembic.config.release_settings import OwnStageSettings, ReleaseObserveSettings
from erm_alembic.config.secrets.settings import AwsSettings, VaultAuthSettings, VaultSettings
from erm_alembic.config.secrets_model import secrets_settings, written_auth
from erm_alembic.config.settings import SealedUrl, Settings

if TYPE_CHECKING:
    from erm_alembic.config.release_model import ReleaseModel

__all__ = ["origins_of", "settings_of", "values_of"]


class Seal(Protocol):
    """Makes a sealed address of a text and its place in the file, and of what says where its login is kept."""

    def __call__(
        self, text: str, path: KeyPath, credentials: str | None = None, at: KeyPath | None = None
    ) -> SealedUrl: ...


AsPath = Callable[[str | None], Path | None]


def settings_of(found: Effective, environment: str, project_dir: Path, seal: Seal) -> Settings:
    """Build the settings of one environment.

    Args:
        found: the merged sections.
        environment: the profile's name.
        project_dir: the folder to which the paths of the file are relative.
        seal: makes a sealed address of a text and its place in the file.
    """

    def path(value: str | None) -> Path | None:
        return project_dir / Path(value).expanduser() if value is not None else None

    replicas = tuple(
        settings.ReplicaSettings(
            name=replica.name,
            url=seal(
                replica.url,
                found.sources["replicas", index, "url"],
                replica.credentials,
                found.sources.get(("replicas", index, "credentials")),
            ),
            read_only=replica.read_only,
            max_follower_lag=replica.max_follower_lag,
            weight=replica.weight,
        )
        for index, replica in enumerate(found.replicas)
    )
    shadow_url = found.shadow.url
    return Settings(
        environment=environment,
        project_dir=project_dir,
        pool=settings.PoolSettings(**dict(found.pool)),
        replicas=replicas,
        routing=_routing(found, seal, path),
        migrations=settings.MigrationsSettings(
            directory=path(found.migrations.directory),
            alembic_ini=path(found.migrations.alembic_ini),
            metadata=found.migrations.metadata,
            role=found.migrations.role,
        ),
        safety=settings.SafetySettings(
            found.safety.downgrades_since,
            MappingProxyType(dict(found.safety.rules)),
            found.safety.require_plan,
            tuple(found.safety.plan_keys),
        ),
        drift=settings.DriftSettings(
            tuple(settings.DriftIgnore(kind=item.kind, name=item.name) for item in found.drift.ignore),
            MappingProxyType(dict(found.drift.severity)),
        ),
        shadow=settings.ShadowSettings(
            url=seal(shadow_url, found.sources["shadow", "url"]) if shadow_url is not None else None,
            source=found.shadow.source,
            rehearse=found.shadow.rehearse,
        ),
        backup=backup_settings(found.backup, project_dir),
        ledger=settings.LedgerSettings(found.ledger.schema_),
        observe=settings.ObserveSettings(**{**dict(found.observe), "rules": MappingProxyType(found.observe.rules)}),
        telemetry=settings.TelemetrySettings(path(found.telemetry.prometheus_textfile), found.telemetry.spans),
        logging=settings.LoggingSettings(found.logging.format),
        execution=settings.ExecutionSettings(**dict(found.execution)),
        hooks=settings.HooksSettings(**dict(found.hooks)),
        smoke=settings.SmokeSettings(
            tuple(found.smoke.paths),
            found.smoke.timeout,
            found.smoke.run_timeout,
            found.smoke.role,
            tuple(found.smoke.hosts),
        ),
        release=_release(found.release),
        secrets=secrets_settings(found.secrets, project_dir),
    )


def _release(found: ReleaseModel) -> settings.ReleaseSettings:
    own = {name: OwnStageSettings(stage.after, stage.run, stage.timeout) for name, stage in found.stages.items()}
    return settings.ReleaseSettings(
        stages=MappingProxyType(own),
        wait_for_replicas=found.wait_for_replicas,
        observe=ReleaseObserveSettings(found.observe.for_),
        promote=found.promote,
        on_failure=found.on_failure,
        timeout=found.timeout,
    )


def _routing(found: Effective, seal: Seal, path: AsPath) -> settings.RoutingSettings:
    routing = found.routing
    budget, heartbeat = routing.fallback_budget, routing.heartbeat
    return settings.RoutingSettings(
        default_policy=routing.default_policy,
        policies=MappingProxyType(
            {name: settings.PolicySettings(**dict(policy)) for name, policy in routing.policies.items()}
        ),
        monitor_interval=routing.monitor_interval,
        on_stale=routing.on_stale,
        discovery=_discovery(found, seal, path),
        fallback_budget=None if budget is None else settings.FallbackBudgetSettings(**dict(budget)),
        heartbeat=None if heartbeat is None else settings.HeartbeatSettings(heartbeat.schema_ or "", heartbeat.table),
    )


def _discovery(found: Effective, seal: Seal, path: AsPath) -> settings.DiscoverySettings | None:
    if (discovery := found.routing.discovery) is None:
        return None
    dns, patroni = discovery.dns, discovery.patroni
    if dns is not None:
        url = seal(dns.url, found.sources["routing", "discovery", "dns", "url"])
        return settings.DiscoverySettings(dns=settings.DnsSettings(**{**dict(dns), "url": url}))
    if patroni is not None:
        files = {name: path(getattr(patroni, name)) for name in ("cacert", "certfile", "keyfile")}
        kept = {**dict(patroni), "addresses": tuple(patroni.addresses), **files}
        return settings.DiscoverySettings(patroni=settings.PatroniSettings(**kept))
    return None


def origins_of(in_force: Settings, found: Effective, document: Document) -> dict[str, str]:
    """Where each setting comes from, by the dotted key under which it stands at the file's base."""
    origins: dict[str, str] = {"database.url": "not set", "database.credentials": "not set"}
    for key, path, _ in _walk(in_force):
        source = found.sources.get(path)
        origins[key] = document.origin_of(source) if source is not None else "default"
    return origins


def values_of(in_force: Settings) -> dict[str, Any]:
    """Every setting in force by its dotted key; addresses are still sealed.

    Example:
        >>> values_of(Settings("dev", Path("/srv")))["ledger.schema"]
        'erm'
    """
    login = in_force.url.login if in_force.url is not None else None
    return {"database.url": in_force.url, "database.credentials": login} | {
        key: value for key, _, value in _walk(in_force)
    }


def _walk(in_force: Settings) -> Iterator[tuple[str, KeyPath, Any]]:
    """Each setting: its dotted key, its path within the sections, its value."""
    for name, place in SECTIONS.items():
        for below, value in _leaves(getattr(in_force, name), ()):
            yield dotted((*place, *below)), (name, *below), value


def _leaves(value: Any, path: KeyPath) -> Iterator[tuple[KeyPath, Any]]:
    if isinstance(value, settings.DriftIgnore):
        yield path, str(value)
    elif isinstance(value, SealedUrl) and value.login is not None and not value.login_is_inherited:
        yield path, value
        yield (*path[:-1], "credentials"), value.login
    elif isinstance(value, VaultSettings | VaultAuthSettings | AwsSettings):
        # What is not set here is not nothing: the environment says it.
        written = written_auth(value) if isinstance(value, VaultAuthSettings) else _fields(value)
        for name, item in written.items():
            if item is not None:
                yield from _leaves(item, (*path, name))
    elif isinstance(value, SealedUrl) or not (is_dataclass(value) or isinstance(value, (Mapping, tuple))):
        yield path, value
    elif is_dataclass(value):
        for item in fields(value):
            # `from` is a word of Python: the field is named for what it holds.
            name = "from" if isinstance(value, settings.ShadowSettings) and item.name == "source" else item.name
            name = item.metadata.get("key", name)
            yield from _leaves(getattr(value, item.name), (*path, name))
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield from _leaves(item, (*path, name))
    else:
        for index, item in enumerate(value):
            yield from _leaves(item, (*path, index))


def _fields(value: VaultSettings | AwsSettings) -> dict[str, Any]:
    return {item.name: getattr(value, item.name) for item in fields(value)}
