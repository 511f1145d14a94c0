"""Drift in a plan: what of it costs a plan of an unchanged database next to nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, Any

from erm_alembic.drift.database import compare_database
from erm_alembic.drift.left_out import leave_out, verify_kinds, without_left_out
from erm_alembic.drift.models import compare_models, compare_models_in
from erm_alembic.drift.position import position_of
from erm_alembic.drift.severity import known_kinds
from erm_alembic.errors import ProjectError, ShadowUnavailable
from erm_alembic.planning.comparison import Comparison, LeftOut
from erm_alembic.planning.model import Drift
from erm_alembic.revisions.cache.inputs import watched
from erm_alembic.shadow.opened import open_shadow

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from erm_alembic.planning.build import Survey
    from erm_alembic.revisions.project import AlembicProject
    from erm_alembic.shadow.opened import Shadow, ShadowDatabase
    from erm_alembic.shadow.rehearsal.when import Wish
    from erm_alembic.target import Target

__all__ = ["database_drift", "looked_at"]

UNREPLAYABLE = "a recorded revision has no file, so its history cannot be replayed."


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
    kept, left_out = leave_out(found.drift, settings.ignore, (target.settings.routing.heartbeat,))
    return kept, left_out, (without_left_out(found.comparison, kept),)


def looked_at(
    target: Target, project: AlembicProject, read: Callable[[], Survey], wish: Wish, *, compared: bool
) -> Survey:
    """A plan, rehearsed, with what drift a shadow of the database shows.

    Args:
        target: the database.
        project: the Alembic project.
        read: makes the plan, `with_basis` where anything is to be compared.
        wish: what the plan is for; one that is run at once does not look at the models, which it makes no worse.
        compared: whether drift is looked for.
    """
    # Only here: `erm drift` does without what rehearses.
    from erm_alembic.shadow.rehearsal.rehearsed_plan import with_rehearsal

    with_models = compared and wish.purpose == "plan"
    with open_shadow(target.settings, project, target) as shadow:
        if with_models:  # whoever only looks waits for nothing else
            shadow.begin_server()
        survey, inputs = _noting_inputs(target, read) if with_models else (read(), None)
        shadow.learn(survey.scripts, survey.plan.current)
        shadow.expect(bool(survey.plan.steps) + (with_models and survey.metadata is not None))
        found = [database_drift(target, shadow, survey)] if compared else []
        models = _Models(target, shadow, survey, inputs) if with_models else None
        rehearsed = with_rehearsal(
            target, shadow, survey, wish, models.look_in if models is not None and models.comes_to_heads else None
        )
        if models is not None:
            found.append(models.drift())
    if not found:
        return rehearsed
    drift, left_out, comparisons = ((*chain(*parts),) for parts in zip(*found, strict=True))
    return replace(rehearsed, plan=replace(rehearsed.plan, drift=drift, left_out=left_out, comparisons=comparisons))


def _noting_inputs(target: Target, read: Callable[[], Survey]) -> tuple[Survey, str | None]:
    """The plan, and a hash of everything that env.py was read from; None where there are no models, or in doubt."""
    with watched(target.url) as watch:
        survey = read()
    found = watch.inputs() if survey.metadata is not None else None
    return survey, None if found is None else found.digest


@dataclass
class _Models:
    """Drift of the models, for a plan that was made `with_basis`.

    Where these models were compared with these revisions before, it costs the look at a file. Otherwise the child
    compares, as `alembic check` does, in the scratch database in which the plan was rehearsed, where that stands at the
    heads then; else the history is replayed up to the heads, or cloned from a template.

    Args:
        target: the database.
        shadow: its shadow.
        survey: the plan and what it was made from.
        inputs: a hash of everything that env.py was read from; None where that is not known.
    """

    target: Target
    shadow: Shadow
    survey: Survey
    inputs: str | None
    found: tuple[tuple[Drift, ...], Comparison] | None = None

    @property
    def are_there(self) -> bool:
        """Whether the project has models, and a history that they can be compared with."""
        survey = self.survey
        return survey.metadata is not None and not survey.unknown and survey.plan.basis is not None

    @property
    def comes_to_heads(self) -> bool:
        """Whether the rehearsed plan leads from a settled state to all heads, as a replay would."""
        plan = self.survey.plan
        if not self.are_there or plan.direction != "upgrade" or plan.half_done:
            return False
        return set(position_of(self.target, self.survey).afterwards) == set(plan.heads)

    def look_in(self, database: ShadowDatabase, events: Sequence[Mapping[str, Any]]) -> None:
        """Compare in the scratch database of the rehearsal."""
        position, root = position_of(self.target, self.survey), self.target.settings.project_dir
        try:
            made = self.shadow.catalog_in(
                database, self.survey.plan.heads, events, (position.ledger_schema,), (position.version_table,)
            )
        except (ShadowUnavailable, ProjectError):
            return  # what is wrong shows where a scratch database is asked for
        self.found = compare_models_in(self.shadow, database, made, root, self.inputs)

    def drift(self) -> tuple[tuple[Drift, ...], tuple[LeftOut, ...], tuple[Comparison, ...]]:
        """The differences; what `drift.ignore` left out of them; how the comparison ended.

        Nothing of these where the project has no models.
        """
        if not self.are_there:
            return (), (), ()
        if self.found is None:
            root, position = self.target.settings.project_dir, position_of(self.target, self.survey)
            self.found = compare_models(self.shadow, self.survey.plan.heads, position, root, self.inputs)
        found, comparison = self.found
        settings = self.target.settings
        kept, left_out = leave_out(found, settings.drift.ignore, (settings.routing.heartbeat,))
        return kept, left_out, (without_left_out(comparison, kept),)
