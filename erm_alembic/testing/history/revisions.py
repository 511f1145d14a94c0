"""The revisions of a project, in the order in which they are applied; their files are read as text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from erm_alembic.config.loader import load_settings
from erm_alembic.revisions.source.files import RevisionFile, files_of, read_revision_files
from erm_alembic.revisions.source.place import find_place
from erm_alembic.testing.options import Chosen

__all__ = ["in_order", "revision_ids"]


def revision_ids(chosen: Chosen) -> tuple[str, ...]:
    """The ids of the revisions, each after those that it builds on.

    Args:
        chosen: what was chosen for this run.

    Raises:
        ErmError: a subclass of it: there is no project, or a file cannot be read.
    """
    settings = load_settings(chosen.env, chosen.config, cwd=chosen.root, require_url=False)
    migrations = settings.migrations
    place = find_place(
        settings.project_dir, ini=migrations.alembic_ini, directory=migrations.directory, elsewhere=Path.cwd()
    )
    return in_order(read_revision_files(files_of(place, chosen.name), settings.project_dir))


def in_order(revisions: Sequence[RevisionFile]) -> tuple[str, ...]:
    """The ids of revisions, each after those that it builds on; a circle is left as its files stand."""
    by_id = {each.id: each for each in revisions}
    done: dict[str, None] = {}
    for first in by_id:
        waiting = [first]
        seen: set[str] = set()
        while waiting:
            current = waiting[-1]
            seen.add(current)
            parents = (*by_id[current].down_revisions, *by_id[current].depends_on)
            missing = [each for each in parents if each in by_id and each not in done and each not in seen]
            if missing:
                waiting.append(missing[0])
            else:
                done[waiting.pop()] = None
    return tuple(done)
