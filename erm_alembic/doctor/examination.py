"""The doctor's round: gather what there is to see, then one check after the other."""

from __future__ import annotations

from collections.abc import Sequence

from erm_alembic.config.settings import Settings
from erm_alembic.doctor.evidence import Evidence, gather
from erm_alembic.doctor.model import Check, Diagnosis, Examination, Examined, Need, NotNeeded, NotTold
from erm_alembic.doctor.registry import CHECKS
from erm_alembic.errors import ErmError
from erm_alembic.routing.configured import cluster_of

__all__ = ["conclude", "examine"]


def examine(settings: Settings, checks: Sequence[Check] = CHECKS) -> Examination:
    """Look at a project and its servers; nothing is changed, but that heartbeats are written where they are configured.

    Args:
        settings: what is in force, with a database.
        checks: those to make.

    Raises:
        ConfigurationError: a secret cannot be had.
        ServerError: an embedded server cannot be started.
    """
    with cluster_of(settings) as cluster:
        evidence = gather(settings, cluster)
    return conclude(evidence, checks)


def conclude(evidence: Evidence, checks: Sequence[Check] = CHECKS) -> Examination:
    """What follows from the evidence.

    Args:
        evidence: all that there is to look at.
        checks: those to make.
    """
    primary = evidence.overview.primary
    return Examination(
        environment=evidence.settings.environment,
        url=primary.url,
        server_version=primary.facts.version if primary.facts else None,
        examined=tuple(_made(check, evidence) for check in checks),
    )


def _made(check: Check, evidence: Evidence) -> Examined:
    if Need.REPLICAS in check.needs and not evidence.overview.replicas:
        return Examined(check.id, check.title, skipped="there are no replicas")
    if Need.PROJECT in check.needs and _has_no_project(evidence):
        return Examined(check.id, check.title, skipped="there is no Alembic project")
    if Need.PRIMARY in check.needs and evidence.overview.primary.facts is None:
        return Examined(check.id, check.title, not_told=(NotTold("the primary does not answer"),))
    said = tuple(check.examine(evidence))
    return Examined(
        check.id,
        check.title,
        tuple(each for each in said if isinstance(each, Diagnosis)),
        tuple(each for each in said if isinstance(each, NotTold)),
        skipped="; ".join(each.why for each in said if isinstance(each, NotNeeded)),
        note=_uncovered(check, evidence),
    )


def _has_no_project(evidence: Evidence) -> bool:
    """Whether nobody named one, either: one that is named and cannot be found leaves its database to be looked at."""
    named = evidence.settings.migrations
    return isinstance(evidence.project, ErmError) and named.directory is None and named.alembic_ini is None


def _uncovered(check: Check, evidence: Evidence) -> str:
    silent = [replica.name for replica in evidence.overview.replicas if replica.facts is None]
    return f"{', '.join(silent)} left out" if silent and Need.REPLICAS in check.needs else ""
