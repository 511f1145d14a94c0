"""What kill -9, crashes, copies and moves leave behind never stands in the way of the next start."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from erm_alembic.errors import ServerError
from erm_alembic.postgres.embedded.binaries import PostgresBinaries
from erm_alembic.postgres.embedded.files import Cluster
from erm_alembic.postgres.embedded.server import EmbeddedServer
from tests.embedded.driving import cluster_of, ensure_elsewhere, query, until


def kill_everything(cluster: Cluster) -> None:
    """Kill -9 every process of a cluster, the postmaster first, until none is left."""
    postmaster = cluster.running()
    assert postmaster is not None
    os.kill(postmaster.pid, signal.SIGKILL)
    while pids := cluster.processes():
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def test_kill_9_of_everything(server: EmbeddedServer) -> None:
    """After a kill -9 of all of its processes the server starts again with what was committed."""
    server.ensure_database("app")
    query(server, "app", "CREATE TABLE kept AS SELECT 42 AS answer")
    kill_everything(cluster_of(server))
    assert (cluster_of(server).data_dir / "postmaster.pid").exists()
    assert server.status().running is False
    server.ensure_database("app")
    assert query(server, "app", "SELECT answer FROM kept") == [(42,)]


def test_kill_9_of_the_postmaster_under_load(server: EmbeddedServer) -> None:
    """A backend that outlives its killed postmaster in the middle of a long query does not block the next start."""
    server.ensure_database("app")
    cluster = cluster_of(server)

    def work() -> None:
        with suppress(psycopg2.Error):
            query(server, "app", "SELECT count(*) FROM generate_series(1, 100000000000)")

    worker = threading.Thread(target=work)
    worker.start()
    busy = "SELECT pid FROM pg_stat_activity WHERE query LIKE 'SELECT count(*) FROM generate_series%'"
    until(lambda: query(server, "postgres", busy))
    [(backend,)] = query(server, "postgres", busy)
    running = cluster.running()
    assert running is not None
    os.kill(running.pid, signal.SIGKILL)
    until(lambda: running.pid not in cluster.processes())
    assert backend in cluster.processes()
    server.ensure_database("app")
    worker.join(timeout=30)
    assert not worker.is_alive()
    assert backend not in cluster.processes()
    assert query(server, "app", "SELECT 1") == [(1,)]


def test_stale_files_with_a_living_number(server: EmbeddedServer) -> None:
    """Pid and lock files whose number belongs to another process by now do not stop the start, nor that process."""
    server.ensure_running()
    cluster = cluster_of(server)
    socket_dir = server.status().socket_dir
    assert socket_dir is not None
    drop: dict[str, Any] = {"user": cluster.user.uid, "group": cluster.user.gid} if cluster.user.dropped else {}
    # PostgreSQL is deceived only by a process of its own user.
    innocent = subprocess.Popen(["sleep", "120"], **drop)
    try:
        kill_everything(cluster)
        for path in (cluster.data_dir / "postmaster.pid", socket_dir / ".s.PGSQL.5432.lock"):
            lines = path.read_text("utf-8").splitlines()
            path.write_text("\n".join([str(innocent.pid), *lines[1:]]) + "\n", "utf-8")
        server.ensure_running()
        assert query(server, "postgres", "SELECT 1") == [(1,)]
        assert innocent.poll() is None
    finally:
        innocent.kill()
        innocent.wait()


def test_stop_spares_a_process_that_inherited_the_number(server: EmbeddedServer) -> None:
    """Stopping after a crash sends no signal to the process that has the old number now."""
    server.ensure_running()
    cluster = cluster_of(server)
    with subprocess.Popen(["sleep", "120"]) as innocent:
        try:
            kill_everything(cluster)
            path = cluster.data_dir / "postmaster.pid"
            lines = path.read_text("utf-8").splitlines()
            path.write_text("\n".join([str(innocent.pid), *lines[1:]]) + "\n", "utf-8")
            assert server.stop() is False
            assert innocent.poll() is None
        finally:
            innocent.kill()


def test_a_cut_pid_file(server: EmbeddedServer) -> None:
    """An empty pid file, as a full disk leaves it, does not stop the start."""
    server.ensure_running()
    kill_everything(cluster_of(server))
    (cluster_of(server).data_dir / "postmaster.pid").write_text("", "utf-8")
    server.ensure_running()
    assert server.status().running


def test_a_swept_socket(server: EmbeddedServer) -> None:
    """When a cleaner of /tmp removes the socket of a running server, the server is started again with one."""
    server.ensure_database("app")
    socket_dir = server.status().socket_dir
    assert socket_dir is not None
    shutil.rmtree(socket_dir)
    assert server.status().running is False
    server.ensure_database("app")
    assert query(server, "app", "SELECT 1") == [(1,)]


def test_a_killed_initdb_is_done_again(server: EmbeddedServer) -> None:
    """Half of a data directory is never taken for a whole one."""
    server.ensure_running()
    cluster = cluster_of(server)
    server.stop()
    cluster.data_dir.rename(cluster.unfinished)
    (cluster.unfinished / "PG_VERSION").unlink()
    server.ensure_database("app")
    assert query(server, "app", "SELECT 1") == [(1,)]
    assert not cluster.unfinished.exists()


def test_erm_killed_while_initdb_works(project: Path) -> None:
    """When erm is killed during the first start, the next one waits for its initdb to end, and then succeeds."""
    unfinished = project / ".erm" / "postgres" / "data.unfinished"
    first = ensure_elsewhere(project, "app")
    until(lambda: (unfinished / "PG_VERSION").exists() or first.poll() is not None)
    first.kill()
    first.communicate()
    second = ensure_elsewhere(project, "app")
    output, _ = second.communicate(timeout=60)
    assert second.returncode == 0, output
    assert EmbeddedServer(project).status().pid == int(output)


def test_several_processes_at_once_get_one_server(project: Path) -> None:
    """Four first starts at the same moment end with one server, one data directory, and four satisfied callers."""
    starters = [ensure_elsewhere(project, "app") for _ in range(4)]
    outputs = [starter.communicate(timeout=90)[0].strip() for starter in starters]
    assert [starter.returncode for starter in starters] == [0, 0, 0, 0], outputs
    assert set(outputs) == {str(EmbeddedServer(project).status().pid)}


def test_a_copied_project_gets_a_server_of_its_own(
    server: EmbeddedServer, project: Path, pg_bin: PostgresBinaries
) -> None:
    """A copy of a project with a running server neither uses nor stops the original's server."""
    server.ensure_database("app")
    query(server, "app", "CREATE TABLE original (id int)")
    query(server, "app", "CHECKPOINT")
    original = server.status().pid
    folder = project / "copy"
    folder.mkdir()
    subprocess.run(["cp", "-a", str(project / ".erm"), str(folder / ".erm")], check=True)
    copy = EmbeddedServer(folder, binaries=pg_bin, durable=False)
    try:
        assert copy.status().running is False
        copy.ensure_database("app")
        assert copy.status().pid != original
        query(copy, "app", "DROP TABLE original")
    finally:
        copy.reset()
    assert server.status().pid == original
    assert query(server, "app", "SELECT count(*) FROM original") == [(0,)]


def test_a_moved_project_keeps_its_running_server(
    server: EmbeddedServer, project: Path, pg_bin: PostgresBinaries
) -> None:
    """After a project is moved, the server that still runs from the old path is found, used and stopped."""
    before = project / "before"
    before.mkdir()
    old = EmbeddedServer(before, binaries=pg_bin, durable=False)
    old.ensure_database("app")
    pid = old.status().pid
    moved = EmbeddedServer(before.rename(project / "after"), binaries=pg_bin, durable=False)
    try:
        moved.ensure_database("app")
        assert moved.status().pid == pid
        assert query(moved, "app", "SELECT 1") == [(1,)]
        assert moved.stop() is True
        moved.ensure_running()
        assert moved.status().pid != pid
    finally:
        moved.reset()


def test_a_damaged_data_directory(server: EmbeddedServer) -> None:
    """A data directory that lost its version says so, and how to start afresh; the reset works."""
    server.ensure_running()
    server.stop()
    cluster = cluster_of(server)
    (cluster.data_dir / "PG_VERSION").unlink()
    with pytest.raises(ServerError) as caught:
        server.ensure_running()
    assert "is damaged" in caught.value.what
    assert "erm dev reset" in caught.value.cure
    assert server.reset() is True
    server.ensure_running()


def test_a_server_that_cannot_start_tells_postgresqls_words(server: EmbeddedServer) -> None:
    """When PostgreSQL refuses to start, its own reason is in the error."""
    server.ensure_running()
    server.stop()
    with (cluster_of(server).data_dir / "postgresql.conf").open("a") as settings:
        settings.write("\nno_such_setting = 1\n")
    with pytest.raises(ServerError) as caught:
        server.ensure_running()
    assert "no_such_setting" in caught.value.what
    assert server.status().running is False
