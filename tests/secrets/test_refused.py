"""A login that a server refuses: revoked by somebody, changed by a rotation, or not known to a standby yet."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest
import sqlalchemy as sa

from erm_alembic.config.credentials import Credential
from erm_alembic.config.loader import load_settings
from erm_alembic.config.settings import Settings
from erm_alembic.errors import TargetError
from erm_alembic.postgres.logins import connect_as_of_now, tell_refusal
from erm_alembic.routing import connect_cluster_from_config
from erm_alembic.target import open_target
from tests.support.cli import run_erm
from tests.support.vault import Engine, TcpServer
from tests.support.waiting import until

WHO = sa.select(sa.literal_column("session_user"))


@pytest.fixture
def folder(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An erm.yaml whose dev logs in by a role that OpenBao makes, and an environment that lets erm in there."""
    for name, value in engine.bao.environ.items():
        monkeypatch.setenv(name, value)
    path = engine.role("app", "1h", "2h")
    (tmp_path / "erm.yaml").write_text(engine.yaml(path) + "      pool: {max_conns: 1}\n")
    yield tmp_path


def revoke(engine: Engine) -> None:
    """End all that was lent: the roles are dropped."""
    engine.bao.ask("put", f"sys/leases/revoke-prefix/{engine.mount}")


def aged(credential: Credential | None) -> None:
    """Let a credential be no longer new: what was lent just now is not asked for again."""
    assert credential is not None
    credential.issued_at -= 60


def user_of(connection: Any) -> str:
    with contextlib.closing(connection), connection.cursor() as cursor:
        cursor.execute("SELECT session_user")
        return str(cursor.fetchone()[0])


def settings(folder: Path) -> Settings:
    return load_settings(cwd=folder)


def test_a_deployment_logs_in_with_another_role(engine: Engine, folder: Path) -> None:
    """Each connection asks for itself; of what was lent a moment ago nobody asks for more."""
    target = open_target(settings(folder))
    first = user_of(target.connect("erm"))
    revoke(engine)
    with pytest.raises(TargetError, match="cannot be reached"):
        target.connect("erm")
    aged(target.address.with_credential()[1])
    assert user_of(target.connect("erm")) != first


@pytest.mark.parametrize("driver", ["psycopg2", "psycopg", "psycopg_async", "asyncpg"])
def test_a_pool_logs_in_with_another_role(engine: Engine, folder: Path, driver: str) -> None:
    """Also one whose only connection has just been ended by the server."""
    if driver != "psycopg2":
        text = (folder / "erm.yaml").read_text()
        (folder / "erm.yaml").write_text(text.replace("postgresql://", f"postgresql+{driver}://"))
    cluster = connect_cluster_from_config("dev", folder / "erm.yaml")
    if driver in ("asyncpg", "psycopg_async"):
        first, second = asyncio.run(both(engine, cluster))
    else:
        with cluster:
            first = who(cluster)
            end(engine, cluster, first)
            second = who(cluster)
    assert first != second and first.startswith("v-") and second.startswith("v-")


def who(cluster: Any) -> str:
    with cluster.sessionmaker()() as session:
        return str(session.scalar(WHO))


async def both(engine: Engine, cluster: Any) -> tuple[str, str]:
    async with cluster:
        make = cluster.async_sessionmaker()
        async with make() as session:
            first = str(await session.scalar(WHO))
        end(engine, cluster, first)
        async with make() as session:
            return first, str(await session.scalar(WHO))


def end(engine: Engine, cluster: Any, user: str) -> None:
    """Revoke, and have the pool open a new connection."""
    revoke(engine)
    aged(cluster.primary.url.with_credential()[1])
    cluster.primary.renew(close=True)


def test_whoever_has_only_an_address_can_tell_that_it_was_refused(engine: Engine, folder: Path) -> None:
    """As the monitor of a cluster: the next address that it is given has another login. Other failures say nothing."""
    target = open_target(settings(folder))
    dsn = target.address.dsn()
    revoke(engine)
    aged(target.address.with_credential()[1])
    tell_refusal(dsn, OSError("no route to host"))
    assert (target.address.dsn() == dsn) is True
    with pytest.raises(psycopg2.OperationalError) as refused:
        psycopg2.connect(dsn)
    tell_refusal(dsn, refused.value)
    assert (target.address.dsn() == dsn) is False
    assert user_of(target.connect("erm")) != target.role


def test_a_standby_that_does_not_know_a_new_role_is_read_with_the_former_one(
    engine: Engine, standby: TcpServer, folder: Path
) -> None:
    """Its replay is held: the primary knows the next role, and the standby does not."""
    target = open_target(settings(folder))
    there = target.address.with_parameters(port=str(standby.port))
    until(lambda: standby.execute("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = %s)", target.role)[0][0])
    standby.execute("SELECT pg_wal_replay_pause()")
    try:
        assert target.address.logins is not None
        target.address.logins.freshen(target.address.parameters, 0.0)
        assert user_of(target.connect("erm")) != target.role
        assert user_of(connect_as_of_now(there, lambda found: psycopg2.connect(found.dsn()))) == target.role
    finally:
        standby.execute("SELECT pg_wal_replay_resume()")


def test_a_manager_that_stands_still_holds_up_nobody_whose_login_is_good(engine: Engine, folder: Path) -> None:
    """New connections are opened with what is known."""
    target = open_target(settings(folder))
    engine.bao.freeze()
    try:
        assert user_of(target.connect("erm")) == target.role
    finally:
        engine.bao.thaw()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_has_a_login_of_its_own(engine: Engine, folder: Path) -> None:
    """Its parent's ends with that one; and the child gives nothing back that is not its own."""
    target = open_target(settings(folder))
    mine = target.url.parameters["user"]
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writing, user_of(target.connect("erm")).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        theirs = pipe.read()
    os.waitpid(child, 0)
    assert theirs.startswith("v-") and theirs != mine
    assert user_of(target.connect("erm")) == mine


def test_whose_login_it_is_and_how_long_is_told(engine: Engine, folder: Path) -> None:
    """By `erm config sources`, which asks no database; where one cannot be had, why, with exit code 2."""
    done = run_erm("config", "sources", cwd=folder, env=engine.bao.environ)
    assert done.returncode == 0, done.stderr
    lines = [line.strip() for line in done.stdout.splitlines()]
    assert f"login    vault:{engine.mount}/creds/app  (erm.yaml:5)" in lines
    assert "lasts    1h, renewed while erm runs; then the role is dropped" in lines
    assert any(line.startswith("user     v-token-app-") for line in lines)
    roles = "SELECT count(*) FROM pg_roles WHERE rolname LIKE 'v-token-app-%%'"
    until(lambda: engine.server.execute(roles) == [(0,)])
    failed = run_erm(
        "config", "sources", "--format", "json", cwd=folder, env={**engine.bao.environ, "VAULT_TOKEN": "x"}
    )
    assert failed.returncode == 2
    assert "it does not permit that" in failed.stdout and '"user": null' in failed.stdout
