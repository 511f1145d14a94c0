"""Without any setting the shadow has an embedded server of its own, which runs only as long as somebody uses it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from erm_alembic.config.dsn import DatabaseUrl
from erm_alembic.config.settings import Settings, ShadowSettings
from erm_alembic.errors import ShadowUnavailable
from erm_alembic.postgres.embedded.binaries import PostgresBinaries
from erm_alembic.postgres.embedded.server import EmbeddedServer
from erm_alembic.shadow.memory import room_in_memory
from erm_alembic.shadow.provision import provision
from erm_alembic.shadow.usage import ServerUse
from tests.faults.deploying import Project
from tests.shadow.projects import TABLES, asked, shadow_of
from tests.shadow.test_killed import running
from tests.support.databases import Database, newest


@pytest.fixture
def alone(tmp_path: Path, one_database: Database) -> Iterator[Project]:
    """A project whose shadow has no server but its own; whatever runs at the end is stopped."""
    tmp_path.chmod(0o755)
    project = Project(tmp_path, one_database, env={"ERM_PG_BIN": str(newest().bin_dir)})
    yield project
    server_of(project).reset()


def server_of(project: Project) -> EmbeddedServer:
    """The project's server for shadows."""
    return EmbeddedServer(project.root, binaries=newest(), place=f"shadow-{newest().major}")


def test_the_server_lives_from_the_first_run_to_the_last(alone: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is stopped when nobody uses it, survives the end of one of two users, and keeps its templates."""
    server = server_of(alone)
    alone.table("a1", "first")
    with shadow_of(alone, monkeypatch) as shadow:
        assert shadow.exact_major and not server.status().running
        with running(alone, "a1") as other:
            assert other.stdout is not None
            name = other.stdout.readline().strip()
            with shadow.at(["a1"]) as database:
                assert asked(database.url, TABLES) == ["alembic_version", "first"]
                who = "SELECT current_user::text"
                assert asked(database.url, who) == asked(alone.url or "", who)
                other.send_signal(signal.SIGKILL)
                other.wait(10)
                assert name in asked(database.url, "SELECT datname FROM pg_database")
        with shadow.at(["a1"]):
            assert server.status().running
    assert not server.status().running
    with shadow_of(alone, monkeypatch) as shadow, shadow.at(["a1"]) as database:
        # What the killed run left was swept, and the template is still there.
        found = asked(database.url, "SELECT datname FROM pg_database WHERE datname LIKE 'erm%'")
        assert name not in found and len([each for each in found if "_template_" in each]) == 1


def test_after_a_restart_of_the_machine_it_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not wait for the disk is not trusted when the machine was down meanwhile."""
    resets: list[int] = []
    server = EmbeddedServer(tmp_path, place="shadow-99")
    monkeypatch.setattr(server, "ensure_running", lambda: None)
    monkeypatch.setattr(server, "stop", lambda: True)
    monkeypatch.setattr(server, "reset", lambda: bool(resets.append(1)))
    for boot, expected in (("one", 1), ("one", 1), ("two", 2), ("two", 2)):
        monkeypatch.setattr("erm_alembic.shadow.usage.boot_id", lambda boot=boot: boot)
        use = ServerUse(tmp_path, "shadow-99", server)
        use.begin()
        use.end()
        assert len(resets) == expected


def test_the_nearest_server_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of all programs on the machine those of the target's major version, else of the nearest newer one."""
    found = tuple(PostgresBinaries(Path(f"/pg{major}"), major, "system") for major in (18, 13, 16))
    monkeypatch.setattr("erm_alembic.shadow.provision.installed_binaries", lambda: found)
    chosen = {major: provision(Settings("dev", tmp_path), major).binaries for major in (13, 14, 16, 17, 19)}
    assert {major: each.major for major, each in chosen.items() if each} == {13: 13, 14: 16, 16: 16, 17: 18, 19: 18}


def test_a_machine_without_postgresql_has_no_shadow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason and the two ways out are told."""
    monkeypatch.setattr("erm_alembic.shadow.provision.installed_binaries", lambda: ())
    with pytest.raises(ShadowUnavailable) as caught:
        provision(Settings("dev", tmp_path, shadow=ShadowSettings()), 18)
    assert caught.value.reason == "No PostgreSQL was found on this machine for a scratch database."
    assert "shadow.url" in caught.value.cure and "erm-alembic[embedded]" in caught.value.cure


def test_a_project_that_takes_no_files_has_a_shadow_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server's files go to a private folder of the user's where the project's cannot be written."""
    real = os.access
    monkeypatch.setattr(
        "erm_alembic.shadow.provision.os.access",
        lambda path, mode: not Path(path).is_relative_to(tmp_path) and real(path, mode),
    )
    monkeypatch.setattr("erm_alembic.shadow.provision.installed_binaries", lambda: (newest(),))
    server = provision(Settings("dev", tmp_path), newest().major).embedded
    assert server is not None and not server.project_dir.is_relative_to(tmp_path)
    assert server.project_dir.stat().st_mode & 0o077 == 0
    server.project_dir.rmdir()


def in_memory(project: Project, monkeypatch: pytest.MonkeyPatch, revision: str) -> tuple[set[str], Path]:
    """Where the databases of a shadow are, templates included, and the folder in memory."""
    where = (
        "SELECT s.spcname FROM pg_database d JOIN pg_tablespace s ON s.oid = d.dattablespace WHERE datname LIKE 'erm%'"
    )
    location = "SELECT pg_tablespace_location(oid) FROM pg_tablespace WHERE spcname = 'erm_memory'"
    with shadow_of(project, monkeypatch) as shadow, shadow.at([revision]) as database:
        assert asked(database.url, TABLES) == ["alembic_version", "first"]
        folder = Path(asked(database.url, location)[0])
        assert folder.stat().st_mode & 0o077 == 0
        found = set(asked(database.url, where))
    assert not folder.exists() and not list(folder.parent.glob(f"{folder.name}.*"))
    return found, folder


def store(project: Project) -> Path:
    """Where the files of the project's server for shadows are."""
    data_dir = server_of(project).status().data_dir
    assert data_dir is not None
    return data_dir.parent


def packed(project: Project) -> list[Path]:
    """The templates that are kept between runs."""
    return list((store(project) / "templates").iterdir())


needs_memory = pytest.mark.skipif(not room_in_memory(), reason="this machine has no room in /dev/shm")


@needs_memory
def test_databases_are_in_memory_and_packed_between_runs(
    alone: Project, replays: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every scratch database is in memory, a template is one private file afterwards; one cut short is made again."""
    alone.table("a1", "first")
    assert in_memory(alone, monkeypatch, "a1")[0] == {"erm_memory"}
    (file,) = packed(alone)
    assert file.stat().st_mode & 0o077 == 0 and file.parent.stat().st_mode & 0o077 == 0
    assert in_memory(alone, monkeypatch, "a1")[0] == {"erm_memory"}
    assert replays == [1]
    os.truncate(file, file.stat().st_size - 1)
    in_memory(alone, monkeypatch, "a1")
    assert replays == [1, 1]
    assert len(packed(alone)) == 1 and not file.exists()
    packed(alone)[0].unlink()
    in_memory(alone, monkeypatch, "a1")
    assert replays == [1, 1, 1]


@needs_memory
def test_a_server_that_does_not_start_is_made_anew(
    alone: Project, replays: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a container that was ended has left of its files is worth nothing, and stands in nobody's way."""
    alone.table("a1", "first")
    in_memory(alone, monkeypatch, "a1")
    (store(alone) / "data" / "global" / "pg_control").unlink()
    in_memory(alone, monkeypatch, "a1")
    assert replays == [1, 1]


def test_a_session_is_like_one_of_the_target(alone: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """The role's name, odd as it may be, and the settings of its database decide where a revision's tables go."""
    assert alone.database is not None and alone.url is not None
    schema, role = 'Od"d, sche\\ma %', f"ro\"le 'o %s {alone.database.name}"
    quoted = {name: '"' + name.replace('"', '""') + '"' for name in (schema, role)}
    alone.database.execute(f"CREATE ROLE {quoted[role]} SUPERUSER LOGIN")
    try:
        alone.database.execute(f"CREATE SCHEMA {quoted[schema]}")
        alone.database.execute(f"ALTER DATABASE {alone.database.name} SET search_path = {quoted[schema]}, public")
        alone.database.execute(f"ALTER ROLE {quoted[role]} SET TimeZone = 'Asia/Tokyo'")
        alone.url = DatabaseUrl.parse(alone.url).with_parameters(user=role).dsn()
        alone.revision("a1", f"op.execute({f'CREATE SCHEMA {quoted[schema]}'!r})")
        alone.revision("b2", "op.execute(\"CREATE TABLE t (a timestamptz DEFAULT '2024-01-01')\")", down="a1")
        with shadow_of(alone, monkeypatch) as shadow, shadow.at(["b2"]) as database:
            found = "SELECT relnamespace::regnamespace::text || relowner::regrole FROM pg_class WHERE relname = 't'"
            assert asked(database.url, found) == [quoted[schema] + quoted[role]]
            assert "+09" in asked(database.url, "SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef")[0]
            assert asked(database.url, "SELECT session_user::text") == [role]
    finally:
        alone.database.execute(f"REASSIGN OWNED BY {quoted[role]} TO postgres")
        alone.database.execute(f"DROP ROLE {quoted[role]}")
