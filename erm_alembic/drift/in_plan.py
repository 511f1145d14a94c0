"""Drift in a plan: what of it costs a plan of an unchanged database next to nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from erm_alembic.drift.database import compare_database
from erm_alembic.drift.history import lost_versions, missing_revisions
from erm_alembic.drift.inserted import changed_history
from erm_alembic.drift.left_out import leave_out, verify_kinds
from erm_alembic.drift.position import position_of
from erm_alembic.drift.severity import known_kinds
from erm_alembic.planning.comparison import Comparison, LeftOut
from erm_alembic.planning.model import Drift

if TYPE_CHECKING:
    from erm_alembic.planning.build import Survey
    from erm_alembic.shadow.opened import Shadow
    from erm_alembic.target import Target

__all__ = ["UNREPLAYABLE", "database_drift", "history_drift"]

UNREPLAYABLE = "a recorded revision has no file, so its history cannot be replayed."


def history_drift(target: Target, survey: Survey) -> tuple[Drift, ...]:
    """The recorded revisions against the files.

    Args:
        target: the database; its ledger is asked where a revision was moved.
        survey: what was read of both.
    """
    return (
        *missing_revisions(survey.unknown, survey.ledger),
        *lost_versions(survey.lost, survey.parents() if survey.lost else {}),
        *changed_history(target, survey.applied, survey.ledger, survey.parents),
    )


def database_drift(
    target: Target, shadow: Shadow, survey: Survey
) -> tuple[tuple[Drift, ...], tuple[LeftOut, ...], tuple[Comparison, ...]]:
    """Drift of the database, for a plan that was made `with_basis`.

    Where the catalogs of the database and of its history are the ones that were compared before, it costs one
    connection to the target (what of it decides how the history is replayed), and no server is started. Otherwise the
    history is replayed up to the recorded revisions, or cloned from a template.

    Args:
        target: the database.
        shadow: its shadow.
        survey: the plan and what it was made from.

    Returns:
        The differences; what `drift.ignore` left out of them; how the comparison ended. Nothing of these where the
        database records no revision and has no tables.

    Raises:
        ConfigurationError: `drift` in erm.yaml names a kind of object that there is not.
        TargetError: the database cannot be read.
    """
    settings = target.settings.drift
    verify_kinds(settings, known_kinds(), target.settings.origins)
    if survey.empty:
        return (), (), ()
    if survey.unknown or survey.plan.basis is None:
        return (), (), (Comparison("database", "unknown", UNREPLAYABLE),)
    position, live = position_of(target, survey), survey.plan.basis.catalog
    found = compare_database(target, shadow, position, live=live)
    kept, left_out = leave_out(found.drift, settings.ignore)
    return kept, left_out, (found.comparison,)
