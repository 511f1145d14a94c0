"""What the shadow's server lacks is stood in for, and said."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator

import pytest

from tests.faults.deploying import Project
from tests.shadow.projects import asked, shadow_of


@pytest.fixture
def role(project: Project) -> Iterator[str]:
    """A name that no role has, hostile; whoever makes the role, it is gone afterwards."""
    name = f'Ro"le {uuid.uuid4().hex[:8]}'
    yield name
    assert project.database is not None
    quoted = name.replace('"', '""')
    project.database.execute(f'DROP ROLE IF EXISTS "{quoted}"')


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def test_a_role_that_is_gone_is_stood_in_for(project: Project, role: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A right for a role that nobody has any more is granted to a stand-in that cannot log in."""
    project.table("a1", "first")
    project.revision("b2", f"op.execute({f'GRANT SELECT ON first TO {quoted(role)}'!r})", down="a1")
    with shadow_of(project, monkeypatch) as shadow, shadow.at(["b2"]) as database:
        assert any(f"Role {role} is stood in for" in note for note in database.notes)
        assert asked(database.url, f"SELECT rolcanlogin FROM pg_roles WHERE rolname = $q${role}$q$") == [False]
        assert asked(database.url, f"SELECT has_table_privilege($q${role}$q$, 'first', 'SELECT')") == [True]
        name = database.name
    assert name not in asked(project.url or "", "SELECT datname FROM pg_database")
    drop_templates(project)


def test_roles_of_two_replays_do_not_collide(project: Project, role: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A revision that makes a role, which is the server's for good, can be replayed again and taken back."""
    project.revision("a1", f"op.execute({f'CREATE ROLE {quoted(role)} LOGIN PASSWORD $p$p$p$; SELECT 1'!r})")
    project.revision("b2", f"op.execute({f'DROP ROLE {quoted(role)}'!r})", down="a1")
    for _ in range(2):
        with shadow_of(project, monkeypatch) as shadow, shadow.at(["b2"]) as database:
            assert asked(database.url, f"SELECT rolcanlogin FROM pg_roles WHERE rolname = $q${role}$q$") == [False]
        drop_templates(project)


def test_what_a_revision_does_to_the_server_is_not_done(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other databases, and the settings of the server, are none of a replay's business."""
    project.revision(
        "a1",
        """
        with op.get_context().autocommit_block():
            op.execute("CREATE DATABASE erm_test_never_made")
            op.execute("ALTER SYSTEM SET work_mem = '5MB'")
        op.execute("ALTER DATABASE production SET search_path = app")
        op.execute("GRANT CONNECT ON DATABASE production TO public")
        """,
    )
    with shadow_of(project, monkeypatch) as shadow, shadow.at(["a1"]) as database:
        assert any("stood in for" in note for note in database.notes)
        assert asked(database.url, "SELECT datname FROM pg_database WHERE datname = 'erm_test_never_made'") == []
        assert asked(database.url, "SELECT count(*)::int FROM pg_file_settings WHERE name = 'work_mem'") == [0]


def test_an_extension_that_nobody_knows_is_entered_by_name(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where neither server nor target has an extension, what does without its types goes on, and that is said."""
    project.revision("a1", 'op.execute("CREATE EXTENSION never_heard_of")')
    project.revision("b2", 'op.execute("DROP EXTENSION never_heard_of")', down="a1")
    with shadow_of(project, monkeypatch) as shadow:
        with shadow.at(["a1"]) as database:
            assert any("has no extension never_heard_of" in note for note in database.notes)
            assert asked(database.url, "SELECT extname FROM pg_extension WHERE extname ~ 'heard'") == ["never_heard_of"]
        with shadow.at(["b2"]) as database:
            assert asked(database.url, "SELECT extname FROM pg_extension WHERE extname ~ 'heard'") == []


def test_tablespaces_are_stood_in_for(project_of_major: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table in a tablespace of the target's server is made."""
    name = f"fast {uuid.uuid4().hex[:8]}"
    project = project_of_major
    assert project.database is not None
    project.revision(
        "a1",
        f"""
        with op.get_context().autocommit_block():
            op.execute({f'CREATE TABLESPACE "{name}" LOCATION $q$/nowhere/at/all$q$'!r})
        op.execute({f'CREATE TABLE t (a int) TABLESPACE "{name}"'!r})
        """,
    )
    try:
        with shadow_of(project, monkeypatch) as shadow, shadow.at(["a1"]) as database:
            found = "SELECT spcname FROM pg_class c JOIN pg_tablespace s ON s.oid = c.reltablespace WHERE relname = 't'"
            assert asked(database.url, found) == [name]
    finally:
        drop_templates(project)
        project.database.execute(f'DROP TABLESPACE IF EXISTS "{name}"')


def drop_templates(project: Project) -> None:
    """Drop the templates of the server, which depend on what a test has made there."""
    assert project.database is not None
    for name in asked(project.url or "", "SELECT datname FROM pg_database WHERE datname LIKE 'erm_shadow_template_%'"):
        project.database.execute(f'DROP DATABASE "{name}"')


def test_the_role_that_migrates_owns_its_shadow(project: Project, role: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As `migrations.role`, which on the target may create in `public`, where since PostgreSQL 15 only an owner may."""
    assert project.database is not None
    project.database.execute(f"CREATE ROLE {quoted(role)} NOLOGIN")
    project.config(f"migrations: {{directory: migrations, role: {json.dumps(role)}}}")
    project.table("a1", "first")
    with shadow_of(project, monkeypatch) as shadow, shadow.at(["a1"]) as database:
        owner = "SELECT pg_get_userbyid(relowner)::text FROM pg_class WHERE relname = 'first'"
        assert asked(database.url, owner) == [role]
    drop_templates(project)
