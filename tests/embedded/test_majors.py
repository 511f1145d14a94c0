"""A data directory belongs to one major of PostgreSQL: the right server is chosen, the wrong one never started."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from erm_alembic.errors import ServerError
from erm_alembic.postgres.embedded.binaries import PostgresBinaries
from erm_alembic.postgres.embedded.server import EmbeddedServer
from tests.embedded.driving import cluster_of, query


def test_a_data_directory_of_an_older_major(
    project: Path, two_majors: tuple[PostgresBinaries, PostgresBinaries]
) -> None:
    """A newer server refuses an older data directory with the two ways out, and leaves its databases untouched."""
    older, newer = two_majors
    server = EmbeddedServer(project, binaries=older, durable=False)
    server.ensure_database("app")
    server.stop()
    upgraded = EmbeddedServer(project, environ={"ERM_PG_BIN": str(newer.bin_dir)}, durable=False)
    with pytest.raises(ServerError) as caught:
        upgraded.ensure_database("app")
    assert caught.value.what == (
        f"The data directory {cluster_of(server).data_dir} is of PostgreSQL {older.major},"
        f" but the server found is {newer.major} ({newer.bin_dir})."
    )
    assert caught.value.effect == "The embedded server was not started; its databases are untouched."
    assert caught.value.cure == (
        f"Set ERM_PG_BIN to a PostgreSQL {older.major}, or start afresh with: erm dev reset"
        "   (the databases in it are lost)"
    )
    server.ensure_running()
    assert query(server, "app", "SELECT 1") == [(1,)]
    upgraded.reset()
    upgraded.ensure_database("app")
    assert upgraded.status().major == newer.major


def test_the_fitting_server_is_chosen(project: Path, two_majors: tuple[PostgresBinaries, PostgresBinaries]) -> None:
    """Where both majors are installed, each data directory is served by its own, whichever stands first."""
    environ = {name: value for name, value in os.environ.items() if name != "ERM_PG_BIN"}
    for binaries in two_majors:
        folder = project / f"pg{binaries.major}"
        folder.mkdir()
        first = EmbeddedServer(folder, binaries=binaries, durable=False)
        try:
            first.ensure_running()
            first.stop()
            again = EmbeddedServer(folder, environ=environ, durable=False)
            again.ensure_running()
            assert query(again, "postgres", "SHOW server_version")[0][0].startswith(str(binaries.major))
        finally:
            first.reset()
