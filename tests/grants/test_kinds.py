"""What each kind of statement takes, as the servers themselves say it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from erm_alembic.granting import GrantReport, Remark, least_grants
from erm_alembic.grants.gathering import Gathering
from erm_alembic.grants.migrating import want_migrations
from erm_alembic.grants.model import Trial
from erm_alembic.grants.sql import Statements
from erm_alembic.grants.tried import Tried
from erm_alembic.postgres.rights.objects import Address
from erm_alembic.postgres.rights.standing import Standing
from erm_alembic.shadow.rights.told import Need
from tests.faults.deploying import Project
from tests.grants.projects import made_roles, quoted
from tests.support.databases import Database

FIRST = """
op.execute('''
    CREATE SCHEMA other;
    CREATE TABLE "T" (id int); CREATE TABLE other."T" (id int); CREATE TABLE u (id serial PRIMARY KEY);
    CREATE VIEW v AS SELECT * FROM "T"; CREATE MATERIALIZED VIEW mv AS SELECT 1 AS a; CREATE SEQUENCE s;
    CREATE TYPE mood AS ENUM ('a'); CREATE DOMAIN age AS int;
    CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'
''')
"""
BACK = "raise NotImplementedError"
# Each as it is sent by itself.
STATEMENTS = (
    "CREATE EXTENSION IF NOT EXISTS citext",
    "CREATE EXTENSION IF NOT EXISTS file_fdw",
    "CREATE FUNCTION et() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN END $$",
    "CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION et()",
    "CREATE TABLE mine (id int)",
    "ALTER TABLE mine OWNER TO {other}",
    "ALTER DEFAULT PRIVILEGES FOR ROLE {third} GRANT SELECT ON TABLES TO {owner}",
    'GRANT SELECT ON other."T" TO {third}',
    "ALTER TYPE mood ADD VALUE 'b'",
    "SELECT nextval('s')",
    'DO $$ BEGIN PERFORM * FROM v; DELETE FROM other."T"; END $$',
    "CREATE ROLE made_by_a_revision",
    "SET LOCAL log_min_messages = error",
    "COPY u FROM '/dev/null'",
    "CREATE TEMPORARY TABLE tt (a age)",
    "ALTER SYSTEM SET work_mem = '5MB'",
)


@pytest.fixture
def report(database: Database, tmp_path: Path) -> GrantReport:
    """What a role needs that sends one of each, on a server of every major."""
    project = Project(tmp_path, database)
    project.config(f"""
        database: {{environments: {{prod: {{url: "{database.url}"}}}}}}
        shadow: {{url: "{database.server.url("postgres")}"}}
    """)
    project.revision("a1", FIRST, BACK)
    with made_roles(database, 3) as (owner, other, third):
        names = {"owner": quoted(owner), "other": quoted(other), "third": quoted(third)}
        for statement in FIRST.split("'''")[1].split(";"):
            database.execute(statement)
        database.execute("CREATE TABLE alembic_version (version_num text); INSERT INTO alembic_version VALUES ('a1')")
        for what in ("TABLE v", 'TABLE other."T"', "TABLE u", "MATERIALIZED VIEW mv", "SEQUENCE s"):
            database.execute(f"ALTER {what} OWNER TO {names['owner']}")
        for right in ("SCHEMA public", f'DATABASE "{database.name}"', "TYPE age"):
            database.execute(f"REVOKE ALL ON {right} FROM PUBLIC")
        sent = [statement.format(**names) for statement in STATEMENTS]
        project.revision("b2", "\n".join(map(_sending, sent)), BACK, down="a1")
        body = _sending('CREATE INDEX CONCURRENTLY i ON other."T" (id)')
        project.revision("c3", f"with op.get_context().autocommit_block():\n    {body}", BACK, down="b2")
        project.revision("d4", _sending(f"SET LOCAL ROLE {names['other']}"), BACK, down="c3")
        found = least_grants("r", env="prod", config=tmp_path / "erm.yaml")
    renamed = {name: key for key, name in names.items()} | {database.name: "db"}
    return _renamed(found, renamed)


def _sending(statement: str) -> str:
    """A line of a revision; a percent sign in it is the driver's own."""
    return f"op.get_bind().exec_driver_sql({statement.replace('%', '%%')!r})"


def _renamed(report: GrantReport, names: dict[str, str]) -> GrantReport:
    def plainly(text: str) -> str:
        for name, instead in names.items():
            text = text.replace(name, instead)
        return text

    grants = tuple(replace(each, sql=plainly(each.sql)) for each in report.grants)
    remarks = tuple(Remark(plainly(each.what), plainly(each.cure), each.blocks) for each in report.remarks)
    return replace(report, grants=grants, remarks=remarks)


def test_what_each_statement_takes(report: GrantReport, database: Database) -> None:
    """Owners, members, privileges, attributes, predefined roles: no more than that; and the trial leaves no role."""
    major = int(report.server_version.split(".")[0])
    assert report.trial is not None
    assert (report.trial.status, report.trial.reason, report.trial.upgraded) == ("done", None, 3)
    needed = {each.sql for each in report.grants if each.kind == "needed" and each.purpose == "migrate"}
    inherits = " WITH INHERIT TRUE, SET FALSE" if major >= 16 else ""
    both = " WITH INHERIT TRUE, SET TRUE" if major >= 16 else ""
    expected = {
        'CREATE ROLE "r" LOGIN',
        'CREATE EXTENSION IF NOT EXISTS "file_fdw"',
        'ALTER ROLE "r" CREATEROLE',
        f'GRANT owner TO "r"{inherits}',
        f'GRANT other TO "r"{both}',
        f'GRANT third TO "r"{both}',
        f'GRANT "pg_read_server_files" TO "r"{inherits}',
        'ALTER TYPE public.mood OWNER TO "r"',
        'GRANT SELECT, UPDATE ON TABLE public.alembic_version TO "r"',
        "GRANT SELECT, UPDATE ON TABLE public.alembic_version TO other",
        'GRANT CONNECT, TEMPORARY, CREATE ON DATABASE db TO "r"',
        'GRANT USAGE, CREATE ON SCHEMA public, other TO "r"',
        "GRANT USAGE, CREATE ON SCHEMA public TO other",
        'GRANT USAGE ON TYPE public.age TO "r"',
        'CREATE SCHEMA "erm" AUTHORIZATION "r"',
        *(['GRANT SET ON PARAMETER "log_min_messages" TO "r"'] if major >= 15 else []),
    }
    assert needed == expected
    blocking = " ".join(remark.what for remark in report.remarks if remark.blocks)
    assert 'permission denied to create event trigger "e"' in blocking
    assert "ALTER SYSTEM in the upgrade of b2 acts on what all databases share" in blocking

    assert database.execute("SELECT rolname FROM pg_roles WHERE rolname ~ '^erm_shadow_rights'") == []


def test_a_privilege_that_the_target_does_not_know(one_database: Database) -> None:
    """What a newer shadow was content to maintain has to be owned where the target's major has no such privilege."""
    one_database.execute("CREATE TABLE t (id int)")
    need = Need("MAINTAIN", Address("table", ("public", "t"), (), "public.t"), revision="a1")
    connection = one_database.connect()
    with connection.cursor() as cursor:
        gathering = Gathering(Standing(cursor, 16, one_database.name), Statements(cursor, 16))
        want_migrations(gathering, Tried(Trial("done", upgraded=1), (need,)), "r", "r")
        assert [each.sql for each in gathering.grants()] == ['ALTER TABLE public.t OWNER TO "r"']
    connection.close()
