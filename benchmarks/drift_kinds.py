"""Which changes by hand are seen: each is made, and both Alembic's autogenerate and erm's snapshot are asked.

python -m benchmarks.drift_kinds [--write]
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
import textwrap
import warnings
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import alembic_postgresql_enum  # noqa: F401 - registers itself
import psycopg2
import sqlalchemy as sa
from alembic.autogenerate import produce_migrations, render_python_code
from alembic.runtime.migration import MigrationContext
from alembic_utils.exceptions import SQLParseFailure
from alembic_utils.replaceable_entity import register_entities

from benchmarks.drift_changes import CHANGES, Change
from benchmarks.drift_models import ENTITIES, METADATA, PARTITIONS, REST, ROLES
from benchmarks.server import BenchmarkServer, running_server
from erm_alembic.postgres.embedded.binaries import PostgresBinaries, installed_binaries
from erm_alembic.postgres.snapshot import catalog_fingerprint, differences, take_snapshot

PAGE = Path(__file__).resolve().parents[1] / "docs" / "drift.md"
BEGIN, END = "<!-- drift-kinds:begin -->\n", "<!-- drift-kinds:end -->"
MAJORS = (15, 18)


@dataclass(frozen=True)
class Seen:
    """Who has seen one change.

    Args:
        alembic: `yes` where autogenerate proposes something that it does not propose without the change, `no`, or
            `fails` where it ends with an error.
        erm: `yes` where the snapshot differs, or `no`.
    """

    alembic: str
    erm: str


NONE = Seen("no", "no")


class Asked:
    """A database that is as its models say, and those who are asked about it."""

    def __init__(self, url: str) -> None:
        self._engine = sa.create_engine(url.replace("postgresql:", "postgresql+psycopg2:", 1))
        with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
            for role in ROLES:
                cursor.execute(f"CREATE ROLE {role}")
            connection.commit()
        with self._engine.begin() as connection:
            METADATA.create_all(connection)
            for entity in ENTITIES:
                for statement in _statements(entity.to_sql_statement_create()):
                    connection.execute(statement)
            connection.exec_driver_sql(REST)
        # What autogenerate says of a database that is as its models say: nothing, or a false alarm.
        self._usual = self._autogenerate_of(None)

    def close(self) -> None:
        self._engine.dispose()

    def ask(self, change: Change) -> Seen:
        """Make a change, ask both, and take it back."""
        try:
            alembic = "yes" if self._autogenerate_of(change) != self._usual else "no"
        except SQLParseFailure:  # of alembic-utils
            alembic = "fails"
        return Seen(alembic, "yes" if self._snapshot_of(change) else "no")

    def unchanged(self) -> Seen:
        """What both say of the database as it is."""
        if self._usual:
            print(self._usual, file=sys.stderr)
        return Seen("yes" if self._usual else "no", "yes" if self._snapshot_of(None) else "no")

    def _autogenerate_of(self, change: Change | None) -> str:
        """What autogenerate proposes; empty where it has nothing to propose."""
        with self._engine.connect() as connection, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            transaction = connection.begin()
            if change is not None:
                connection.exec_driver_sql(change.sql)
            context = MigrationContext.configure(
                connection,
                opts={
                    "compare_type": True,
                    "compare_server_default": True,
                    "include_schemas": True,
                    "include_object": None,
                    "target_metadata": METADATA,
                    "include_name": lambda name, kind, _: not (kind == "table" and name in PARTITIONS),
                    "autogenerate_plugins": ["alembic.autogenerate.*", "alembic.ext.*"],
                },
            )
            try:
                upgrade = produce_migrations(context, METADATA).upgrade_ops
                assert upgrade is not None
                return "" if upgrade.is_empty() else render_python_code(upgrade, migration_context=context)
            finally:
                transaction.rollback()

    def _snapshot_of(self, change: Change | None) -> bool:
        """Whether snapshot and fingerprint are other than before; both must agree."""
        raw = self._engine.raw_connection()
        try:
            cursor: Any = raw.cursor()
            before, fingerprint = take_snapshot(cursor), catalog_fingerprint(cursor)
            cursor.execute(change.sql if change is not None else "SELECT 1")
            told = differences(before, take_snapshot(cursor))
            if bool(told) != (catalog_fingerprint(cursor) != fingerprint):
                raise RuntimeError(f"snapshot and fingerprint disagree about {change}")
            return bool(told)
        finally:
            raw.rollback()
            raw.close()


def _statements(made: Any) -> Sequence[Any]:
    return list(made) if isinstance(made, (list, tuple)) else [made]


def seen_on(server: BenchmarkServer) -> dict[Change | None, Seen]:
    """What is seen of each change on one server; that of the unchanged database under None."""
    server.renew("drift")
    asked = Asked(server.url("drift"))
    try:
        major = server.binaries.major
        return {None: asked.unchanged(), **{one: asked.ask(one) for one in CHANGES if one.since <= major}}
    finally:
        asked.close()


def table(found: dict[int, dict[Change | None, Seen]]) -> str:
    """The rows of the page."""
    rows = ["| kind | changed by hand | Alembic | erm |\n| --- | --- | --- | --- |\n"]
    kind = ""
    for change in CHANGES:
        on = {major: seen[change] for major, seen in found.items() if change in seen}
        alembic = _answer({major: one.alembic for major, one in on.items()})
        erm = _answer({major: one.erm for major, one in on.items()})
        rows.append(f"| {change.kind if change.kind != kind else ''} | {change.name} | {alembic} | {erm} |\n")
        kind = change.kind
    majors = " and ".join(map(str, found))
    by_alembic = sum(any(seen.get(one, NONE).alembic == "yes" for seen in found.values()) for one in CHANGES)
    by_erm = sum(all(seen[one].erm == "yes" for seen in found.values() if one in seen) for one in CHANGES)
    quiet = all(seen[None] == NONE for seen in found.values())
    head = (
        f"`python -m benchmarks.drift_kinds` makes each change by hand on PostgreSQL {majors}, and asks both: "
        f"the autogenerate of Alembic {version('alembic')} with `compare_type`, `compare_server_default`, its "
        f"comparison of check constraints by name, alembic-utils {version('alembic-utils')} and "
        f"alembic-postgresql-enum {version('alembic-postgresql-enum')}; and erm's snapshot of the catalog. "
        f"Of {len(CHANGES)} changes autogenerate sees {by_alembic}, erm "
        f"{'all' if by_erm == len(CHANGES) else by_erm}. Of the unchanged database "
        f"{'neither says anything' if quiet else 'there is a false alarm'}."
    )
    return textwrap.fill(head, 120, break_on_hyphens=False) + "\n\n" + "".join(rows)


def _answer(seen: dict[int, str]) -> str:
    if len(set(seen.values())) == 1:
        return next(iter(seen.values()))
    return "; ".join(f"{major}: {answer}" for major, answer in seen.items())


def write(text: str) -> None:
    """Put the table between the marks of docs/drift.md."""
    page = PAGE.read_text("utf-8")
    marked = re.compile(f"({re.escape(BEGIN)}).*?({re.escape(END)})", re.DOTALL)
    PAGE.write_text(marked.sub(lambda match: f"{match[1]}{text}{match[2]}", page), "utf-8")


def binaries() -> list[PostgresBinaries]:
    """One installation of each major that the table is about."""
    by_major = {found.major: found for found in installed_binaries(os.environ)}
    return [by_major[major] for major in MAJORS if major in by_major]


def main() -> None:
    """Print the table, or write it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.drift_kinds", description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="write docs/drift.md")
    asked = parser.parse_args()
    register_entities(list(ENTITIES), entity_types=[type(one) for one in ENTITIES])
    found: dict[int, dict[Change | None, Seen]] = {}
    for one in binaries():
        with tempfile.TemporaryDirectory(prefix="erm-drift-") as scratch:
            folder = Path(scratch)
            folder.chmod(0o755)
            with running_server(folder, one) as server:
                found[one.major] = seen_on(server)
    text = table(found)
    print(text, end="")
    if asked.write:
        write(text)


if __name__ == "__main__":
    main()
