"""Directories of golang-migrate, dbmate and the Go erm, and what those tools leave in a database."""

from __future__ import annotations

from pathlib import Path

from erm_alembic.generate import Imported, import_sql
from tests.support.databases import Database

Files = dict[str, str | bytes]

A, NO_A = "CREATE TABLE a (id int);\n", "DROP TABLE a;\n"
B, NO_B = "BEGIN;\nCREATE TABLE b (t text DEFAULT '5%');\nCOMMIT;\n", "DROP TABLE b;\n"
C, NO_C = "CREATE INDEX CONCURRENTLY c ON a (id);\n", "DROP INDEX CONCURRENTLY c;\n"

GOLANG: Files = {
    "000001_make_a.up.sql": A,
    "000001_make_a.down.sql": NO_A,
    "000002_make_b.up.sql": B,
    "000002_make_b.down.sql": NO_B,
    "000004_index.up.sql": C,
    "000004_index.down.sql": NO_C,
}
DBMATE: Files = {
    "20240101120000_make_a.sql": f"-- migrate:up\n{A}\n-- migrate:down\n{NO_A}",
    "20240102120000_make_b.sql": "-- migrate:up\nCREATE TABLE b (t text);\n\n-- migrate:down\nDROP TABLE b;\n",
    "20240103120000_index.sql": f"-- migrate:up transaction:false\n{C}\n-- migrate:down transaction:false\n{NO_C}",
}
GO_ERM: Files = {
    "001_make_a.sql": A,
    "001_make_a_down.sql": NO_A,
    "002-make-b.sql": B,
    "002-make-b-down.sql": NO_B,
    "010.sql": C,
    "010.down.sql": NO_C,
}
# As the tools themselves make their tables and write to them; two of three migrations were run.
TABLES = {
    "golang-migrate": (
        "CREATE TABLE schema_migrations (version bigint NOT NULL PRIMARY KEY, dirty boolean NOT NULL)",
        "INSERT INTO schema_migrations VALUES (2, false)",
    ),
    "dbmate": (
        "CREATE TABLE schema_migrations (version varchar PRIMARY KEY)",
        "INSERT INTO schema_migrations VALUES ('20240101120000'), ('20240102120000')",
    ),
    "erm": (
        "CREATE TABLE erm_schema_migrations (version text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())",
        "INSERT INTO erm_schema_migrations VALUES ('001', '2024-05-01 12:00+00'), ('002', '2024-05-02 12:00+00')",
    ),
}
LAYOUTS = {"golang-migrate": GOLANG, "dbmate": DBMATE, "erm": GO_ERM}


def run_by_the_other_tool(database: Database, tool: str) -> None:
    """Leave what the tool leaves when it has run two of the three migrations."""
    for statement in ("CREATE TABLE a (id int)", "CREATE TABLE b (t text)", *TABLES[tool]):
        database.execute(statement)


def imported(folder: Path, env: str | None = None, **options: object) -> Imported:
    """Import a directory, with options that a test does not spell out."""
    return import_sql(folder, env, **options)  # type: ignore[arg-type]
