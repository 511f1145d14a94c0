"""What stands before the story begins: a primary, two standbys, a pooler, OpenBao, and roles that may do little."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from erm_alembic.postgres.embedded.binaries import PostgresBinaries
from tests.e2e.pooler import TcpPooler, tcp_pooler
from tests.support.vault import OWNER, TERMINATING, Bao, TcpServer, bao_server, tcp_server, tcp_standby

__all__ = ["DATABASE", "World", "world"]

DATABASE = "tills"
SETTINGS = {
    "wal_level": "replica",
    "max_wal_senders": "8",
    "wal_keep_size": "512MB",
    "max_connections": "80",
    "shared_buffers": "128MB",
    "max_wal_size": "2GB",
    "fsync": "on",
    "full_page_writes": "on",
    "hot_standby_feedback": "on",
    "log_min_messages": "warning",
}
# What OpenBao notes for the rehearsal alone: each password that it has made, to be looked for in all that was written.
NOTED = "INSERT INTO made VALUES ('{{name}}', '{{password}}')"
GROUPS = ("migrator", "planner", "service")


@dataclass(frozen=True)
class World:
    """The servers of the story.

    Args:
        bao: OpenBao, which makes the logins.
        primary: the server that takes writes.
        standbys: by name.
        pooler: what the service's writes pass.
    """

    bao: Bao
    primary: TcpServer
    standbys: dict[str, TcpServer]
    pooler: TcpPooler
    tokens: dict[str, str] = field(repr=False)

    @property
    def ports(self) -> dict[str, str]:
        """The variables of erm.yaml."""
        return {
            "TILLS_PRIMARY_PORT": str(self.primary.port),
            "TILLS_POOLER_PORT": str(self.pooler.port),
            **{f"TILLS_{name.upper()}_PORT": str(server.port) for name, server in self.standbys.items()},
        }

    def vault(self, who: str) -> dict[str, str]:
        """How somebody gets in to OpenBao: with a token that lets them read one path."""
        return {"VAULT_ADDR": self.bao.address, "VAULT_TOKEN": self.tokens[who]}

    def administer(self, statements: Sequence[str]) -> None:
        """Run statements as the administrator: for the set-up only."""
        for statement in statements:
            self.primary.execute(statement, dbname=DATABASE)

    def made_logins(self) -> list[tuple[str, str]]:
        """Each login that OpenBao has made, and its password."""
        return [(name, word) for name, word in self.primary.execute("SELECT name, password FROM made")]

    def logs(self) -> list[Path]:
        """What the servers have written for people."""
        servers = [self.primary, *self.standbys.values()]
        return [*(each.server.log_path for each in servers), self.pooler.log_path]


@contextmanager
def world(binaries: PostgresBinaries, lifetimes: dict[str, str]) -> Iterator[World]:
    """All of it, running, with an empty database.

    Args:
        binaries: the programs of the servers.
        lifetimes: how long a login of each group lives, as `5s`.
    """
    with ExitStack() as stack:
        primary = stack.enter_context(tcp_server(binaries, **SETTINGS))
        primary.execute(f"CREATE DATABASE {DATABASE} OWNER {OWNER}")
        # Nobody may do anything here because of being anybody.
        primary.execute(f"REVOKE ALL ON DATABASE {DATABASE} FROM PUBLIC")
        pooler = stack.enter_context(tcp_pooler(primary, DATABASE))
        standbys = {name: stack.enter_context(tcp_standby(primary)) for name in ("east", "west")}
        bao = stack.enter_context(bao_server())
        tokens = _logins(bao, primary, lifetimes)
        yield World(bao, primary, standbys, pooler, tokens)


def _logins(bao: Bao, primary: TcpServer, lifetimes: dict[str, str]) -> dict[str, str]:
    """Let OpenBao make members of each group; the tokens that let somebody have one."""
    primary.execute("CREATE TABLE made (name text, password text)")
    primary.execute("GRANT INSERT ON made TO vault")
    bao.ask("post", "sys/mounts/database", type="database")
    login = f"{{{{username}}}}:{{{{password}}}}@127.0.0.1:{primary.port}/postgres?sslmode=disable"
    bao.ask(
        "post",
        "database/config/pg",
        plugin_name="postgresql-database-plugin",
        connection_url=f"postgresql://{login}",
        username="vault",
        password=primary.password,
        allowed_roles="*",
    )
    tokens = {}
    for group in GROUPS:
        primary.execute(f"CREATE ROLE {group} NOLOGIN")
        primary.execute(f"GRANT {group} TO vault WITH ADMIN OPTION")
        creation = (
            "CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}' "
            f"IN ROLE {group} INHERIT"
        )
        # The service's sessions are ended with their login; a deployment's go on as the owner.
        ending = {"revocation_statements": list(TERMINATING)} if group == "service" else {}
        lasts = {"default_ttl": lifetimes[group], "max_ttl": lifetimes[group]}
        statements = [creation, NOTED]
        bao.ask("post", f"database/roles/{group}", db_name="pg", creation_statements=statements, **lasts, **ending)
        path = f'path "database/creds/{group}" {{ capabilities = ["read"] }}\n'
        lease = 'path "sys/leases/*" { capabilities = ["update"] }\n'
        tokens[group] = bao.token_for(path + lease)
    return tokens
