"""What a SQL text removes, read with certainty or said to be unknown."""

from __future__ import annotations

import pytest

from erm_alembic.postgres.text.drops import Drop, drops_in


def _table(*name: str, shown: str | None = None) -> Drop:
    return Drop("table", shown or ".".join(name), name)


@pytest.mark.parametrize(
    ("sql", "drops"),
    [
        ("DROP TABLE a", [_table("a")]),
        (
            'DROP TABLE IF EXISTS "We""ird ;".b, C CASCADE',
            [_table('We"ird ;', "b", shown='"We""ird ;".b'), _table("c")],
        ),
        ("DROP FOREIGN TABLE f", []),
        (
            "ALTER TABLE t ALTER a TYPE int, ALTER COLUMN b SET DATA TYPE s.e USING (b::text)::s.e",
            [
                Drop("rewrite", "t.a", ("t",), "a", type="int"),
                Drop("rewrite", "t.b", ("t",), "b", type="s.e", using="(b::text)::s.e"),
            ],
        ),
        ("ALTER TABLE t ALTER a TYPE varchar(3), ALTER b SET DEFAULT 1", []),
        ("ALTER TABLE ONLY s.t DROP COLUMN IF EXISTS c CASCADE", [Drop("column", "s.t.c", ("s", "t"), "c")]),
        ('ALTER TABLE s.t DROP COLUMN "C.d"', [Drop("column", 's.t."C.d"', ("s", "t"), "C.d")]),
        (
            "alter table t drop a, add check (x > f(1, 2)), drop b",
            [Drop("column", "t.a", ("t",), "a"), Drop("column", "t.b", ("t",), "b")],
        ),
        ("ALTER TABLE t DROP CONSTRAINT c, ALTER COLUMN d DROP NOT NULL", []),
        ("ALTER TABLE t RENAME TO u", []),
        ("TRUNCATE TABLE a, b", [Drop("rows", "a", ("a",)), Drop("rows", "b", ("b",))]),
        ("DELETE FROM a", [Drop("rows", "a", ("a",))]),
        ("DELETE FROM a WHERE b = ';'", [Drop("rows", "a", ("a",), condition="WHERE b = ';'")]),
        ("DROP INDEX CONCURRENTLY i", []),
        ('DROP SCHEMA s; drop schema if exists "S ;", t restrict', []),
        ("DROP VIEW v; DROP FUNCTION f(int); DROP TYPE e", []),
        ("CREATE TABLE a (drop_me int)", []),
        ("UPDATE a SET b = 'DROP TABLE c'", []),
        ("INSERT INTO a SELECT 1", []),
    ],
)
def test_drops_that_can_be_read(sql: str, drops: list[Drop]) -> None:
    """Names are folded and unquoted as PostgreSQL does, and shown as SQL has them."""
    assert drops_in(sql) == drops


@pytest.mark.parametrize(
    "sql",
    [
        "DO $$ BEGIN DROP TABLE a; END $$",
        "CALL clean_up()",
        "DROP SCHEMA s CASCADE",
        "DROP TYPE t CASCADE",
        "DROP EXTENSION postgis",
        "DELETE FROM a USING b WHERE a.id = b.id",
        "WITH gone AS (DELETE FROM a RETURNING 1) SELECT 1",
        "DROP OWNED BY x",
        "EXPLAIN ANALYZE DELETE FROM a",
        "DROP FOREIGN TABLE a CASCADE",
        "whatever this is",
    ],
)
def test_what_cannot_be_read_is_unknown(sql: str) -> None:
    """Never a guess."""
    assert [drop.kind for drop in drops_in(sql)] == ["statement"]


def test_a_cascading_truncate_may_take_more_than_it_names() -> None:
    """The named table is counted, the rest is unknown."""
    assert [drop.kind for drop in drops_in("TRUNCATE a CASCADE")] == ["rows", "statement"]
