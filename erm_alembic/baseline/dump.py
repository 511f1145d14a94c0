"""What pg_dump says of a live database, and what no dump says, as one value: read once, at one moment."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

from erm_alembic.baseline.script import BaselineScript, as_script
from erm_alembic.errors import Refused, UsageError
from erm_alembic.postgres.baseline_facts import BaselineFacts, DataTable, read_baseline_facts, read_data_tables
from erm_alembic.postgres.exported_snapshot import ExportedSnapshot
from erm_alembic.shadow.live import run_pg_dump
from erm_alembic.target import Target
from erm_alembic.under_way import under_way

__all__ = ["Dumped", "Parts", "dump_database"]

NOTHING_WRITTEN = "Nothing was written."
ROWS_A_STATEMENT = 100
HAVE_ROWS = ("r", "p")


@dataclass(frozen=True)
class Parts:
    """What of a database is wanted.

    Args:
        owners: whether it is said who owns what.
        grants: whether rights are.
        with_data: the tables whose rows are wanted too, as typed.
    """

    owners: bool = False
    grants: bool = True
    with_data: tuple[str, ...] = ()


@dataclass(frozen=True)
class Dumped:
    """A live database, dumped.

    Args:
        script: the script that makes it again.
        notes: what is not in the script, or has to be there before it runs.
    """

    script: BaselineScript
    notes: tuple[str, ...]


def dump_database(target: Target, version_table: str, parts: Parts) -> Dumped:
    """Read a live database without erm's ledger and Alembic's version table.

    Args:
        target: the database.
        version_table: Alembic's version table with its schema, quoted where it must be.
        parts: what is wanted.

    Raises:
        Refused: its text is in no encoding that a file can have.
        ShadowUnavailable: there is no `pg_dump` that can read it, or it may not.
        UsageError: a table whose rows are wanted is not there, or has none of its own.
    """
    under_way("reading the schema with pg_dump")
    with target.reading("erm baseline") as cursor:
        facts = read_baseline_facts(cursor, target.settings.ledger.schema, owners=parts.owners, grants=parts.grants)
        tables = [table for name in parts.with_data for table in _tables(cursor, name)]
    dumps = [_decoded(dump) for dump in _dumps(target, _arguments(target, version_table, parts), tables)]
    remarks = _remarks(target, facts)
    script = as_script(dumps, facts.populated, remarks, own_role=facts.migrator)
    return Dumped(script, _notes(facts, script))


def _tables(cursor: object, name: str) -> Sequence[DataTable]:
    found = read_data_tables(cursor, name)
    without = next((table for table in found if table.kind not in HAVE_ROWS), None)
    if not found or without is not None:
        raise UsageError(
            f"--with-data {name}: there is no such table."
            if without is None
            else f"--with-data {name}: {without.pattern} is no table with rows of its own.",
            effect=NOTHING_WRITTEN,
            cure="Name a table with its schema, quoted where it must be: --with-data public.countries",
        )
    return found


def _arguments(target: Target, version_table: str, parts: Parts) -> list[str]:
    ledger = target.settings.ledger.schema.replace('"', '""')
    # Subscriptions hold an address with its password; labels need a provider that the server has loaded.
    arguments = ["--encoding=UTF8", "--no-subscriptions", "--no-security-labels", f'--exclude-schema="{ledger}"']
    arguments += [f"--exclude-table={version_table}"]
    arguments += [] if parts.owners else ["--no-owner"]
    arguments += [] if parts.grants else ["--no-privileges"]
    return arguments


def _dumps(target: Target, arguments: Sequence[str], tables: Sequence[DataTable]) -> list[bytes]:
    """The parts of the dump in their order: rows come before what looks at them (keys, triggers, policies)."""
    if not tables:
        return [run_pg_dump(target, ["--schema-only", *arguments], target.major)]
    with contextlib.closing(ExportedSnapshot(target.url.dsn())) as snapshot:
        arguments = [*arguments, f"--snapshot={snapshot.name}"]
        rows = ["--column-inserts", f"--rows-per-insert={ROWS_A_STATEMENT}"]
        rows += [f"--table={table.pattern}" for table in tables]
        return [
            run_pg_dump(target, ["--section=pre-data", *arguments], target.major),
            run_pg_dump(target, ["--section=data", *arguments, *rows], target.major),
            run_pg_dump(target, ["--section=post-data", *arguments], target.major),
        ]


def _decoded(dump: bytes) -> str:
    try:
        return dump.decode("utf-8")
    except UnicodeDecodeError:
        raise Refused(
            "The schema has names or texts that are not valid in any encoding (the database's is SQL_ASCII).",
            effect=NOTHING_WRITTEN,
            cure="Rename what has them; a database whose encoding is UTF8 has none.",
        ) from None


def _remarks(target: Target, facts: BaselineFacts) -> list[str]:
    remarks = [
        f"What {target.database} is made of (PostgreSQL {target.server_version}), as `erm baseline` found it.",
        "It may be edited: `erm baseline --record` compares a database with what it makes before it is recorded there.",
    ]
    for what, names in (
        ("Extensions", facts.extensions),
        ("Roles that are named, and must be there", facts.roles),
        ("Tablespaces that are named, and must be there", facts.tablespaces),
    ):
        remarks += [f"{what}: {', '.join(names)}"] if names else []
    return remarks


def _notes(facts: BaselineFacts, script: BaselineScript) -> tuple[str, ...]:
    notes = []
    if facts.roles:
        notes.append(f"It names roles that must be there where it is applied: {', '.join(facts.roles)}.")
    if facts.tablespaces:
        notes.append(f"It names tablespaces that must be there: {', '.join(facts.tablespaces)}.")
    if facts.settings:
        notes.append("Not in it: the settings of the database as a whole (ALTER DATABASE ... SET).")
    if facts.large_objects:
        notes.append("Not in it: large objects, which are rows.")
    notes += [
        f"The values of options that may be secrets were left out; set them by hand: {o}." for o in script.options
    ]
    notes += [f"Something in it looks like a password; look before it is committed: {s}." for s in script.suspicious]
    return tuple(notes)
