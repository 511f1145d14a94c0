"""What a release is asked for, and the form of it that the ledger keeps so that it can go on as it began."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

from erm_alembic.config.in_force import values_of
from erm_alembic.config.redaction import redact
from erm_alembic.config.release_settings import OnFailure
from erm_alembic.config.settings import Settings
from erm_alembic.findings import Override
from erm_alembic.revisions.project import AlembicOptions

__all__ = ["ReleaseRequest", "changed_settings", "kept_request", "request_again"]

# What decides how an application's own connections behave, and nothing of a release. Addresses are left out too: which
# database it is, is known by the ledger that the release stands in.
NOT_OURS = ("database.pool.", "database.routing.", "logging.", "telemetry.")


def _no_skips() -> Mapping[str, str]:
    return MappingProxyType({})


@dataclass(frozen=True)
class ReleaseRequest:
    """What is asked for.

    Args:
        to: the revision to reach, where there is no approved plan.
        approved: the file of an approved plan.
        overrides: rules that may pass this once, each with its reason.
        accept_environment: whether a database that was deployed under another environment is accepted.
        wait: how long to wait for the deploy lock, in seconds; None means `execution.deploy_lock_wait`.
        rehearse: whether the plan is tried out in a shadow; None does, unless `shadow.rehearse` is false.
        skip: the stages to leave out, each with the reason.
        observe_for: how long to observe; None means `release.observe.for`.
        on_failure: `stop` or `rollback`; None means `release.on_failure`.
        options: Alembic's own options for env.py.
        reports: the files that the report is written to.
        typed: what the next command must repeat to reach the same project in the same way.
    """

    to: str = "heads"
    approved: Path | None = None
    overrides: tuple[Override, ...] = ()
    accept_environment: bool = False
    wait: float | None = None
    rehearse: bool | None = None
    skip: Mapping[str, str] = field(default_factory=_no_skips)
    observe_for: timedelta | None = None
    on_failure: OnFailure | None = None
    options: AlembicOptions = field(default_factory=AlembicOptions)
    reports: tuple[Path, ...] = ()
    typed: tuple[str, ...] = ()


def kept_request(request: ReleaseRequest, settings: Settings, digest: str | None) -> dict[str, Any]:
    """What the ledger keeps of a request, and of the configuration that it was made with.

    Of the settings only what they are known by is kept: a command may hold what nobody else should read.

    Args:
        request: what is asked for.
        settings: what is in force.
        digest: the digest of the approved plan.
    """
    return {
        "to": request.to,
        "approved": None if request.approved is None else str(request.approved.absolute()),
        "digest": digest,
        "overrides": [[each.rule, redact(each.reason)] for each in request.overrides],
        "accept_environment": request.accept_environment,
        "rehearse": request.rehearse,
        "skip": {stage: redact(reason) for stage, reason in request.skip.items()},
        "observe_for": None if request.observe_for is None else request.observe_for.total_seconds(),
        "on_failure": request.on_failure,
        "options": _known_by(request.options),
        "settings": _settings(settings),
    }


def request_again(terms: Mapping[str, Any], given: ReleaseRequest) -> ReleaseRequest:
    """The request of a release that goes on: as it began, but for what is said anew.

    Args:
        terms: what the ledger keeps.
        given: what was said when it is gone on with.
    """
    observe_for = terms["observe_for"]
    kept = None if terms["approved"] is None else Path(terms["approved"])
    return replace(
        given,
        to=terms["to"],
        approved=given.approved or kept,
        overrides=tuple(Override(rule, reason) for rule, reason in terms["overrides"]),
        accept_environment=terms["accept_environment"],
        rehearse=terms["rehearse"],
        skip=MappingProxyType({**terms["skip"], **given.skip}),
        observe_for=given.observe_for or (None if observe_for is None else timedelta(seconds=observe_for)),
        on_failure=given.on_failure or terms["on_failure"],
    )


def changed_settings(terms: Mapping[str, Any], settings: Settings, options: AlembicOptions) -> Sequence[str]:
    """The keys of erm.yaml, and Alembic's options, that are not what they were when the release began.

    Args:
        terms: what the ledger keeps.
        settings: what is in force now.
        options: Alembic's own options now.
    """
    before, now = terms["settings"], _settings(settings)
    changed = [key for key in sorted({*before, *now}) if before.get(key) != now.get(key)]
    return [*changed, *(["-x, --name or --tag"] if terms["options"] != _known_by(options) else [])]


def _settings(settings: Settings) -> dict[str, str]:
    """Each setting by what it is known by: the same in another checkout of the same project."""
    found = {}
    for key, value in values_of(settings).items():
        if not key.startswith(NOT_OURS) and not key.endswith(".url"):
            found[key] = _known_by(_as_told(value, settings.project_dir))
    return found


def _as_told(value: Any, project_dir: Path) -> str:
    if isinstance(value, Path) and value.is_relative_to(project_dir):
        return str(value.relative_to(project_dir))
    return str(value)


def _known_by(value: object) -> str:
    return hashlib.sha256(str(value).encode("utf-8", "surrogatepass")).hexdigest()[:16]
