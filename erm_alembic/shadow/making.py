"""Templates, made where they are missing: from empty, from the live schema, or from one that has the beginning."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from erm_alembic.errors import ShadowUnavailable
from erm_alembic.shadow.recipe import Made, Recipe, hashed_files
from erm_alembic.shadow.server import ShadowServer, TemplateGone
from erm_alembic.shadow.templates import best_template, keep, making

__all__ = ["Maker", "Wanted"]

TRIES = 3

Replay = Callable[[str, dict[str, Any]], list[dict[str, Any]]]
"""Run the child's task `replay` in a scratch database, with these arguments; its events."""


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
        is_current: whether what a template was made of is still the same.
        project: which project it is made for.
        root: the project's folder.
    """

    server: ShadowServer
    replay: Replay
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

    def _template(self, wanted: Wanted) -> tuple[str, Made]:
        with self.server.cursor() as cursor:
            found = best_template(cursor, wanted.recipe, self.is_current)
            if found is not None and found[1].revisions == wanted.recipe.revisions:
                return found
            with making(cursor, wanted.recipe):
                found = best_template(cursor, wanted.recipe, self.is_current)
                if found is not None and found[1].revisions == wanted.recipe.revisions:
                    return found
                return self._make(cursor, wanted, found)

    def _make(self, cursor: Any, wanted: Wanted, prefix: tuple[str, Made] | None) -> tuple[str, Made]:
        """Make what a template lacks, and keep that as a template of its own."""
        template, before = prefix if prefix is not None else (None, None)
        with self.server.scratch(wanted.recipe.key[:12], template) as name:
            notes = list(before.notes if before is not None else ())
            if wanted.load is not None and before is None:
                notes += wanted.load(name)
            events = self._replayed(name, wanted) if wanted.revisions is not None else []
            notes += [event["note"] for event in events if event["event"] == "note"]
            read = [path for event in events if event["event"] == "read" for path in event["paths"]]
            made = Made(
                basis=wanted.recipe.basis,
                revisions=dict(wanted.recipe.revisions),
                project=self.project,
                server=self.server.identity.version,
                files={**(before.files if before is not None else {}), **hashed_files(self.root, read)},
                extensions={
                    **(before.extensions if before is not None else {}),
                    **{event["name"]: event["version"] for event in events if event["event"] == "extension"},
                },
                notes=tuple(dict.fromkeys(notes)),
            )
            kept = keep(cursor, name, wanted.recipe, made)
        if kept is None:
            raise ShadowUnavailable("The shadow's server does not let a scratch database become a template.")
        return kept, made

    def _replayed(self, name: str, wanted: Wanted) -> list[dict[str, Any]]:
        return self.replay(name, {"revisions": sorted(wanted.revisions or ()), "stamp": sorted(wanted.stamp)})
