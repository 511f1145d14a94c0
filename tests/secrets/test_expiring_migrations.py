"""Roles that live for seconds, under a deployment that takes longer: renewed, dropped or ended in the middle."""

from __future__ import annotations

import json
import re
import threading
from pathlib import Path

from tests.support.cli import run_erm
from tests.support.vault import CREATION, OWNER, TERMINATING, Bao, Engine, TcpServer, engine_for
from tests.support.waiting import until

ENV_PY = """\
from alembic import context
from sqlalchemy import engine_from_config, pool

section = context.config.get_section(context.config.config_ini_section, {})
with engine_from_config(section, prefix="sqlalchemy.", poolclass=pool.NullPool).connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""
NOTE = "INSERT INTO used SELECT session_user"
# Waits until the lease has ended with which the session was opened, unless it was renewed.
PAST_ITS_END = """
DO $$
BEGIN
  PERFORM pg_sleep_until(backend_start + interval '3.2 s') FROM pg_stat_activity WHERE pid = pg_backend_pid();
END $$
"""
# Waits until somebody has dropped the role of this very session.
UNTIL_IT_IS_GONE = """
DO $$
DECLARE mine name := session_user;
BEGIN
  WHILE EXISTS (SELECT FROM pg_roles WHERE rolname = mine) LOOP PERFORM pg_sleep(0.05); END LOOP;
END $$
"""
# Waits for its end, the first time.
UNTIL_IT_IS_ENDED = """
DO $$ BEGIN IF NOT EXISTS (SELECT FROM ended) THEN PERFORM pg_sleep(60); END IF; END $$
"""


def project(folder: Path, engine: Engine, path: str, *bodies: str) -> Path:
    """An Alembic project whose revisions run these bodies, deployed by the role of a path in OpenBao."""
    versions = folder / "migrations" / "versions"
    versions.mkdir(parents=True)
    (folder / "migrations" / "env.py").write_text(ENV_PY)
    (folder / "erm.yaml").write_text(
        engine.yaml(path)
        + f"migrations: {{directory: migrations, role: {OWNER}}}\nsafety: {{rules: {{missing-downgrade: off}}}}\n"
    )
    for number, body in enumerate(bodies, 1):
        before = f"'r{number - 1}'" if number > 1 else None
        lines = "".join(f"    {line}\n" for line in body.splitlines())
        (versions / f"r{number}.py").write_text(
            f"from alembic import op\nrevision, down_revision = 'r{number}', {before}\ndef upgrade():\n{lines}"
        )
    return folder


def executes(*statements: str) -> str:
    return "\n".join(f"op.execute({statement!r})" for statement in statements)


IN_BLOCK = "with op.get_context().autocommit_block():\n    op.execute({statement!r})"
ANOTHER = f"with op.get_bind().engine.begin() as another:\n    another.exec_driver_sql({NOTE!r})"


def users(engine: Engine) -> list[str]:
    return [row[0] for row in engine.server.execute("SELECT who FROM used", dbname=engine.database)]


def owners(engine: Engine) -> set[str]:
    return {
        row[0]
        for row in engine.server.execute(
            "SELECT pg_get_userbyid(relowner)::text FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace"
            " WHERE nspname IN ('public', 'erm') UNION SELECT pg_get_userbyid(nspowner)::text FROM pg_namespace"
            " WHERE nspname = 'erm'",
            dbname=engine.database,
        )
    }


def test_a_lease_is_renewed_for_as_long_as_a_run_lasts(engine: Engine, tmp_path: Path) -> None:
    """The run takes longer than its role was made for: the role is the same one from the first to the last statement,
    in further connections too, and all that is made belongs to `migrations.role`.
    """
    path = engine.role("mig", "3s", "1h", revocation_statements=list(TERMINATING))
    folder = project(
        tmp_path,
        engine,
        path,
        executes("CREATE TABLE used (who text)", NOTE, PAST_ITS_END),
        IN_BLOCK.format(statement="CREATE INDEX CONCURRENTLY used_who ON used (who)"),
        f"{ANOTHER}\n{executes(NOTE)}",
    )
    done = run_erm("migrate", "--mode", "apply", cwd=folder, env=engine.bao.environ)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(users(engine)) == 3 and len(set(users(engine))) == 1
    assert owners(engine) == {OWNER}
    roles = "SELECT count(*) FROM pg_roles WHERE rolname = %s"
    assert engine.server.execute(roles, users(engine)[0]) == [(0,)], "it is given back when the process ends"


def test_a_role_that_is_dropped_in_the_middle_does_not_break_a_run(engine: Engine, tmp_path: Path) -> None:
    """Where a lease cannot be renewed any more: the session goes on as the owner, the ledger too, and what connects
    anew does so with the next role.
    """
    path = engine.role("mig", "2s", "2s")
    folder = project(
        tmp_path,
        engine,
        path,
        executes("CREATE TABLE used (who text)", NOTE, UNTIL_IT_IS_GONE),
        IN_BLOCK.format(statement="CREATE INDEX CONCURRENTLY used_who ON used (who)"),
        ANOTHER,
    )
    done = run_erm("migrate", "--mode", "apply", "--format", "json", cwd=folder, env=engine.bao.environ)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["outcome"]["current"] == ["r3"]
    first, second = users(engine)
    assert first != second
    assert owners(engine) == {OWNER}


def test_a_session_that_is_ended_in_the_middle_is_told_and_the_next_run_goes_on(engine: Engine, tmp_path: Path) -> None:
    """Vault has ended it together with the role: what is half done is resumed with another role."""
    path = engine.role("mig", "1h", "2h", revocation_statements=list(TERMINATING))
    folder = project(
        tmp_path,
        engine,
        path,
        executes("CREATE TABLE used (who text)", "CREATE TABLE ended ()", NOTE),
        f"with op.get_context().autocommit_block():\n    op.execute({NOTE!r})\n    op.execute({UNTIL_IT_IS_ENDED!r})\n"
        f"    op.execute({NOTE!r})",
    )

    def end() -> None:
        sleeping = "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = %s"
        until(lambda: engine.server.execute(sleeping, engine.database))
        engine.server.execute("INSERT INTO ended DEFAULT VALUES", dbname=engine.database)
        engine.bao.ask("put", f"sys/leases/revoke-prefix/{engine.mount}")

    ending = threading.Thread(target=end)
    ending.start()
    failed = run_erm("migrate", "--mode", "apply", cwd=folder, env=engine.bao.environ)
    ending.join()
    assert failed.returncode == 1, failed.stdout + failed.stderr
    assert "r2" in failed.stdout and len(users(engine)) == 2
    again = run_erm("migrate", "--mode", "apply", cwd=folder, env=engine.bao.environ)
    assert again.returncode == 0, again.stdout + again.stderr
    assert len(users(engine)) == 3, "what was committed before is not run again"


def test_a_plan_whose_session_is_ended_says_so(engine: Engine, tmp_path: Path) -> None:
    """And what to look at where the roles of a secret manager end."""
    path = engine.role("mig", "1h", "2h")
    folder = project(tmp_path, engine, path, executes("SELECT pg_sleep(60)"))
    sleeping = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60)'"
    ending = threading.Thread(target=until, args=(lambda: engine.server.execute(sleeping),))
    ending.start()
    failed = run_erm("migrate", "--mode", "plan", cwd=folder, env=engine.bao.environ)
    ending.join()
    assert failed.returncode == 1, failed.stdout + failed.stderr
    assert failed.stderr.startswith(f"error:  postgresql://127.0.0.1:{engine.server.port}/{engine.database}: ")
    assert "(max_ttl of the role)" in failed.stderr


def test_no_password_of_a_role_is_shown_anywhere(bao: Bao, tcp: TcpServer, tmp_path: Path) -> None:
    """In plans, runs, failures, tracebacks, JSON, reports and files, of whichever command."""
    tcp.execute("CREATE TABLE IF NOT EXISTS made (name text, password text)")
    tcp.execute("GRANT INSERT ON made TO vault")
    with engine_for(bao, tcp) as engine:
        config = {"plugin_name": "postgresql-database-plugin", "allowed_roles": "*"}
        address = f"127.0.0.1:{tcp.port}/postgres?sslmode=disable"
        url = f"postgresql://{{{{username}}}}:{{{{password}}}}@{address}"
        login = {"username": "vault", "password": tcp.password}
        bao.ask("post", f"{engine.mount}/config/pg", connection_url=url, **login, **config)
        kept = "INSERT INTO made VALUES ('{{name}}', '{{password}}')"
        path = engine.role("mig", "1h", "2h", creation_statements=[CREATION, kept])
        folder = project(tmp_path, engine, path, executes("CREATE TABLE used (who text)"), executes("SELECT 1/0"))
        said = []
        for command in (
            ("migrate", "--mode", "apply", "-v"),
            ("migrate", "--mode", "plan", "--format", "json"),
            ("doctor", "--format", "json"),
            ("config", "show", "--env", "dev"),
        ):
            done = run_erm(*command, cwd=folder, env=bao.environ)
            said.append(done.stdout + done.stderr)
        passwords = [row[0] for row in tcp.execute("SELECT password FROM made")]
        tcp.execute("DROP TABLE made")
        assert len(passwords) >= 3
        written = [path.read_text("utf-8", "replace") for path in folder.rglob("*") if path.is_file()]
        ledger = tcp.execute("SELECT string_agg(r::text, ' ') FROM erm.run r", dbname=engine.database)[0][0]
        found = [re.escape(password) for password in passwords]
        shown = re.compile("|".join(found))
        assert [bool(shown.search(text)) for text in (*said, *written, ledger)].count(True) == 0


def test_what_logins_that_end_need_is_asked_of_the_role_they_are_members_of(engine: Engine, tmp_path: Path) -> None:
    """That role never logs in itself, and the ledger belongs to `migrations.role`, as what is made does."""
    folder = project(tmp_path, engine, engine.role("mig", "1h", "2h"), executes("CREATE TABLE used (who text)"))
    group = f"group_{engine.database}"
    engine.server.execute(f"CREATE ROLE {group} NOLOGIN")
    try:
        words = ("grants", "--role", group, "--purpose", "migrate", "--purpose", "backup", "--format", "json")
        done = run_erm(*words, cwd=folder, env=engine.bao.environ)
    finally:
        engine.server.execute(f"DROP ROLE {group}")
    assert done.returncode == 0, done.stdout + done.stderr
    printed = [grant["sql"] for grant in json.loads(done.stdout)["grants"]]
    assert f'CREATE SCHEMA "erm" AUTHORIZATION "{OWNER}"' in printed
    assert not [sql for sql in printed if "LOGIN" in sql]


def test_a_login_that_ends_and_only_reads_can_plan(engine: Engine, tmp_path: Path) -> None:
    """It may not act as `migrations.role`, and has no need to."""
    folder = project(tmp_path, engine, engine.role("mig", "1h", "2h"), executes("CREATE TABLE used (who text)"))
    assert run_erm("migrate", "--mode", "apply", cwd=folder, env=engine.bao.environ).returncode == 0
    schemas = "GRANT USAGE ON SCHEMA erm TO PUBLIC; GRANT SELECT ON ALL TABLES IN SCHEMA erm, public TO PUBLIC"
    engine.server.execute(schemas, dbname=engine.database)
    reading = CREATION.partition(" IN ROLE")[0]
    path = engine.role("reader", "1h", "2h", creation_statements=[reading])
    config = folder / "erm.yaml"
    config.write_text(config.read_text().replace(f"{engine.mount}/creds/mig", path))
    done = run_erm("migrate", "--mode", "plan", cwd=folder, env=engine.bao.environ)
    assert done.returncode == 0, done.stdout + done.stderr
