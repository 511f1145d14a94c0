"""A revision that knows the way to production does not get there from a rehearsal."""

from __future__ import annotations

import inspect
import json
import os
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import asyncpg.connection
import psycopg.generators
import psycopg2
import pytest
from sqlalchemy import make_url

from erm_alembic.config.dsn import DatabaseUrl
from erm_alembic.errors import ShadowUnavailable
from erm_alembic.shadow.child.clean_environment import clean_environment
from tests.faults.deploying import Project
from tests.shadow.projects import asked, shadow_of
from tests.support.databases import newest
from tests.support.servers import PrivateServer, private_server

# Each opens a connection of its own; {dsn} is production, with its credentials.
WAYS = {
    "psycopg2": "import psycopg2\npsycopg2.connect({dsn!r})",
    "psycopg2 by keywords": "import psycopg2\npsycopg2.connect(**psycopg2.extensions.parse_dsn({dsn!r}))",
    "psycopg": "import psycopg\npsycopg.connect({dsn!r})",
    "psycopg async": "import asyncio, psycopg\nasyncio.run(psycopg.AsyncConnection.connect({dsn!r}))",
    "asyncpg": "import asyncio, asyncpg\nasyncio.run(asyncpg.connect({dsn!r}))",
    "asyncpg pool": (
        "import asyncio, asyncpg\nasync def go():\n    await asyncpg.create_pool({dsn!r})\nasyncio.run(go())"
    ),
    "socket": "import socket\nsocket.socket(socket.AF_UNIX).connect({socket!r})",
    "network": "import socket\nsocket.create_connection(('127.0.0.1', {port}), 5)",
}


@pytest.fixture(scope="module")
def production() -> Iterator[PrivateServer]:
    """Another server, with rows in it, which logs every connection."""
    with private_server(newest(), log_connections="on", log_statement="all") as server:
        server.execute("CREATE TABLE customers (name text)")
        server.execute("INSERT INTO customers VALUES ('Ada')")
        yield server


@pytest.fixture
def listener() -> Iterator[tuple[int, list[object]]]:
    """A port on which somebody listens, and who came."""
    came: list[object] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            while True:
                try:
                    came.append(server.accept())
                except OSError:
                    return

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield server.getsockname()[1], came
        server.shutdown(socket.SHUT_RDWR)
        thread.join(10)


def way_out(name: str, production: PrivateServer, port: int = 1) -> str:
    """The code that connects in one of the ways."""
    socket_path = str(production.socket_dir / ".s.PGSQL.5432")
    return WAYS[name].format(dsn=production.url(), socket=socket_path, port=port)


def test_a_revision_does_not_reach_production(
    project: Project, production: PrivateServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its connection is refused with a clear message, which names its line; production sees nobody."""
    before = production.log()
    project.revision("a1", way_out("psycopg2", production))
    refused = pytest.raises(ShadowUnavailable)
    with shadow_of(project, monkeypatch) as shadow, refused as caught, shadow.at(["a1"]):
        pass
    assert "In the shadow nothing connects elsewhere; refused:" in caught.value.reason
    assert caught.value.reason.startswith("migrations/versions/a1.py:")
    assert production.log() == before


def test_no_driver_gets_to_production(
    project: Project, production: PrivateServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a revision takes to connect is refused; where it goes on without, the notes tell."""
    before = production.log()
    told = tmp_path / "told"
    ways = {name: way_out(name, production) for name in WAYS if name != "network"}
    code = f"""
    import json
    said = {{}}
    for name, code in {ways!r}.items():
        try:
            exec(code, {{}})
        except Exception as error:
            said[name] = str(error)
    open({str(told)!r}, "w").write(json.dumps(said))
    """
    project.revision("a1", code)
    with shadow_of(project, monkeypatch) as shadow, shadow.at(["a1"]) as database:
        assert any("was refused in the shadow" in note for note in database.notes)
    said = json.loads(told.read_text())
    assert said.keys() == ways.keys()
    assert [name for name, text in said.items() if "In the shadow nothing connects elsewhere" not in text] == []
    assert production.log() == before


def test_a_revision_has_no_network(
    project: Project, listener: tuple[int, list[object]], production: PrivateServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A socket to another port is refused, and nobody comes there."""
    port, came = listener
    project.revision("a1", way_out("network", production, port))
    refused = pytest.raises(ShadowUnavailable, match=f"refused: 127.0.0.1, port {port}")
    with shadow_of(project, monkeypatch) as shadow, refused, shadow.at(["a1"]):
        pass
    assert came == []


def test_an_engine_of_a_revision_is_led_to_the_shadow(
    project: Project, production: PrivateServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An engine on production's address that a revision makes works in the shadow, as it would in the target."""
    before = production.log()
    code = f"""
    with sa.create_engine({production.url()!r}).begin() as connection:
        connection.execute(sa.text("CREATE TABLE by_engine (a int)"))
    """
    project.revision("a1", code)
    with shadow_of(project, monkeypatch) as shadow, shadow.at(["a1"]) as database:
        assert asked(database.url, "SELECT to_regclass('by_engine') IS NOT NULL") == [True]
    assert production.log() == before
    assert production.execute("SELECT name FROM customers") == [("Ada",)]


def test_another_database_of_the_shadows_own_server_is_refused(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the shadow is beside the target, the target is as far away as any other database."""
    project.revision("a1", f"import psycopg2\npsycopg2.connect({project.url!r})")
    refused = pytest.raises(ShadowUnavailable, match="In the shadow nothing connects elsewhere")
    with shadow_of(project, monkeypatch) as shadow, refused, shadow.at(["a1"]):
        pass


def test_a_program_that_connects_is_refused(
    project: Project, production: PrivateServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A revision that runs psql with production's address gets nowhere; the password is not told."""
    before = production.log()
    code = (
        f"import subprocess\nsubprocess.run(['psql', {production.url()!r}, '-c', 'DROP TABLE customers'], check=True)"
    )
    project.revision("a1", code)
    refused = pytest.raises(ShadowUnavailable)
    with shadow_of(project, monkeypatch) as shadow, refused, shadow.at(["a1"]):
        pass
    assert production.log() == before


def test_the_server_does_not_connect_either(
    project: Project, production: PrivateServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """dblink and COPY ... PROGRAM would have the server go out: they are refused before it sees them."""
    project.revision("a1", f"""op.execute("SELECT dblink_connect('{production.url()}')")""")
    project.revision("b2", """op.execute("COPY (SELECT 1) TO PROGRAM 'cat'")""")
    with shadow_of(project, monkeypatch) as shadow:
        for revision in ("a1", "b2"):
            with pytest.raises(ShadowUnavailable, match="in the shadow that is refused"), shadow.at([revision]):
                pass


def test_the_targets_credentials_are_not_in_the_environment(
    project: Project, secret: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What held the target's address holds the shadow's; passwords, tokens and files of passwords are gone."""
    told = tmp_path / "told"
    code = f"import json, os\nopen({str(told)!r}, 'w').write(json.dumps(dict(os.environ)))"
    project.revision("a1", code)
    assert project.url is not None
    project.url = project.url.replace("postgresql://postgres@", f"postgresql://postgres:{secret}@")
    variables = {
        "DATABASE_URL": project.url,
        "ASYNC_URL": project.url.replace("postgresql://", "postgresql+asyncpg://"),
        "DB_PASSWORD": secret,
        "APP_SETTINGS": f'{{"password": "{secret}"}}',
        "VAULT_TOKEN": "hvs.token",
        "AWS_SECRET_ACCESS_KEY": "key",
        "PGPASSWORD": secret,
        "HARMLESS": "as it is",
    }
    project.env |= variables
    with shadow_of(project, monkeypatch) as shadow, shadow.at(["a1"]) as database:
        found = json.loads(told.read_text())
        assert secret not in told.read_text()
        assert database.url.partition("?")[0].rpartition("/")[2].startswith("erm_shadow_")
    assert found["DATABASE_URL"].startswith("postgresql://") and "/erm_shadow_" in found["DATABASE_URL"]
    assert found["ASYNC_URL"].startswith("postgresql+asyncpg://") and "/erm_shadow_" in found["ASYNC_URL"]
    assert "/erm_shadow_" in found["ERM_DATABASE_URL"]
    assert found["HARMLESS"] == "as it is"
    assert found["PGDATABASE"].startswith("erm_shadow_")
    assert not {"VAULT_TOKEN", "AWS_SECRET_ACCESS_KEY"} & found.keys()


def test_the_shadows_address_can_be_given_to_any_driver() -> None:
    """A project that makes an address for asyncpg of one for libpq finds nothing in it that only libpq knows."""
    shadow = DatabaseUrl.parse(
        "postgresql://a@localhost/s?connect_timeout=10&sslmode=disable&passfile=/nowhere&options=-cjit%3Doff"
    )
    address = "postgresql://app@db/shop?connect_timeout=3&sslmode=require"
    found = clean_environment({"DATABASE_URL": address}, DatabaseUrl.parse(address), shadow)
    url = make_url(found["DATABASE_URL"].replace("postgresql:", "postgresql+asyncpg:"))
    arguments = url.get_dialect()().create_connect_args(url)[1]
    assert (arguments["host"], arguments["database"]) == ("localhost", "s")
    assert arguments.keys() <= inspect.signature(asyncpg.connect).parameters.keys()
    told = {name: found[f"PG{name}"] for name in ("CONNECT_TIMEOUT", "SSLMODE", "PASSFILE", "OPTIONS")}
    assert list(told.values()) == ["10", "disable", "/nowhere", "-cjit=off"]


def test_the_names_that_are_not_public_are_still_there() -> None:
    """What the guards replace in the drivers, where these look for it."""
    assert callable(psycopg2._connect)  # type: ignore[attr-defined]
    assert callable(psycopg.generators.connect)
    assert callable(asyncpg.connection.connect)


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() == 0, reason="the administrator may read every process")
def test_the_parents_variables_are_closed_to_a_revision(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A revision does not read the target's password out of the process that started it, which is open again after."""
    told = tmp_path / "told"
    project.revision(
        "a1",
        f"""
        import os
        for name in ("environ", "mem"):
            try:
                open(f"/proc/{{os.getppid()}}/{{name}}", "rb").close()
            except OSError as error:
                open({str(told)!r}, "a").write(f"{{name}} {{type(error).__name__}} ")
        """,
    )
    with shadow_of(project, monkeypatch) as shadow, shadow.at(["a1"]):
        assert told.read_text() == "environ PermissionError mem PermissionError "
    assert Path("/proc/self/environ").stat().st_uid == os.geteuid()
