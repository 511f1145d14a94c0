"""What a project's env.py cannot run without, told before a server is started for it."""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path

from erm_alembic.errors import ProjectError
from erm_alembic.revisions.project import AlembicProject
from erm_alembic.revisions.source.squashed import FOLDER, UNDER_WAY

__all__ = ["refuse_what_cannot_run"]

NOTHING_READ = "No revision was read."
ASYNCIO = "sqlalchemy.ext.asyncio"


def refuse_what_cannot_run(project: AlembicProject) -> None:
    """Refuse a project whose env.py is not there, or misses what SQLAlchemy needs for its engine.

    Args:
        project: the Alembic project.

    Raises:
        ProjectError: it cannot run.
    """
    with project.entered():
        scripts = project.script_directory(project.config())
        if Path(scripts.dir, FOLDER, UNDER_WAY).exists():
            raise ProjectError(
                "A squash of this project's revisions was cut off before its end.",
                effect=NOTHING_READ,
                cure="Type: erm squash --continue   (or --undo, which puts the old files back)",
            )
        location = scripts.env_py_location
        env_py = Path(location)
        if not env_py.is_file():
            raise ProjectError(
                f"There is no {location}.",
                effect=NOTHING_READ,
                cure="Correct script_location, or write the file: a new project has one (`erm init DIR`).",
            )
        if _is_asynchronous(env_py) and importlib.util.find_spec("greenlet") is None:
            raise ProjectError(
                f"{location} uses {ASYNCIO}, which needs greenlet, and this Python has none.",
                effect=NOTHING_READ,
                cure="Type: pip install 'erm-alembic[async]'",
            )


def _is_asynchronous(env_py: Path) -> bool:
    try:
        tree = ast.parse(env_py.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return False  # running it says what is wrong with it
    return any(isinstance(node, ast.ImportFrom) and node.module == ASYNCIO for node in ast.walk(tree))
