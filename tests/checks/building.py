"""Contexts for the checks' tests, in one line each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from erm_alembic.checks import Check, CheckContext, run_checks
from erm_alembic.config.sealed import SealedUrl
from erm_alembic.config.settings import Settings
from erm_alembic.findings import Finding
from erm_alembic.planning.model import Plan, Statement, Step
from erm_alembic.planning.surroundings import Surroundings
from erm_alembic.postgres.activity import Held
from erm_alembic.postgres.existing_tables import ExistingTable
from erm_alembic.revisions.source.downgrade import inspect_downgrade
from erm_alembic.revisions.source.files import RevisionFile

WORKS = "def upgrade():\n    op.create_table('t')\ndef downgrade():\n    op.drop_table('t')\n"
EMPTY = "def upgrade():\n    op.create_table('t')\ndef downgrade():\n    pass\n"
MISSING = "def upgrade():\n    op.create_table('t')\n"


def revision(id: str, *parents: str, source: str = WORKS, depends_on: tuple[str, ...] = ()) -> RevisionFile:
    """A revision file with this source."""
    return RevisionFile(id, parents, f"versions/{id}.py", source, inspect_downgrade(source), depends_on)


def settings(environment: str = "prod", url: SealedUrl | None = None) -> Settings:
    """Settings with nothing else in them."""
    return Settings(environment=environment, project_dir=Path(), url=url)


def statements(*texts: str | Statement) -> tuple[Statement, ...]:
    """Statements of a revision, one a line from line 10 on."""
    return tuple(
        Statement(text, line=line) if isinstance(text, str) else replace(text, line=line)
        for line, text in enumerate(texts, start=10)
    )


def outside(sql: str) -> Statement:
    """A statement of an `autocommit_block()`."""
    return Statement(sql, autocommit=True)


def step(*texts: str | Statement, revision: str = "b2", down: tuple[str, ...] = ("a1",)) -> Step:
    """A pending revision that sends these statements."""
    return Step(
        revision, down, f"make {revision}", f"versions/{revision}.py", "upgrade", "ok", statements=statements(*texts)
    )


def plan(*steps: Step, current: tuple[str, ...] = ("a1",)) -> Plan:
    """A plan of these steps on a database that is at `a1`."""
    heads = (steps[-1].revision,) if steps else current
    return Plan("prod", "postgresql://db", "15.18", "upgrade", current, heads, steps)


LARGE = {"rows": 5_000_000, "size": 900_000_000}
SMALL = {"rows": 40, "size": 8_192}


def around(*tables: ExistingTable, held: tuple[Held, ...] = ()) -> Surroundings:
    """A target that has these tables, each found by its name with and without its schema."""
    named = {(table.name,): table for table in tables} | {(table.schema, table.name): table for table in tables}
    return Surroundings(named, held)


def table(name: str, schema: str = "public", **facts: Any) -> ExistingTable:
    """A table of the target, large unless something else is said."""
    return ExistingTable(schema, name, **{**LARGE, **facts})


def judged(
    check: Check, *texts: str | Statement, tables: Sequence[ExistingTable] = (), held: tuple[Held, ...] = ()
) -> list[Finding]:
    """What a check says of one revision with these statements."""
    context = CheckContext(plan=plan(step(*texts)), settings=settings(), around=around(*tables, held=held))
    return list(run_checks(context, {}, (check,)))
