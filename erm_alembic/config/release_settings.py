"""What is in force for a release: its stages, how long it observes, what it tells downstream."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from types import MappingProxyType
from typing import Literal

__all__ = ["OnFailure", "OwnStageSettings", "ReleaseObserveSettings", "ReleaseSettings"]

OnFailure = Literal["stop", "rollback"]


def _none() -> Mapping[str, OwnStageSettings]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class OwnStageSettings:
    """A stage that is a command of the team's own.

    Args:
        after: the stage that it comes after.
        run: the command, as a shell would read it; `shlex.split` gives its words back.
        timeout: how long it may take; None: as `release.timeout` says.
    """

    after: str
    run: str
    timeout: timedelta | None = None


@dataclass(frozen=True, slots=True)
class ReleaseObserveSettings:
    """How a release observes.

    Args:
        duration: for how long; zero does not.
    """

    duration: timedelta = field(default=timedelta(0), metadata={"key": "for"})


@dataclass(frozen=True, slots=True)
class ReleaseSettings:
    """How `erm release` goes.

    Args:
        stages: the team's own stages, by name.
        wait_for_replicas: how long every replica may take to replay what was applied.
        observe: how long is looked at what became of it.
        promote: commands that make it known: a tag, a publication, a message.
        on_failure: whether a release that fails after its apply goes back, where that is proven to lose nothing.
        timeout: how long each of the team's commands may take; zero means no limit.
    """

    stages: Mapping[str, OwnStageSettings] = field(default_factory=_none)
    wait_for_replicas: timedelta = timedelta(minutes=10)
    observe: ReleaseObserveSettings = ReleaseObserveSettings()
    promote: tuple[str, ...] = ()
    on_failure: OnFailure = "stop"
    timeout: timedelta = timedelta(minutes=10)
