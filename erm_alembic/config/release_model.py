"""The section `release` of erm.yaml: the shape of it, for the validation library and for editors."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from erm_alembic.config.command_field import Command
from erm_alembic.config.durations import format_duration
from erm_alembic.config.fields import DURATION_SCHEMA, Section, as_duration
from erm_alembic.config.release_settings import OnFailure, ReleaseSettings

__all__ = ["BUILT_IN_STAGES", "OwnStageModel", "ReleaseModel", "ReleaseObserveModel"]

# What a team's own stage may come after, and may not be called; erm_alembic/release has the same names.
BUILT_IN_STAGES = ("models", "plan", "backup", "measure", "apply", "replicas", "smoke", "observe", "promote", "report")

NAME = r"[a-z][a-z0-9-]{0,62}"
_RELEASE = ReleaseSettings()
# The section is left alone by ${VAR}, because of its commands: a duration is a duration here.
Span = Annotated[timedelta, BeforeValidator(as_duration), WithJsonSchema(DURATION_SCHEMA)]


def _stage_name(value: str) -> str:
    """It is typed on the command line, and stands in the names of variables and in tables."""
    if not re.fullmatch(NAME, value):
        raise ValueError("a stage is called by small letters, digits and hyphens, as warm-caches")
    return value


StageName = Annotated[str, AfterValidator(_stage_name)]


class OwnStageModel(Section):
    """A stage that is a command of the team's own: it gets the outcome so far as JSON on stdin."""

    after: StageName = Field(description=f"the stage that it comes after: {', '.join(BUILT_IN_STAGES)}, or another one")
    run: Command = Field(description="the command; no shell reads it, and one that fails stops the release")
    timeout: Span | None = Field(None, description="how long it may take (as release.timeout)")


class ReleaseObserveModel(Section):
    """How a release observes what became of it."""

    for_: Annotated[
        Span,
        Field(alias="for", description=f"for how long ({format_duration(_RELEASE.observe.duration)}: not at all)"),
    ] = _RELEASE.observe.duration


class ReleaseModel(Section):
    """`erm release`: the playbook as one run, from the plan to the report."""

    stages: dict[StageName, OwnStageModel] = Field(default_factory=dict, description="the team's own stages, by name")
    wait_for_replicas: Annotated[
        Span,
        Field(
            description="how long every replica may take to replay what was applied "
            f"({format_duration(_RELEASE.wait_for_replicas)})"
        ),
    ] = _RELEASE.wait_for_replicas
    observe: ReleaseObserveModel = Field(
        default_factory=ReleaseObserveModel.model_construct,
        description="locks, lag, errors and slow queries afterwards",
    )
    promote: tuple[Command, ...] = Field((), description="commands that make it known: tag, publish, tell downstream")
    on_failure: OnFailure = Field(
        _RELEASE.on_failure,
        description="rollback goes back after a failure where the plan has proven that nothing is lost (stop)",
    )
    timeout: Annotated[
        Span,
        Field(description=f"how long each of the team's commands may take ({format_duration(_RELEASE.timeout)})"),
    ] = _RELEASE.timeout
