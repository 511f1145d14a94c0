"""Where the files of a project stand in its repository, and where a pipeline's forge shows them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from erm_alembic.render.places import Places

if TYPE_CHECKING:
    from erm_alembic.config.settings import Settings

__all__ = ["places_from", "places_of", "repository_root", "shown_at"]

# Where a pipeline's forge shows files, from what it says of itself.
FORGES = (
    "{GITHUB_SERVER_URL}/{GITHUB_REPOSITORY}/blob/{GITHUB_SHA}",
    "{CI_PROJECT_URL}/-/blob/{CI_COMMIT_SHA}",
)
# Where a pipeline has checked the repository out, for a checkout without its .git.
WORKSPACES = ("GITHUB_WORKSPACE", "CI_PROJECT_DIR")


def repository_root(folder: Path, environ: Mapping[str, str] | None = None) -> Path | None:
    """The folder of the repository that a folder belongs to: where .git is, else what the pipeline says.

    Args:
        folder: an absolute path.
        environ: the variables; the process's own by default.
    """
    environ = os.environ if environ is None else environ
    for each in (folder, *folder.parents):
        if (each / ".git").exists():
            return each
    for name in WORKSPACES:
        root = Path(environ.get(name, ""))
        if root.is_absolute() and folder.is_relative_to(root):
            return root
    return None


def shown_at(environ: Mapping[str, str] | None = None) -> str | None:
    """The address below which the forge of this pipeline shows the repository's files; None outside a pipeline.

    Args:
        environ: the variables; the process's own by default.
    """
    told = {name: value for name, value in (os.environ if environ is None else environ).items() if value}
    for pattern in FORGES:
        try:
            address = pattern.format_map(told)
        except KeyError:
            continue
        if address.startswith(("https://", "http://")):
            return address
    return None


def places_from(folder: Path) -> Places:
    """Where files stand in the repository that a folder belongs to, where nothing is known of a project.

    Args:
        folder: an absolute path.
    """
    return Places(folder, repository_root(folder), Places.anchor, shown_at())


def places_of(settings: Settings) -> Places:
    """Where the files of a project stand in its repository, and the one for what is about no file.

    Args:
        settings: what is in force.
    """
    project, root = settings.project_dir, repository_root(settings.project_dir)
    if root is None:  # a project that is linked into a repository
        project = project.resolve()
        root = repository_root(project)
    ini = settings.migrations.alembic_ini
    anchors = (settings.config_path, None if ini is None else Path(ini), project / "alembic.ini")
    there = [each for each in anchors if each is not None and each.is_file()]
    anchor = os.path.relpath(there[0], settings.project_dir) if there else Places.anchor
    return Places(project, root, anchor, shown_at())
