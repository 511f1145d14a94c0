"""A shadow has the history of the project in it, and nothing of it stays behind."""

from __future__ import annotations

import pytest

from erm_alembic.config.dsn import DatabaseUrl
from erm_alembic.errors import ShadowUnavailable
from tests.faults.deploying import Project
from tests.shadow.projects import TABLES, asked, named_like_a_shadow, opened, shadow_of


def test_the_history_is_replayed_up_to_given_revisions(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """At a revision the shadow has its tables and those of the ones before it, and records it; at the base none."""
    project.table("a1", "first")
    project.table("b2", "second", down="a1")
    with shadow_of(project, monkeypatch) as shadow:
        with shadow.at(["a1"]) as database:
            assert asked(database.url, TABLES) == ["alembic_version", "first"]
            assert asked(database.url, "SELECT version_num FROM alembic_version") == ["a1"]
        with shadow.at(["b2"]) as database:
            assert asked(database.url, TABLES) == ["alembic_version", "first", "second"]
        with shadow.at([]) as database:
            assert asked(database.url, TABLES) == ["alembic_version"]


def test_several_heads_are_replayed_together(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that records two branches has a shadow with both."""
    project.table("a1", "first")
    project.table("b2", "left", down="a1")
    project.table("c3", "right", down="a1")
    with shadow_of(project, monkeypatch) as shadow, shadow.at(["b2", "c3"]) as database:
        assert asked(database.url, TABLES) == ["alembic_version", "first", "left", "right"]
        assert sorted(asked(database.url, "SELECT version_num FROM alembic_version")) == ["b2", "c3"]


def test_the_target_is_left_alone(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """A replay makes nothing in the target, and the scratch database is gone afterwards."""
    project.table("a1", "first")
    with shadow_of(project, monkeypatch) as shadow:
        with shadow.at(["a1"]) as database:
            name = database.name
        assert name not in named_like_a_shadow(project.url or "")
    assert asked(project.url or "", TABLES) == []


def test_a_revision_that_fails_is_named(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """A history that cannot be replayed gives the revision, its line, and the way out."""
    project.table("a1", "first")
    project.revision("b2", 'op.execute("ALTER TABLE elsewhere ADD COLUMN a int")', down="a1")
    with shadow_of(project, monkeypatch) as shadow:
        with pytest.raises(ShadowUnavailable) as caught, shadow.at(["b2"]):
            pass
        assert caught.value.reason.startswith(
            "migrations/versions/b2.py:12: revision b2 fails in the shadow: ProgrammingError:"
        )
        assert 'relation "elsewhere" does not exist' in caught.value.reason
        assert "shadow: {from: live}" in caught.value.cure
        assert not [name for name in named_like_a_shadow(project.url or "") if "_template_" not in name]


def test_what_was_made_elsewhere_is_not_blamed_for_every_failure(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A revision that fails on what is there is to be corrected; no other start of the history would help."""
    project.table("a1", "first")
    project.revision("b2", 'op.execute("SELECT 1 / 0")', down="a1")
    with shadow_of(project, monkeypatch) as shadow:
        with pytest.raises(ShadowUnavailable, match="division by zero") as caught, shadow.at(["b2"]):
            pass
        assert caught.value.cure.startswith("Correct the revision")


def test_the_target_itself_is_no_shadow(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """A `shadow.url` that names the target's own database is refused."""
    project.table("a1", "first")
    project.env["ERM_SHADOW_URL"] = project.url
    refused = pytest.raises(ShadowUnavailable, match="names the target itself")
    with shadow_of(project, monkeypatch) as shadow, refused, shadow.at(["a1"]):
        pass


def test_a_shadow_beside_the_target_is_said(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Scratch databases on the target's own server are made because the setting says so, which the notes tell."""
    project.table("a1", "first")
    with shadow_of(project, monkeypatch) as shadow, shadow.at(["a1"]) as database:
        assert any("on the target's own server" in note for note in database.notes)


def test_nothing_starts_before_it_is_needed(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Opening a shadow reaches no server."""
    project.env["ERM_SHADOW_URL"] = "postgresql://nobody@127.0.0.1:1/none"
    found = opened(project, monkeypatch)
    assert found.settings.shadow.url is not None
    with shadow_of(project, monkeypatch):
        pass


def test_a_role_that_may_make_databases_is_enough(project_of_major: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shadow on a server where erm's role has CREATEDB alone works, as often as it is wanted."""
    project = project_of_major
    assert project.database is not None
    role = f"ci_{project.database.name}"
    project.database.execute(f"CREATE ROLE {role} LOGIN CREATEDB")
    try:
        url = DatabaseUrl.parse(project.env["ERM_SHADOW_URL"] or "").with_parameters(user=role)
        project.env["ERM_SHADOW_URL"] = url.dsn()
        project.table("a1", "first")
        for _ in range(2):
            with shadow_of(project, monkeypatch) as shadow, shadow.at(["a1"]) as database:
                assert asked(database.url, TABLES) == ["alembic_version", "first"]
                assert asked(database.url, "SELECT session_user::text") == [role]
    finally:
        for name in named_like_a_shadow(project.url or ""):
            owner = f"SELECT pg_get_userbyid(datdba)::text FROM pg_database WHERE datname = '{name}'"
            if asked(project.url or "", owner) == [role]:
                project.database.execute(f"DROP DATABASE {name}")
        project.database.execute(f"DROP ROLE {role}")
