"""Whether env.py chooses the schema in which a history runs, which may be another one for each tenant."""

from __future__ import annotations

from erm_alembic.drift.position import Position
from erm_alembic.drift.trial import Grounds
from erm_alembic.opening import Opened
from erm_alembic.planning.build import Survey
from erm_alembic.shadow.opened import open_shadow

__all__ = ["chosen_schema"]


def chosen_schema(opened: Opened, survey: Survey) -> str | None:
    """The schema, unquoted, that env.py chooses for a history and its version table; None where the session decides.

    Args:
        opened: the settings, the target and the project.
        survey: what was read of them, with its basis.

    Raises:
        TargetError: the database cannot be read.
    """
    basis = survey.plan.basis
    if basis is None:
        return None
    position = Position(survey.plan.current, survey.plan.current, basis.version_table, opened.settings.ledger.schema)
    with open_shadow(opened.settings, opened.project, opened.target) as shadow:
        return Grounds(opened.target, shadow, position, basis.schema).tenant()
