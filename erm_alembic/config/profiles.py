"""What is in force for one profile: the base's sections, with the profile's on top, key by key.

Mappings are merged at every depth; a list (`replicas`, `drift.ignore`) is replaced whole, because a standby of the
base's database is none of another database's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from erm_alembic.config import model
from erm_alembic.config.document import KeyPath

if TYPE_CHECKING:
    from pydantic import BaseModel

__all__ = ["SECTIONS", "Effective", "declared_profiles", "effective", "profile_data"]

Section = TypeVar("Section", bound="BaseModel")

# Where each section stands in the file; the section's name is its place in a profile.
SECTIONS: Mapping[str, KeyPath] = {
    "pool": ("database", "pool"),
    "replicas": ("database", "replicas"),
    "routing": ("database", "routing"),
    "migrations": ("migrations",),
    "safety": ("safety",),
    "drift": ("drift",),
    "shadow": ("shadow",),
    "backup": ("backup",),
    "ledger": ("ledger",),
    "observe": ("observe",),
    "telemetry": ("telemetry",),
    "logging": ("logging",),
    "execution": ("execution",),
    "hooks": ("hooks",),
    "smoke": ("smoke",),
    "release": ("release",),
    "secrets": ("secrets",),
}


@dataclass(frozen=True, slots=True)
class Effective:
    """The sections in force, validated, and where in the file each key was found.

    Args:
        sources: path within the sections (`("pool", "max_conns")`) to path in the file.
    """

    pool: model.PoolModel
    replicas: tuple[model.ReplicaModel, ...]
    routing: model.RoutingModel
    migrations: model.MigrationsModel
    safety: model.SafetyModel
    drift: model.DriftModel
    shadow: model.ShadowModel
    backup: model.BackupModel
    ledger: model.LedgerModel
    observe: model.ObserveModel
    telemetry: model.TelemetryModel
    logging: model.LoggingModel
    execution: model.ExecutionModel
    hooks: model.HooksModel
    smoke: model.SmokeModel
    release: model.ReleaseModel
    secrets: model.SecretsModel
    sources: Mapping[KeyPath, KeyPath] = field(default_factory=dict)


def declared_profiles(data: Mapping[str, Any]) -> list[str]:
    """The names under `database.environments`, in the order of the file."""
    return list(_at(data, ("database", "environments")) or {})


def profile_data(data: Mapping[str, Any], profile: str | None) -> Mapping[str, Any]:
    """What stands in a profile, nothing for one that is not declared."""
    found = _at(data, ("database", "environments", profile)) if profile is not None else None
    return found if isinstance(found, dict) else {}


def effective(data: Mapping[str, Any], profile: str | None) -> Effective:
    """Merge the sections for one profile.

    Args:
        data: the file, already found valid.
        profile: the profile's name; None, or one that is not declared, for the base alone.
    """
    own = profile_data(data, profile)
    merged: dict[str, Any] = {}
    sources: dict[KeyPath, KeyPath] = {}
    for name, place in SECTIONS.items():
        above = own.get(name)
        below = _at(data, place)
        if name == "migrations":
            below = _without_alternative(below, above)
        merged[name] = _merge(below, place, sources, (name,))
        if above is not None:
            own_place: KeyPath = ("database", "environments", str(profile), name)
            merged[name] = _overlay(merged[name], _merge(above, own_place, sources, (name,)))
    return Effective(
        pool=_section(model.PoolModel, merged["pool"]),
        replicas=tuple(model.ReplicaModel.model_validate(item) for item in merged["replicas"] or ()),
        routing=_section(model.RoutingModel, merged["routing"]),
        migrations=_section(model.MigrationsModel, merged["migrations"]),
        safety=_section(model.SafetyModel, merged["safety"]),
        drift=_section(model.DriftModel, merged["drift"]),
        shadow=_section(model.ShadowModel, merged["shadow"]),
        backup=_section(model.BackupModel, merged["backup"]),
        ledger=_section(model.LedgerModel, merged["ledger"]),
        observe=_section(model.ObserveModel, merged["observe"]),
        telemetry=_section(model.TelemetryModel, merged["telemetry"]),
        logging=_section(model.LoggingModel, merged["logging"]),
        execution=_section(model.ExecutionModel, merged["execution"]),
        hooks=_section(model.HooksModel, merged["hooks"]),
        smoke=_section(model.SmokeModel, merged["smoke"]),
        release=_section(model.ReleaseModel, merged["release"]),
        secrets=_section(model.SecretsModel, merged["secrets"]),
        sources=sources,
    )


def _section(kind: type[Section], data: Any) -> Section:
    """A section's model; one that is not there is not worth the building of a validator."""
    return kind.model_validate(data) if data else kind.model_construct()


def _without_alternative(below: Any, above: Any) -> Any:
    """`directory` and `alembic_ini` stand for each other: a profile's one replaces the base's other."""
    if not isinstance(below, dict) or not isinstance(above, dict):
        return below
    if above.get("directory") is None and above.get("alembic_ini") is None:
        return below
    return {key: value for key, value in below.items() if key not in ("directory", "alembic_ini")}


def _merge(value: Any, place: KeyPath, sources: dict[KeyPath, KeyPath], path: KeyPath) -> Any:
    """Copy a value without its empty keys, noting where each part stands in the file."""
    if isinstance(value, list):
        for known in [known for known in sources if known[: len(path)] == path]:
            del sources[known]
    if value is not None:
        sources[path] = place
    if isinstance(value, dict):
        return {
            key: _merge(item, (*place, key), sources, (*path, key)) for key, item in value.items() if item is not None
        }
    if isinstance(value, list):
        return [_merge(item, (*place, index), sources, (*path, index)) for index, item in enumerate(value)]
    return value


def _overlay(below: Any, above: Any) -> Any:
    if isinstance(below, dict) and isinstance(above, dict):
        return below | {key: _overlay(below.get(key), value) for key, value in above.items()}
    return above


def _at(data: Any, path: tuple[Any, ...]) -> Any:
    for part in path:
        if not isinstance(data, dict):
            return None
        data = data.get(part)
    return data
