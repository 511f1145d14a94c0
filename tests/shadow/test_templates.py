"""A replay is done once, and again when anything that it has read is another."""

from __future__ import annotations

from pathlib import Path

import pytest

from erm_alembic.postgres.embedded.private_place import short_digest
from erm_alembic.postgres.snapshot import differences
from tests.faults.deploying import Project
from tests.shadow.projects import TABLES, asked, named_like_a_shadow, shadow_of


def look(project: Project, monkeypatch: pytest.MonkeyPatch, *revisions: str) -> list[str]:
    """The tables of a shadow."""
    with shadow_of(project, monkeypatch) as shadow, shadow.at(revisions) as database:
        return asked(database.url, TABLES)


def test_the_second_time_is_a_copy(project: Project, replays: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """What was replayed is copied; what a copy's user does to it is not in the next one."""
    project.table("a1", "first")
    with shadow_of(project, monkeypatch) as shadow:
        with shadow.at(["a1"]) as database:
            asked(database.url, "CREATE TABLE dirt (a int); COMMIT; SELECT 1")
        with shadow.at(["a1"]) as database:
            assert asked(database.url, TABLES) == ["alembic_version", "first"]
    assert look(project, monkeypatch, "a1") == ["alembic_version", "first"]
    assert replays == [1]


def test_only_what_is_new_is_replayed(project: Project, replays: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """A history that begins like a replayed one goes on from there."""
    project.table("a1", "first")
    project.table("b2", "second", down="a1")
    look(project, monkeypatch, "b2")
    project.table("c3", "third", down="b2")
    assert look(project, monkeypatch, "c3") == ["alembic_version", "first", "second", "third"]
    assert replays == [2, 1]


def test_an_edited_revision_is_replayed(project: Project, replays: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Other bytes of a revision, or of env.py, are another history."""
    project.table("a1", "first")
    look(project, monkeypatch, "a1")
    project.table("a1", "renamed")
    assert look(project, monkeypatch, "a1") == ["alembic_version", "renamed"]
    env_py = project.root / "migrations" / "env.py"
    env_py.write_text(env_py.read_text() + "\n# another one\n")
    look(project, monkeypatch, "a1")
    assert replays == [1, 1, 1]


def test_a_file_that_a_revision_reads_counts(
    project: Project, replays: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Data and modules of the project that a revision reads are a part of its history."""
    data, helper = project.root / "data.sql", project.root / "helper.py"
    data.write_text("CREATE TABLE from_data (a int)")
    helper.write_text("TABLE = 'from_helper'")
    monkeypatch.setenv("PYTHONPATH", str(project.root))
    monkeypatch.syspath_prepend(str(project.root))
    code = f"""
    import helper
    op.execute(open({str(data)!r}).read())
    op.execute(f"CREATE TABLE {{helper.TABLE}} (a int)")
    """
    project.revision("a1", code)
    assert look(project, monkeypatch, "a1") == ["alembic_version", "from_data", "from_helper"]
    data.write_text("CREATE TABLE other_data (a int)")
    assert look(project, monkeypatch, "a1") == ["alembic_version", "from_helper", "other_data"]
    helper.write_text("TABLE = 'other_helper_of_another_length'")
    assert "other_helper_of_another_length" in look(project, monkeypatch, "a1")
    assert replays == [1, 1, 1]


def test_what_is_pending_does_not_count(project: Project, replays: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """A history stays what it is when a later revision is edited or deleted, unless one of its own reads that file."""
    project.table("a1", "first")
    later = project.table("b2", "second", down="a1")
    look(project, monkeypatch, "a1")
    later.write_text(later.read_text() + "# edited\n")
    look(project, monkeypatch, "a1")
    later.unlink()
    look(project, monkeypatch, "a1")
    assert replays == [1]
    later = project.table("b2", "second", down="a1")
    project.revision("a1", f"open({str(later)!r}).read()")
    look(project, monkeypatch, "a1")
    later.write_text(later.read_text() + "# edited\n")
    look(project, monkeypatch, "a1")
    assert replays == [1, 1, 1]


def test_a_model_that_no_revision_reaches_does_not_count(
    project: Project, replays: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What env.py loads for autogenerate alone may change; what it loads for anything else may not."""
    models, env_py = project.root / "erm_test_models.py", project.root / "migrations" / "env.py"
    monkeypatch.syspath_prepend(str(project.root))
    models.write_text("from sqlalchemy import MetaData\nmetadata = MetaData()\n")
    plain = env_py.read_text()
    env_py.write_text(f"import erm_test_models\ntarget_metadata = erm_test_models.metadata\n{plain}")
    project.table("a1", "first")
    look(project, monkeypatch, "a1")
    models.write_text(models.read_text() + "MORE = 1\n")
    look(project, monkeypatch, "a1")
    assert replays == [1]
    env_py.write_text(f"import erm_test_models\nprint(erm_test_models.MORE)\n{plain}")
    look(project, monkeypatch, "a1")
    models.write_text(models.read_text() + "MOST = 1\n")
    look(project, monkeypatch, "a1")
    assert replays == [1, 1, 1]


def test_templates_are_few_and_closed(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """The least recently used go, and nobody can connect to one."""
    monkeypatch.setattr("erm_alembic.shadow.templates.MOST_TEMPLATES", 2)
    for number in range(4):
        project.table("a1", f"t{number}")
        look(project, monkeypatch, "a1")
    own = [name for name in named_like_a_shadow(project.url or "") if "_template_" in name]
    condition = "datname LIKE 'erm%template%' AND NOT datallowconn"
    assert set(own) == set(asked(project.url or "", f"SELECT datname FROM pg_database WHERE {condition}"))
    mark = short_digest(project.root.resolve())
    described = f"SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE {condition}"
    assert len([each for each in asked(project.url or "", described) if mark in each]) == 2


def test_a_known_catalog_needs_no_server(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was looked at before is known without a server; after an edit it is not taken for known."""
    project.table("a1", "first")
    with shadow_of(project, monkeypatch) as shadow:
        first = shadow.catalog_at(["a1"], ["erm"])
    reachable = project.env["ERM_SHADOW_URL"]
    assert reachable is not None
    monkeypatch.setattr("erm_alembic.shadow.opened.ShadowServer", None)
    with shadow_of(project, monkeypatch) as shadow:
        again = shadow.catalog_at(["a1"], ["erm"])
        assert (again.fingerprint, again.role) == (first.fingerprint, first.role)
        assert differences(first.snapshot, again.snapshot) == ()
        assert shadow.catalog_at(["a1"], ["erm"]).fingerprint == first.fingerprint
    project.table("a1", "renamed")
    with pytest.raises(TypeError), shadow_of(project, monkeypatch) as shadow:
        shadow.catalog_at(["a1"], ["erm"])
    private = [path.stat().st_mode & 0o077 for path in Path(project.root, ".erm", "cache").glob("catalog-*")]
    assert private and not any(private)
