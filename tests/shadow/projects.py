"""A small project with its target, and the shadow of it, opened as the pipeline opens them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg2

from erm_alembic.opening import Opened, open_project
from erm_alembic.revisions.project import AlembicOptions
from erm_alembic.shadow.opened import Shadow, open_shadow
from tests.faults.deploying import Project

TABLES = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' ORDER BY 1"


def enter(project: Project, monkeypatch: Any) -> None:
    """Make this process stand where a command in the project would: its folder, its environment."""
    for name, value in project.environ().items():
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    monkeypatch.chdir(project.root)


def opened(project: Project, monkeypatch: Any, options: AlembicOptions | None = None) -> Opened:
    """What a command works on, with the environment of this process as its own."""
    enter(project, monkeypatch)
    return open_project(None, None, options)


@contextlib.contextmanager
def shadow_of(project: Project, monkeypatch: Any, options: AlembicOptions | None = None) -> Iterator[Shadow]:
    """The shadow of a project's target."""
    found = opened(project, monkeypatch, options)
    with open_shadow(found.settings, found.project, found.target) as shadow:
        yield shadow


def asked(url: str, statement: str) -> list[Any]:
    """The first column of what a database answers."""
    with contextlib.closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return [row[0] for row in cursor.fetchall()]


def named_like_a_shadow(url: str) -> list[str]:
    """The databases of a server that a shadow has made."""
    return asked(url, "SELECT datname FROM pg_database WHERE datname LIKE 'erm\\_shadow\\_%' ORDER BY 1")


def write(path: Path, text: str) -> None:
    """Write a file of the project."""
    path.write_text(text, encoding="utf-8")
