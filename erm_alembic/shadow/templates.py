"""Replayed histories kept as template databases, so that the second plan costs a copy and not a replay.

A template is named by its recipe and says in its comment what it was made of. Nobody can connect to it, so that it can
be copied at any time. A history that begins with that of a template is replayed from there.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import psycopg2

from erm_alembic.postgres.scratch import (
    become_template,
    describe,
    drop_template,
    locked,
    template_name,
    templates,
)
from erm_alembic.shadow.recipe import Made, Recipe

__all__ = ["MOST_TEMPLATES", "best_template", "keep", "making", "template_of"]

# Of one project: what is used least recently goes first.
MOST_TEMPLATES = 5
# In seconds: a template that nobody has used for so long is dropped, whatever project it is of.
OLDEST = 30 * 24 * 3600.0
# In seconds: the time of the last use is written down this coarsely.
TOUCH_AFTER = 60

IsCurrent = Callable[[Made], bool]


def template_of(recipe: Recipe) -> str:
    """The name of a recipe's template, there or not."""
    return template_name(recipe.key[:16])


def best_template(
    cursor: Any, recipe: Recipe, is_current: IsCurrent, at_hand: Callable[[str], bool]
) -> tuple[str, Made] | None:
    """The template that has most of a recipe, all of it at best; None when none has any.

    Args:
        cursor: of the session that administers the server.
        recipe: what is wanted.
        is_current: whether what a template was made of is still the same.
        at_hand: whether a template can be copied.
    """
    found = [
        (name, made)
        for name, comment in templates(cursor)
        if (made := Made.from_json(comment)) is not None and recipe.begins_with(made)
    ]
    for name, made in sorted(found, key=lambda each: -len(each[1].revisions)):
        if is_current(made) and at_hand(name):
            if time.time() - made.used > TOUCH_AFTER:
                with contextlib.suppress(psycopg2.Error):  # somebody else touches or drops it
                    describe(cursor, name, replace(made, used=int(time.time())).to_json())
            return name, made
    return None


@contextlib.contextmanager
def making(cursor: Any, recipe: Recipe) -> Iterator[None]:
    """Let one process at a time make a recipe's template; the next one finds it."""
    with locked(cursor, recipe.key[:8]):
        yield


def keep(cursor: Any, name: str, recipe: Recipe, made: Made) -> str | None:
    """Make a scratch database its recipe's template, and drop what is too many; None where that cannot be.

    Args:
        cursor: of the session that administers the server.
        name: the scratch database; nobody works in it any more.
        recipe: its recipe.
        made: what it was made of.
    """
    template = template_of(recipe)
    drop_template(cursor, template)  # one of the same recipe that is not current
    describe(cursor, name, replace(made, used=int(time.time())).to_json())
    if not become_template(cursor, name, template):
        return None
    _prune(cursor, made.project, template)
    return template


def _prune(cursor: Any, project: str, newest: str) -> None:
    known = [(name, Made.from_json(comment)) for name, comment in templates(cursor) if name != newest]
    own = sorted((made.used, name) for name, made in known if made is not None and made.project == project)
    too_many = {name for _, name in own[: max(0, len(own) - MOST_TEMPLATES + 1)]}
    too_old = {name for name, made in known if made is not None and time.time() - made.used > OLDEST}
    for name in too_many | too_old:
        drop_template(cursor, name)
