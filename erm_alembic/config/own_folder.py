"""The project's `.erm`: what erm keeps for itself on this machine, which is nobody else's and in no repository."""

from __future__ import annotations

import os
from pathlib import Path

from erm_alembic.errors import ServerError

__all__ = ["cannot_write", "erm_folder", "servers_folder"]

IGNORE_EVERYTHING = "# Written by erm: what it keeps for itself on this machine.\n*\n"


def erm_folder(project_dir: Path) -> Path:
    """The project's `.erm`, made with a .gitignore in it, owned by whoever owns the project.

    Raises:
        OSError: it cannot be made; what that means, only those know who want something kept there.
    """
    folder = project_dir / ".erm"
    if not folder.is_dir():
        folder.mkdir(exist_ok=True)
        (folder / ".gitignore").write_text(IGNORE_EVERYTHING, "utf-8")
        if os.geteuid() == 0:
            owner = project_dir.stat()
            for path in (folder, folder / ".gitignore"):
                os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)
    return folder


def servers_folder(project_dir: Path) -> Path:
    """The same, for the embedded server.

    Raises:
        ServerError: it cannot be made.
    """
    try:
        return erm_folder(project_dir)
    except OSError as error:
        raise cannot_write(project_dir / ".erm", error) from error


def cannot_write(path: Path, error: OSError) -> ServerError:
    """The embedded server's error in a project whose folder takes no files: read-only, full, or somebody else's."""
    return ServerError(
        f"{path} cannot be written: {error.strerror or error}.",
        effect="The embedded server keeps its data there; it was not started.",
        cure="Make the project's folder writable, or set ERM_DATABASE_URL to another server.",
    )
