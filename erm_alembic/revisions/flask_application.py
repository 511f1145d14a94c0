"""The application that the env.py of Flask-Migrate asks for: `flask db` runs it within one, and so does erm."""

from __future__ import annotations

import ast
import contextlib
import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path

from erm_alembic.errors import ProjectError

__all__ = ["application_context"]


@contextlib.contextmanager
def application_context(env_py: Path) -> Iterator[None]:
    """Run an env.py in its application's context, where it asks Flask for the current one.

    The application is found as `flask` finds it: FLASK_APP, else wsgi.py or app.py of the working directory.

    Args:
        env_py: the project's env.py.

    Raises:
        ProjectError: there is no application, or it cannot be made.
    """
    if not _asks_flask(env_py) or importlib.util.find_spec("flask") is None:
        yield
        return
    from flask import has_app_context  # an application's own dependency

    if has_app_context():
        yield
        return
    from flask.cli import ScriptInfo

    try:
        application = ScriptInfo(os.environ.get("FLASK_APP")).load_app()
    except Exception as error:
        raise ProjectError(
            f"{env_py} asks for the current Flask application, and none can be loaded: {error}",
            effect="No revision was planned or run.",
            cure="Set FLASK_APP as for `flask db`, such as FLASK_APP=shop:create_app, and what the application needs."
            " erm reads neither .env nor .flaskenv.",
        ) from error
    with application.app_context():
        yield


def _asks_flask(env_py: Path) -> bool:
    try:
        tree = ast.parse(env_py.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return False  # Alembic will say what is wrong with it
    return any(
        isinstance(node, ast.ImportFrom)
        and node.module == "flask"
        and any(alias.name == "current_app" for alias in node.names)
        for node in ast.walk(tree)
    )
