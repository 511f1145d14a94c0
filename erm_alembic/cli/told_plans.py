"""What a pipeline tells of a plan: the plan as a comment takes it, or that there is none."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from erm_alembic.cli.options import refused
from erm_alembic.cli.repository import places_from, places_of
from erm_alembic.errors import ErmError

if TYPE_CHECKING:
    from erm_alembic.planning.read_plan import ReadPlan
    from erm_alembic.render.places import Places

__all__ = ["NoPlan", "no_plan", "places", "refuse_but_one", "rendered", "shown_plan"]


def refuse_but_one(what: str, given: dict[str, bool], env: str | None) -> None:
    """Make sure that one thing is told, and of which environment where it is that there is no plan.

    Args:
        what: what tells it, as in `A comment shows a plan, ...`.
        given: whether each of the options was given that say what is told.
        env: `--env`.

    Raises:
        UsageError: none of them was, or several.
    """
    nothing = "Nothing was sent."
    if list(given.values()).count(True) != 1:
        *first, last = given
        raise refused(what, f"Give one of {', '.join(first)} and {last}.", nothing)
    if env is not None and not given["--failed"]:
        raise refused("--env is for --failed: a plan says its own.", "Leave out --env.", nothing)


def shown_plan(path: Path) -> ReadPlan:
    """The plan of a file.

    Args:
        path: the file.

    Raises:
        UsageError: it cannot be read, or is no plan.
    """
    from erm_alembic.planning.plan_file import read_plan_file
    from erm_alembic.planning.read_plan import read_plan

    return read_plan(read_plan_file(path), str(path))


def places(env: str, config: Path | None) -> Places:
    """Where the files of the project stand in the repository that is checked out here.

    Args:
        env: the profile of the plan.
        config: `--config`.

    Raises:
        ConfigurationError: erm.yaml is wrong.
    """
    from erm_alembic.config.loader import load_settings

    return places_of(load_settings(env, config, require_url=False))


@dataclass(frozen=True)
class NoPlan:
    """A plan that could not be made.

    Args:
        environment: the profile that it was to be made for.
        places: where the files of the project stand.
    """

    environment: str
    places: Places

    def markdown(self, job_url: str | None) -> str:
        """What stands in its place.

        Args:
            job_url: where the log of the job is.
        """
        from erm_alembic.forge.bodies import could_not_be_made
        from erm_alembic.render.presentation import Presentation

        return could_not_be_made(self.environment, Presentation("migrate", places=self.places), job_url)


def no_plan(env: str | None, config: Path | None) -> NoPlan:
    """The plan that could not be made; a wrong erm.yaml may be why, and does not keep that from being said.

    Args:
        env: `--env`.
        config: `--config`.
    """
    from erm_alembic.config.env_option import DEFAULT_ENVIRONMENT
    from erm_alembic.config.loader import load_settings

    try:
        settings = load_settings(env, config, require_url=False)
    except ErmError:
        return NoPlan(env or os.environ.get("ERM_ENV") or DEFAULT_ENVIRONMENT, places_from(Path.cwd()))
    return NoPlan(settings.environment, places_of(settings))


def rendered(plan: ReadPlan, config: Path | None, limit: int) -> str:
    """A plan as the Markdown of a comment.

    Args:
        plan: the plan.
        config: `--config`.
        limit: the most characters.
    """
    from erm_alembic.render.formats import render
    from erm_alembic.render.presentation import Presentation

    how = Presentation("migrate", places=places(plan.environment, config), limit=limit)
    return render("markdown", plan, plan.findings, None, how)
