"""What a report is told beside what it is about: who reads it, where, and what was typed to get it."""

from __future__ import annotations

from dataclasses import dataclass, field

from erm_alembic.render.places import Places
from erm_alembic.render.safe import Paint, plain

__all__ = ["Presentation", "Typed"]


@dataclass(frozen=True)
class Typed:
    """What was typed and belongs into the next command too.

    Args:
        arguments: into every command about the same plan, such as `--to` and its revision.
        looking: only into one that looks at the plan again, such as `--copy-data`.
    """

    arguments: tuple[str, ...] = ()
    looking: tuple[str, ...] = ()


@dataclass(frozen=True)
class Presentation:
    """How a report is shown; a format takes of it what it needs.

    Args:
        command: what it is a report of: `migrate`, `check` or `drift`.
        environment: of drift, the profile whose database it is; empty for files, and where a plan says it.
        verbose: show all that there is, such as whole statements.
        typed: what was typed and belongs into the next command too.
        watched: whether the target and the steps that are done were told above already, while they ran.
        paint: gives colour, on a terminal.
        places: where files stand in the repository.
        limit: how long the report may be, in characters; None takes what is usual for the format.
    """

    command: str = "migrate"
    environment: str = ""
    verbose: bool = False
    typed: Typed = field(default_factory=Typed)
    watched: bool = False
    paint: Paint = plain
    places: Places = field(default_factory=Places)
    limit: int | None = None
