"""A real PgBouncer over TCP that asks the server for the passwords of logins which come and go."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg2

from tests.support.poolers import pgbouncer_program
from tests.support.secrecy import issue_secret
from tests.support.servers import server_folder
from tests.support.vault import TcpServer, free_port
from tests.support.waiting import until

__all__ = ["TcpPooler", "tcp_pooler"]

LOGIN = "pooler"
# Who may look up a password may do nothing else; superusers it does not get.
LOOKUP = """
CREATE ROLE pooler LOGIN PASSWORD '{password}';
CREATE SCHEMA pooler;
GRANT CONNECT ON DATABASE {database} TO pooler;
GRANT USAGE ON SCHEMA pooler TO pooler;
CREATE FUNCTION pooler.password_of(login text) RETURNS TABLE (name text, password text)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog
  AS $$ SELECT rolname::text, rolpassword FROM pg_authid WHERE rolname = login AND rolcanlogin AND NOT rolsuper $$;
REVOKE ALL ON FUNCTION pooler.password_of(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pooler.password_of(text) TO pooler;
"""


@dataclass(frozen=True)
class TcpPooler:
    """A running one.

    Args:
        port: on the loopback.
        log_path: what it writes.
    """

    port: int
    log_path: Path


@contextmanager
def tcp_pooler(server: TcpServer, dbname: str) -> Iterator[TcpPooler]:
    """A PgBouncer in transaction mode in front of one database of a server.

    Args:
        server: the primary.
        dbname: its database, in which the pooler's own function is made.
    """
    program, port, password = pgbouncer_program(), free_port(), issue_secret()
    server.execute(LOOKUP.format(password=password, database=dbname), dbname=dbname)
    with server_folder() as (folder, user):
        users, ini, log = folder / "users.txt", folder / "pgbouncer.ini", folder / "pgbouncer.log"
        users.write_text(f'"{LOGIN}" "{password}"\n')
        chosen = {
            "listen_addr": "127.0.0.1",
            "listen_port": port,
            "unix_socket_dir": "",
            "auth_type": "scram-sha-256",
            "auth_file": users,
            "auth_user": LOGIN,
            "auth_query": "SELECT name, password FROM pooler.password_of($1)",
            "pool_mode": "transaction",
            "default_pool_size": 12,
            "server_idle_timeout": 10,
            "logfile": log,
        }
        lines = [f"{name} = {value}" for name, value in chosen.items()]
        databases = f"[databases]\n{dbname} = host=127.0.0.1 port={server.port}\n[pgbouncer]"
        ini.write_text("\n".join([databases, *lines, ""]))
        for path in (users, ini):
            path.chmod(0o600)
            if user.dropped:
                os.chown(path, user.uid, user.gid)
        drop = {"user": user.uid, "group": user.gid, "extra_groups": []} if user.dropped else {}
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        process = subprocess.Popen([program, "-q", ini], **quiet, **drop)
        try:
            until(lambda: _answers(process, port, dbname, password), lambda: log.read_text() if log.exists() else "")
            yield TcpPooler(port, log)
        finally:
            process.terminate()
            process.wait(10)


def _answers(process: subprocess.Popen[bytes], port: int, dbname: str, password: str) -> bool:
    assert process.poll() is None, "PgBouncer has ended"
    try:
        psycopg2.connect(host="127.0.0.1", port=port, dbname=dbname, user=LOGIN, password=password).close()
    except psycopg2.OperationalError:
        return False
    return True
