"""The embedded server in ordinary use: starting, databases, names, addresses, settings, reset."""

from __future__ import annotations

from pathlib import Path

import psycopg2
import pytest
from sqlalchemy import create_engine, text

from erm_alembic.errors import ServerError
from erm_alembic.postgres.embedded.binaries import PostgresBinaries
from erm_alembic.postgres.embedded.server import EmbeddedServer
from tests.embedded.driving import cluster_of, query
from tests.support.databases import RunningServer

HOSTILE_NAMES = (
    "with space",
    'double"quote',
    "single'quote",
    "per%cent %s %41",
    "emoji 🐘",
    "slash/and\\back",
    "a?b=c&d#e@f:g",
    "new\nline",
    "UPPER",
    "--; DROP DATABASE postgres",
    "n" * 63,
)


def listening_tcp_sockets(pids: tuple[int, ...]) -> list[str]:
    """The listening TCP sockets that any of the processes holds, as the kernel's tables name them."""
    held = set()
    for pid in pids:
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            held.add(str(descriptor.readlink()))
    found = []
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        for line in table.read_text().splitlines()[1:] if table.exists() else []:
            columns = line.split()
            if columns[3] == "0A" and f"socket:[{columns[9]}]" in held:
                found.append(line)
    return found


def test_the_life_of_a_server(server: EmbeddedServer) -> None:
    """A server starts when a database is wanted, keeps it over a stop, and is gone with all files after a reset."""
    assert server.status().running is False
    server.ensure_database("app")
    query(server, "app", "CREATE TABLE kept (id int)")
    status = server.status()
    assert (status.running, status.major) == (True, server._find_binaries(None).major)
    assert server.stop() is True
    assert server.stop() is False
    assert server.status().running is False
    server.ensure_database("app")
    assert query(server, "app", "SELECT count(*) FROM kept") == [(0,)]
    assert server.reset() is True
    assert status.data_dir is not None and not status.data_dir.exists()
    assert status.socket_dir is not None and not status.socket_dir.exists()
    assert server.reset() is False


def test_starting_a_running_server_changes_nothing(server: EmbeddedServer) -> None:
    """Ensuring twice keeps the same server process."""
    server.ensure_running()
    first = server.status().pid
    server.ensure_running()
    server.ensure_database("app")
    assert server.status().pid == first


def test_it_never_listens_on_tcp(postgres_server: RunningServer) -> None:
    """No process of the server holds a listening TCP socket, and its settings say the same."""
    pids = cluster_of(postgres_server.embedded).processes()
    assert len(pids) > 1
    assert listening_tcp_sockets(pids) == []
    assert query(postgres_server.embedded, "postgres", "SHOW listen_addresses") == [("",)]


def test_the_socket_and_the_data_are_private(postgres_server: RunningServer) -> None:
    """Nobody but the server's user (and root) can enter the folders of the socket and of the data."""
    cluster = cluster_of(postgres_server.embedded)
    for folder in (postgres_server.socket_dir, cluster.store, cluster.data_dir):
        assert folder.stat().st_mode & 0o077 == 0, folder


def test_the_network_would_be_rejected(postgres_server: RunningServer) -> None:
    """Should somebody open a port by hand, nobody gets in through it: trust ends at the socket."""
    rules = query(
        postgres_server.embedded,
        "postgres",
        "SELECT DISTINCT type, auth_method FROM pg_hba_file_rules ORDER BY 1",
    )
    assert rules == [("host", "reject"), ("local", "trust")]


def test_settings_fit_large_schemas(postgres_server: RunningServer) -> None:
    """A transaction may lock thousands of tables, text is UTF-8 and lower() knows letters beyond ASCII."""
    [(locks, encoding, lowered)] = query(
        postgres_server.embedded,
        "postgres",
        "SELECT current_setting('max_locks_per_transaction'), current_setting('server_encoding'), lower('ÄÉ')",
    )
    assert (locks, encoding, lowered) == ("1024", "UTF8", "äé")


def test_the_log_ends_up_in_the_project(postgres_server: RunningServer) -> None:
    """The server's log stands beside its data."""
    assert "ready to accept connections" in postgres_server.log_path.read_text("utf-8")


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_a_database_may_have_any_name(newest_server: RunningServer, name: str) -> None:
    """Whatever characters a name has, its database is created once, and libpq and SQLAlchemy reach it by its URL."""
    embedded = newest_server.embedded
    embedded.ensure_database(name)
    embedded.ensure_database(name)
    assert query(embedded, name, "SELECT current_database()") == [(name,)]
    engine = create_engine(embedded.dsn(name).replace("postgresql:", "postgresql+psycopg2:", 1))
    with engine.connect() as connection:
        assert connection.execute(text("SELECT current_database()")).scalar_one() == name
    engine.dispose()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "A database's name cannot be empty or contain a NUL."),
        ("a\0b", "A database's name cannot be empty or contain a NUL."),
        ("é" * 32, f"The database name '{'é' * 32}' has 64 bytes; PostgreSQL allows 63."),
        ("template1", "template1 is PostgreSQL's own template, not a database to work in."),
    ],
)
def test_an_impossible_name_is_refused(server: EmbeddedServer, name: str, message: str) -> None:
    """A name that PostgreSQL would cut, or cannot have, is refused before anything starts."""
    with pytest.raises(ServerError) as caught:
        server.ensure_database(name)
    assert caught.value.what == message
    assert server.status().data_dir is None


def test_a_deep_project_has_a_short_socket(project: Path, pg_bin: PostgresBinaries) -> None:
    """However long the project's path is, the socket's path fits what the system allows."""
    deep = project.joinpath(*["a folder with a long name & é"] * 8)
    deep.mkdir(parents=True)
    server = EmbeddedServer(deep, binaries=pg_bin, durable=False)
    try:
        server.ensure_database("app")
        status = server.status()
        assert status.socket_dir is not None
        assert len(str(status.socket_dir / ".s.PGSQL.5432")) < 100
        assert query(server, "app", "SELECT 1") == [(1,)]
    finally:
        server.reset()


def test_the_users_pg_variables_do_not_matter(server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """PGPORT, PGHOST and PGDATA of the user's shell reach neither the server nor its URL."""
    for name, value in {"PGPORT": "1", "PGHOST": "nowhere.invalid", "PGDATA": "/nonexistent"}.items():
        monkeypatch.setenv(name, value)
    server.ensure_database("app")
    assert query(server, "app", "SELECT 1") == [(1,)]


def test_the_server_sees_no_secret(server: EmbeddedServer, secret: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A password in erm's environment is in the environment of no process of the server."""
    monkeypatch.setenv("ERM_DATABASE_URL", f"postgresql://app:{secret}@db/app")
    server.ensure_running()
    for pid in cluster_of(server).processes():
        assert secret.encode() not in Path(f"/proc/{pid}/environ").read_bytes()


def test_git_never_sees_the_files(server: EmbeddedServer) -> None:
    """The folder `.erm` ignores itself."""
    server.ensure_running()
    assert "*" in (server.project_dir / ".erm" / ".gitignore").read_text("utf-8").splitlines()


def test_fsync_is_on_unless_a_test_says_otherwise(project: Path, pg_bin: PostgresBinaries) -> None:
    """A server that somebody works with survives a crash of the machine; `durable=False` is for tests."""
    server = EmbeddedServer(project, binaries=pg_bin)
    server.ensure_running()
    assert query(server, "postgres", "SHOW fsync") == [("on",)]
    server.stop()
    throwaway = EmbeddedServer(project, binaries=pg_bin, durable=False)
    throwaway.ensure_running()
    assert query(throwaway, "postgres", "SHOW fsync") == [("off",)]


def test_an_unreachable_database_is_a_server_error(server: EmbeddedServer) -> None:
    """When the server is up but refuses a connection, the error tells its words and where to look."""
    server.ensure_running()
    connections = [psycopg2.connect(server.dsn("template1")) for _ in range(97)]
    try:
        extra = [psycopg2.connect(server.dsn("template1")) for _ in range(3)]
        connections += extra
        with pytest.raises(ServerError) as caught:
            server.ensure_database("app")
    finally:
        for connection in connections:
            connection.close()
    assert "too many clients" in caught.value.what
    assert "erm dev status" in caught.value.cure


def test_a_folder_whose_name_a_shell_would_expand_is_a_folder(tmp_path: Path, pg_bin: PostgresBinaries) -> None:
    """pg_ctl runs the server through a shell, which must find nothing to expand, and nothing to run."""
    project = tmp_path / "$HOME `touch owned` \\ it's"
    project.mkdir()
    server = EmbeddedServer(project, binaries=pg_bin, durable=False)
    try:
        server.ensure_running()
        assert query(server, "postgres", "SELECT 1") == [(1,)]
    finally:
        server.reset()
    assert not list(tmp_path.rglob("owned"))
