"""What the revisions make, read in the shadow: its catalog, its rows, and the script that makes both again."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

from psycopg2.extensions import cursor as PlainCursor

from erm_alembic.baseline.script import BaselineScript, as_script
from erm_alembic.config.dsn import DatabaseUrl
from erm_alembic.opening import Opened
from erm_alembic.postgres.baseline_facts import read_baseline_facts
from erm_alembic.postgres.catalog import session_role
from erm_alembic.postgres.rows_digest import read_rows, read_starts
from erm_alembic.postgres.snapshot import Snapshot, differences, take_snapshot
from erm_alembic.postgres.text.lexer import Token, tokens
from erm_alembic.postgres.text.literals import string_value
from erm_alembic.shadow.live import run_pg_dump
from erm_alembic.shadow.opened import Shadow, ShadowDatabase, open_shadow
from erm_alembic.target import Target
from erm_alembic.under_way import under_way

__all__ = ["Made", "look", "make_script", "told_apart"]

ROWS_A_STATEMENT = 100


@dataclass(frozen=True)
class Made:
    """What a history makes.

    Args:
        catalog: the schema.
        rows: a digest of the rows of each table, and the state of each sequence.
        notes: what is not as it would be on the target.
    """

    catalog: Snapshot
    rows: Mapping[tuple[str, str], str]
    notes: tuple[str, ...]

    @property
    def digest(self) -> str:
        """One digest of all of it."""
        told = [
            sorted((list(key), sorted(value.items())) for key, value in self.catalog.objects.items()),
            sorted((list(key), value) for key, value in self.rows.items()),
        ]
        return hashlib.sha256(json.dumps(told).encode("utf-8", "surrogatepass")).hexdigest()


def told_apart(expected: Made, found: Made) -> tuple[str, ...]:
    """What differs, as kind and name; nothing where both are the same.

    Args:
        expected: what the old revisions make.
        found: what the new one makes.
    """
    schema = [f"{each.kind} {each.object}" for each in differences(expected.catalog, found.catalog)]
    names = sorted(expected.rows.keys() | found.rows.keys())
    rows = [f"rows of {'.'.join(name)}" for name in names if expected.rows.get(name) != found.rows.get(name)]
    return tuple(dict.fromkeys((*schema, *rows)))


def look(opened: Opened, revision: str, version_table: str) -> Made:
    """What the history up to a revision makes now.

    Args:
        opened: the settings, the target and the project.
        revision: the revision's id.
        version_table: Alembic's version table, with its schema.

    Raises:
        ShadowUnavailable: it cannot be replayed.
    """
    with _shadow(opened) as shadow, shadow.at((revision,)) as database:
        return _look(database, opened.settings.ledger.schema, version_table)


def make_script(
    opened: Opened, revision: str, version_table: str, remarks: list[str], tenant: str | None
) -> tuple[Made, BaselineScript, int]:
    """What the history up to a revision makes, the script that makes it, and how many tables have rows.

    Args:
        opened: the settings, the target and the project.
        revision: the revision's id.
        version_table: Alembic's version table, with its schema.
        remarks: the lines of the comment at the script's head.
        tenant: the schema that env.py chooses for each tenant anew.

    Raises:
        ShadowUnavailable: it cannot be replayed or dumped.
    """
    ledger = opened.settings.ledger.schema
    with _shadow(opened) as shadow, shadow.at((revision,)) as database:
        made = _look(database, ledger, version_table)
        with (
            contextlib.closing(database.connect()) as connection,
            connection.cursor(cursor_factory=PlainCursor) as cursor,
        ):
            facts = read_baseline_facts(cursor, ledger, owners=False, grants=True)
            starts, replayer = read_starts(cursor), session_role(cursor)
        under_way("writing one revision of what they make")
        scratch = _scratch_target(opened, shadow, database)
        common = ["--encoding=UTF8", "--no-subscriptions", "--no-security-labels", f"--exclude-table={version_table}"]
        rows = ["--column-inserts", f"--rows-per-insert={ROWS_A_STATEMENT}"]
        parts = [["--section=pre-data"], ["--section=data", *rows], ["--section=post-data"]]
        dumps = [run_pg_dump(scratch, [*part, *common], shadow.major).decode("utf-8") for part in parts]

    def omit(statement: list[Token]) -> bool:
        return _gives_to(statement, replayer) or _is_unused(statement, starts) or _makes_tenant(statement, tenant)

    script = as_script(dumps, facts.populated, remarks, omit=omit, tenant=tenant, own_role=replayer)
    tables = sum(1 for digest in made.rows.values() if not digest.startswith("0 ") and len(digest.split()[-1]) == 32)
    return made, script, tables


def _shadow(opened: Opened) -> contextlib.AbstractContextManager[Shadow]:
    settings = replace(opened.settings, shadow=replace(opened.settings.shadow, source="history"))
    return open_shadow(settings, opened.project, replace(opened.target, settings=settings))


def _look(database: ShadowDatabase, ledger: str, version_table: str) -> Made:
    with contextlib.closing(database.connect()) as connection:
        with connection.cursor(cursor_factory=PlainCursor) as cursor:
            catalog = take_snapshot(cursor, (ledger,), (version_table,))
            connection.rollback()
            rows = read_rows(cursor, (ledger,), (version_table,))
        connection.rollback()
    return Made(catalog, rows, database.notes)


def _scratch_target(opened: Opened, shadow: Shadow, database: ShadowDatabase) -> Target:
    """The scratch database as pg_dump is to read it."""
    settings = replace(opened.settings, migrations=replace(opened.settings.migrations, role=None))
    return replace(opened.target, settings=settings, address=DatabaseUrl.parse(database.url), major=shadow.major)


def _gives_to(statement: list[Token], role: str) -> bool:
    """Whether a statement gives an object to the role that has replayed the history: whoever applies has it anyway."""
    if len(statement) < 5 or not statement[0].says("ALTER"):
        return False
    owner, to, name = statement[-3:]
    return owner.says("OWNER") and to.says("TO") and name.text == role


def _is_unused(statement: list[Token], starts: Mapping[tuple[str, str], int]) -> bool:
    """Whether a statement sets a sequence to where it begins anyway."""
    if [token.text.lower() for token in statement[:4]] != ["select", "pg_catalog", ".", "setval"]:
        return False
    name, value, called = statement[5], statement[7:-3], statement[-2]
    if not called.says("FALSE"):
        return False
    parts = _parts(string_value(name.text) or "")
    return len(parts) == 2 and "".join(token.text for token in value) == str(starts.get((parts[0], parts[1])))


def _parts(name: str) -> list[str]:
    """A name with its schema, unquoted."""
    return [token.name for token in tokens(name) if token.kind in ("word", "quoted")]


def _makes_tenant(statement: list[Token], tenant: str | None) -> bool:
    return (
        tenant is not None
        and len(statement) > 2
        and statement[0].says("CREATE", "COMMENT")
        and any(token.says("SCHEMA") for token in statement[1:3])
        and any(token.name == tenant for token in statement[2:4] if token.kind in ("word", "quoted"))
    )
