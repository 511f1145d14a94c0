"""A project whose objects belong to several roles, and roles that have nothing but what was printed for them."""

from __future__ import annotations

import contextlib
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from psycopg2.errors import DependentObjectsStillExist

from erm_alembic.migrate import apply
from tests.faults.deploying import Project
from tests.support.databases import Database

__all__ = ["Shop", "made_roles", "quoted", "shop_in", "url_as", "without_one"]

# No way down: what it makes stays with its owners, and others only refer to it.
FIRST = """
op.execute('CREATE SCHEMA "Sales 100%"')
op.create_table("orders", sa.Column("id", sa.Integer, primary_key=True), sa.Column("net", sa.Integer),
                schema="Sales 100%")
op.create_table("accounts", sa.Column("id", sa.Integer, primary_key=True))
op.create_table("rates", sa.Column("rate", sa.Integer, primary_key=True))
op.execute("CREATE FUNCTION taxed(net int, rate int) RETURNS int LANGUAGE sql AS 'SELECT net * rate'")
"""
SECOND = """
op.add_column("orders", sa.Column("gross", sa.Integer), schema="Sales 100%")
op.execute('UPDATE "Sales 100%".orders SET gross = taxed(net, (SELECT max(rate) FROM rates))')
op.create_table("invoices", sa.Column("id", sa.Integer, primary_key=True),
                sa.Column("account", sa.Integer, sa.ForeignKey("accounts.id")))
op.execute("LOCK TABLE accounts IN ACCESS SHARE MODE")
"""
BACK = 'op.drop_table("invoices"); op.drop_column("orders", "gross", schema="Sales 100%")'
SMOKE = """
import pytest
from sqlalchemy import text

@pytest.mark.erm_smoke
@pytest.mark.parametrize("table", ['"Sales 100%".orders', "accounts", "rates", "invoices"])
def test_reads(table, erm_smoke_connection):
    erm_smoke_connection.exec_driver_sql("SELECT count(*) FROM " + table.replace("%", "%%")).all()
"""


@dataclass(frozen=True)
class Shop:
    """A project of which one revision is applied and one is pending.

    Args:
        project: its files.
        database: its database, where nobody has rights by default.
        owner: who owns `orders`.
        other: who owns what is only referred to.
    """

    project: Project
    database: Database
    owner: str
    other: str


def quoted(name: str) -> str:
    """A name as SQL has it."""
    return '"' + name.replace('"', '""') + '"'


def url_as(database: Database, role: str) -> str:
    """The address of a database for a role."""
    return re.sub(r"://[^@/]*@", lambda _: f"://{quote(role, safe='')}@", database.url)


@contextlib.contextmanager
def made_roles(database: Database, count: int) -> Iterator[list[str]]:
    """Roles with awkward names, dropped at the end with what they have in this database."""
    names = [f'{uuid.uuid4().hex[:8]} o\'"wner" %{number}' for number in range(count)]
    for name in names:
        database.execute(f"CREATE ROLE {quoted(name)}")
    try:
        yield names
    finally:
        drop_roles(database, names)


def drop_roles(database: Database, names: list[str]) -> None:
    """Drop roles with what they have in this database."""
    for name in names:
        database.execute(f"REASSIGN OWNED BY {quoted(name)} TO SESSION_USER")
        database.execute(f"DROP OWNED BY {quoted(name)} CASCADE")
        # A template that a shadow keeps on the tests' own server may have objects of it.
        with contextlib.suppress(DependentObjectsStillExist):
            database.execute(f"DROP ROLE {quoted(name)}")


@contextlib.contextmanager
def shop_in(root: Path, database: Database) -> Iterator[Shop]:
    """The project with its first revision applied, whose objects are then handed to two owners."""
    project = Project(root, database)
    project.config(f"""
        database: {{environments: {{prod: {{url: "{database.url}"}}}}}}
        shadow: {{url: "{database.server.url("postgres")}"}}
        safety: {{downgrades_since: a1, rules: {{other-environment: off}}}}
        ledger: {{schema: "Erm's ledger"}}
        smoke: {{paths: [tests]}}
    """)
    (root / "tests").mkdir()
    (root / "tests" / "test_smoke.py").write_text(SMOKE, encoding="utf-8")
    project.revision("a1", FIRST, "raise NotImplementedError")
    with made_roles(database, 2) as (owner, other):
        assert apply("prod", config=root / "erm.yaml").outcome.result == "done"
        database.execute('DROP SCHEMA "Erm\'s ledger" CASCADE')
        database.execute(f'GRANT USAGE ON SCHEMA "Sales 100%" TO {quoted(owner)}')
        database.execute(f'ALTER TABLE "Sales 100%".orders OWNER TO {quoted(owner)}')
        database.execute(f"ALTER TABLE accounts OWNER TO {quoted(other)}")
        database.execute(f"ALTER TABLE rates OWNER TO {quoted(other)}")
        database.execute(f"ALTER FUNCTION taxed OWNER TO {quoted(other)}")
        for right in ("EXECUTE ON FUNCTION taxed", "ALL ON SCHEMA public", f'ALL ON DATABASE "{database.name}"'):
            database.execute(f"REVOKE {right} FROM PUBLIC")
        project.revision("b2", SECOND, BACK, down="a1")
        yield Shop(project, database, owner, other)


def without_one(statements: list[str]) -> Iterator[tuple[str, list[str]]]:
    """What is left when one right is not given: what it is, and the statements."""
    for place, statement in enumerate(statements):
        found = re.fullmatch(r"GRANT ([A-Z, ]+) ON (.*)", statement, re.DOTALL)
        rights = found[1].split(", ") if found is not None else []
        if len(rights) < 2:
            yield statement, statements[:place] + statements[place + 1 :]
            continue
        assert found is not None
        for right in rights:
            left = ", ".join(each for each in rights if each != right)
            fewer = [*statements[:place], f"GRANT {left} ON {found[2]}", *statements[place + 1 :]]
            yield f"{right} of: {statement}", fewer
