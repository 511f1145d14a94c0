"""What tests of previews do to servers and to projects."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import psycopg2
from psycopg2 import sql

from erm_alembic.postgres.previews import find
from erm_alembic.postgres.scratch import describe
from tests.faults.deploying import Project
from tests.support.databases import Database

__all__ = ["administer", "aged", "comment_of", "listed", "made", "names", "rows", "waiting", "with_two_revisions"]


def with_two_revisions(database: Database, tmp_path: Path) -> Iterator[Project]:
    """An Alembic project with two revisions; its previews are dropped at the end."""
    project = Project(tmp_path / "project", database, env={"ERM_NO_SHADOW": "1"})
    project.table("a1", "first")
    project.table("b2", "second", down="a1")
    before = set(names(database))
    yield project
    for name in set(names(database)) - before:
        administer(database, "DROP DATABASE {} WITH (FORCE)", name)


def names(database: Database) -> list[str]:
    """The databases of the server."""
    return [row[0] for row in database.execute("SELECT datname FROM pg_database")]


def administer(database: Database, statement: str, *names: str) -> None:
    """Run a statement about databases."""
    connection = database.connect()
    try:
        with connection.cursor() as cursor:
            cursor.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))
    finally:
        connection.close()


def rows(url: str, statement: str) -> list[tuple[object, ...]]:
    """What a preview answers."""
    connection = psycopg2.connect(url)
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall())
    finally:
        connection.close()


def made(project: Project, *arguments: str) -> str:
    """The address of a preview that was made."""
    done = project.erm("preview", "create", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def listed(project: Project) -> dict[str, dict[str, object]]:
    """The previews by their names."""
    done = project.erm("preview", "list", "--format", "json")
    assert done.returncode == 0, done.stderr
    return {each["name"]: each for each in json.loads(done.stdout)["previews"]}


def aged(database: Database, name: str) -> None:
    """Have it that nobody has asked for a preview since 1970."""
    connection = database.connect()
    try:
        with connection.cursor() as cursor:
            found = find(cursor, name)
            assert found is not None
            describe(cursor, name, comment_of(cursor, name).replace(json.dumps(found.used), "1.0"))
    finally:
        connection.close()


def comment_of(cursor: psycopg2.extensions.cursor, name: str) -> str:
    """The comment of a database."""
    cursor.execute("SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s", [name])
    row = cursor.fetchone()
    assert row is not None
    return str(row[0])


def waiting(connection: psycopg2.extensions.connection) -> list[tuple[object, ...]]:
    """The sessions that wait for an advisory lock that a connection holds."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
            " AND pg_backend_pid() = ANY (pg_blocking_pids(pid))"
        )
        return list(cursor.fetchall())
