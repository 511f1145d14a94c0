"""Templates, made where they are missing: from empty, from the live schema, or from one that has the beginning."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from erm_alembic.errors import ShadowUnavailable
from erm_alembic.shadow.recipe import Made, Recipe, hashed_files
from erm_alembic.shadow.server import ShadowServer, TemplateGone
from erm_alembic.shadow.templates import best_template, keep, making
from erm_alembic.under_way import under_way

__all__ = ["Maker", "Wanted"]

TRIES = 3

# What a statement says that needs what an administrator has made: a schema, a type, a function, an operator class.
NEEDS_MORE = frozenset({"3F000", "42704", "42883", "0A000", "58P01"})
DISK_FULL = "53100"
GIVEN = (
    "The history needs what it does not make: the target's schemas and extensions are there beforehand in the shadow."
)

Replay = Callable[[str, Made, dict[str, Any]], list[dict[str, Any]]]
"""Run the child's task `replay` in a scratch database, which is made of this so far, with arguments; its events."""


Seen = TypeVar("Seen")


def _look_away(_name: str, _made: Made) -> None:
    """Nobody wants to see it."""


@dataclass(frozen=True)
class Wanted:
    """What a scratch database is to have in it.

    Args:
        recipe: what that depends on.
        revisions: what it is to record afterwards; None where nothing is to be replayed.
        stamp: the revisions that are there already once `load` has run.
        load: brings the live schema into an empty scratch database; None to start from empty.
    """

    recipe: Recipe
    revisions: Collection[str] | None
    stamp: Collection[str] = ()
    load: Callable[[str], tuple[str, ...]] | None = None


@dataclass(frozen=True)
class Maker:
    """Makes scratch databases on a server.

    Args:
        server: the server.
        replay: runs revisions in one.
        give: makes the target's schemas and extensions in a scratch database.
        is_current: whether what a template was made of is still the same.
        project: which project it is made for.
        root: the project's folder.
    """

    server: ShadowServer
    replay: Replay
    give: Callable[[str], None]
    is_current: Callable[[Made], bool]
    project: str
    root: Path

    @contextlib.contextmanager
    def scratch(self, wanted: Wanted) -> Iterator[tuple[str, Made]]:
        """A scratch database, a copy of a template that is made where there is none; its name, and what it is made of.

        Raises:
            ShadowUnavailable: it cannot be made.
        """
        for _ in range(TRIES):
            template, made = self._template(wanted)
            with contextlib.ExitStack() as stack:
                try:
                    name = stack.enter_context(self.server.scratch(wanted.recipe.key[:12], template))
                except TemplateGone:
                    continue
                yield name, made
                return
        raise ShadowUnavailable("The template of the shadow is dropped by somebody as soon as it is there.")

    def look(self, wanted: Wanted, look: Callable[[str, Made], Seen]) -> Seen:
        """What is to be seen in a scratch database; one that has to be made for it is not copied first.

        Args:
            wanted: what it is to have in it.
            look: looks at it and changes nothing; given its name, and what it is made of.

        Raises:
            ShadowUnavailable: it cannot be made.
        """
        seen: list[Seen] = []
        self._template(wanted, lambda name, made: seen.append(look(name, made)))
        if seen:
            return seen[0]
        with self.scratch(wanted) as (name, made):
            return look(name, made)

    def _template(self, wanted: Wanted, look: Callable[[str, Made], None] = _look_away) -> tuple[str, Made]:
        with self.server.cursor() as cursor:
            found = best_template(cursor, wanted.recipe, self.is_current, self.server.at_hand)
            if found is not None and found[1].revisions == wanted.recipe.revisions:
                return found
            with making(cursor, wanted.recipe):
                found = best_template(cursor, wanted.recipe, self.is_current, self.server.at_hand)
                if found is not None and found[1].revisions == wanted.recipe.revisions:
                    return found
                try:
                    return self._make(cursor, wanted, found, look)
                except ShadowUnavailable as error:
                    if error.sqlstate == DISK_FULL and self.server.go_to_disk():
                        return self._make(cursor, wanted, found, look)
                    if error.sqlstate not in NEEDS_MORE or wanted.load is not None:
                        raise
                    if found is not None and found[1].given:
                        raise
                    return self._make(cursor, wanted, None, look, given=True)

    def _make(
        self,
        cursor: Any,
        wanted: Wanted,
        prefix: tuple[str, Made] | None,
        look: Callable[[str, Made], None],
        *,
        given: bool = False,
    ) -> tuple[str, Made]:
        """Make what a template lacks, and keep that as a template of its own."""
        template, made = prefix if prefix is not None else (None, self._nothing(wanted))
        with self.server.scratch(wanted.recipe.key[:12], template) as name:
            if wanted.load is not None and template is None:
                under_way("copying the live schema into a shadow")
                made = replace(made, notes=wanted.load(name))
            if given:
                self.give(name)
                made = replace(made, notes=(GIVEN,), given=True)
            if wanted.revisions is not None:
                missing = len(wanted.recipe.revisions.keys() - made.revisions.keys())
                under_way(f"replaying {missing} {'revision' if missing == 1 else 'revisions'} in a shadow")
                arguments = {"revisions": sorted(wanted.revisions), "stamp": sorted(wanted.stamp)}
                made = self.found_out(made, self.replay(name, made, arguments))
            made = replace(made, revisions=dict(wanted.recipe.revisions), server=self.server.identity.version)
            look(name, made)
            kept = keep(cursor, name, wanted.recipe, made)
        if kept is None:
            raise ShadowUnavailable("The shadow's server does not let a scratch database become a template.")
        self.server.pack(kept)
        return kept, made

    def _nothing(self, wanted: Wanted) -> Made:
        return Made(wanted.recipe.basis, {}, self.project, self.server.identity.version)

    def found_out(self, before: Made, events: Sequence[Mapping[str, Any]]) -> Made:
        """What was made so far, with what a run of revisions has read and what was stood in for."""
        read = [path for event in events if event["event"] == "read" for path in event["paths"]]
        refused = (event["place"] for event in events if event["event"] == "refused")
        notes = [
            *before.notes,
            *(event["note"] for event in events if event["event"] == "note"),
            *(f"A connection to {place} was refused in the shadow." for place in refused),
        ]
        versions = {event["name"]: event["version"] for event in events if event["event"] == "extension"}
        return replace(
            before,
            files={**before.files, **hashed_files(self.root, read)},
            extensions={**before.extensions, **versions},
            notes=tuple(dict.fromkeys(notes)),
        )
