"""What a statement makes, renames or moves, as its words tell it."""

from __future__ import annotations

import pytest

from erm_alembic.postgres.text.lexer import split_statements
from erm_alembic.postgres.text.moves import Move, moves_of


@pytest.mark.parametrize(
    ("sql", "moves"),
    [
        ("CREATE TABLE IF NOT EXISTS s.t (a int)", [Move("table", ("s", "t"), unless_there=True)]),
        ("CREATE TEMP TABLE t AS SELECT 1", [Move("table", ("t",), temporary=True)]),
        ("SELECT a, b INTO UNLOGGED TABLE t FROM u", [Move("table", ("t",))]),
        ("CREATE TYPE s.e AS ENUM ('a')", [Move("enum", ("s", "e"))]),
        ("CREATE TYPE c AS (a int)", []),
        ('ALTER TABLE IF EXISTS ONLY "A.b" RENAME TO "C"', [Move("renamed", ("A.b",), "C")]),
        ("ALTER VIEW a RENAME TO b", [Move("renamed", ("a",), "b")]),
        ("ALTER TABLE a SET SCHEMA b", [Move("schema", ("a",), "b")]),
        ("ALTER SCHEMA a RENAME TO b", [Move("schema-renamed", ("a",), "b")]),
        ("ALTER TABLE a RENAME COLUMN b TO c", [Move("column-renamed", ("a",), "c", "b")]),
        ("ALTER TABLE a RENAME b TO c", [Move("column-renamed", ("a",), "c", "b")]),
        ("ALTER TABLE a RENAME CONSTRAINT b TO c", []),
        ("ALTER TABLE a ADD b int, ADD CONSTRAINT c CHECK (b > 0)", [Move("column", ("a",), "b")]),
        ("ALTER TABLE a ATTACH PARTITION s.b DEFAULT", [Move("attached", ("a",), other=("s", "b"))]),
        ("ALTER TABLE a DETACH PARTITION b CONCURRENTLY", [Move("detached", ("a",), other=("b",))]),
        ("ALTER TABLE a INHERIT b", [Move("attached", ("b",), other=("a",))]),
        ("ALTER TABLE a NO INHERIT b", [Move("detached", ("b",), other=("a",))]),
        ("UPDATE a SET b = 'ALTER TABLE a RENAME TO b'", []),
    ],
)
def test_what_becomes_of_names(sql: str, moves: list[Move]) -> None:
    """Names are folded and unquoted as PostgreSQL does; an heir is attached to the parent that it names."""
    assert moves_of(split_statements(sql)[0]) == moves
