"""The stages of a release, in their order; those of the team's own stand where erm.yaml puts them."""

from __future__ import annotations

from erm_alembic.config.settings import Settings
from erm_alembic.release.stage import Stage
from erm_alembic.release.stages import apply, backup, measure, models, observe, plan, promote, replicas, report, smoke
from erm_alembic.release.stages.own import own_stage

__all__ = ["STAGES", "stages_of"]

STAGES: tuple[Stage, ...] = (
    models.STAGE,
    plan.STAGE,
    backup.STAGE,
    measure.STAGE,
    apply.STAGE,
    replicas.STAGE,
    smoke.STAGE,
    observe.STAGE,
    promote.STAGE,
    report.STAGE,
)


def stages_of(settings: Settings) -> tuple[Stage, ...]:
    """The stages of a profile's release, the team's own among them.

    Args:
        settings: what is in force.

    Example:
        >>> from pathlib import Path
        >>> [stage.name for stage in stages_of(Settings("dev", Path("/srv")))][:3]
        ['models', 'plan', 'backup']
    """
    found = list(STAGES)
    own = dict(settings.release.stages)
    while own:
        names = [stage.name for stage in found]
        placed = next((name for name, each in own.items() if each.after in names), None)
        if placed is None:  # which the validation of erm.yaml has refused
            break
        each = own.pop(placed)
        # Behind those that were put after the same stage before it.
        at = names.index(each.after) + 1
        while at < len(found) and _comes_after(found[at].name, each.after, settings):
            at += 1
        found.insert(at, own_stage(placed, each))
    return tuple(found)


def _comes_after(name: str, after: str, settings: Settings) -> bool:
    """Whether a team's own stage comes after another one, or after one that does."""
    while name in settings.release.stages:
        name = settings.release.stages[name].after
        if name == after:
            return True
    return False
