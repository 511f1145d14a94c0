"""What statements change is read from their words: names folded, quoted and qualified, whatever stands between."""

from __future__ import annotations

import pytest

from erm_alembic.postgres.text.changes import changes_in

CASES = (
    (
        """CREATE TABLE IF NOT EXISTS a (id SERIAL NOT NULL, "Odd, (name" int REFERENCES b (id) ON DELETE CASCADE,
           c int DEFAULT (1) UNIQUE, "primary" int, PRIMARY KEY (id, c), CHECK (c > 1),
           CONSTRAINT fk FOREIGN KEY(c, id) REFERENCES x (a, b), LIKE other)""",
        [
            ("create-table", ("a",), ()),
            ("add-column", ("a",), ("id",)),
            ("add-column", ("a",), ("Odd, (name",)),
            ("foreign-key", ("a",), ("Odd, (name",)),
            ("add-column", ("a",), ("c",)),
            ("key", ("a",), ("c",)),
            ("add-column", ("a",), ("primary",)),
            ("key", ("a",), ("id", "c")),
            ("constraint", ("a",), ()),
            ("foreign-key", ("a",), ("c", "id")),
        ],
    ),
    (
        """ALTER TABLE IF EXISTS ONLY s.t ADD COLUMN IF NOT EXISTS x int REFERENCES y, DROP y, DROP CONSTRAINT k,
           ALTER z SET NOT NULL, ALTER COLUMN q TYPE numeric(1, 2) USING q::int, ADD CONSTRAINT c CHECK (x > 0)""",
        [
            ("add-column", ("s", "t"), ("x",)),
            ("foreign-key", ("s", "t"), ("x",)),
            ("drop-column", ("s", "t"), ("y",)),
            ("alter-table", ("s", "t"), ()),
            ("set-not-null", ("s", "t"), ("z",)),
            ("retype-column", ("s", "t"), ("q",)),
            ("constraint", ("s", "t"), ()),
        ],
    ),
    (
        "alter table t rename a to b; alter table t rename to u; alter table t rename constraint a to b",
        [("rename-column", ("t",), ("a",)), ("rename-table", ("t",), ()), ("alter-table", ("t",), ())],
    ),
    (
        "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS i ON ONLY t (a DESC, b text_ops, lower(c), d) INCLUDE (e)",
        [("index", ("t",), ("a", "b"))],
    ),
    ("DROP TABLE a, s.b CASCADE", [("drop-table", ("a",), ()), ("drop-table", ("s", "b"), ())]),
    ('/* why */ UPDATE ONLY "a""b" SET x = %(x)s', [("rows", ('a"b',), ())]),
    ("COPY t (a, b) FROM STDIN; COPY t TO STDOUT; COPY (SELECT 1) TO STDOUT", [("rows", ("t",), ())]),
    ("ALTER TYPE s.mood ADD VALUE IF NOT EXISTS 'it''s' AFTER 'x'", [("enum-value", ("s", "mood"), ())]),
    ("SELECT 'DROP TABLE a'; DO $$ BEGIN DROP TABLE b; END $$; ALTER TABLE", []),
)


@pytest.mark.parametrize(("sql", "expected"), CASES, ids=[sql.split("(")[0][:40] for sql, _ in CASES])
def test_what_a_statement_changes_is_told_with_the_names_that_the_server_would_see(
    sql: str, expected: list[tuple[str, tuple[str, ...], tuple[str, ...]]]
) -> None:
    """Kind, table and columns are those of the statement; what only quotes it is left out."""
    assert [(each.kind, each.table, each.columns) for each in changes_in(sql)] == expected


def test_a_check_that_a_column_is_not_null_is_told_from_any_other() -> None:
    """Also in double parentheses; one that says more is any constraint."""
    simple, double, more = (
        changes_in(f"ALTER TABLE t ADD CONSTRAINT c CHECK ({condition}) NOT VALID")[0]
        for condition in ('"A" IS NOT NULL', "(a is not null)", "a IS NOT NULL OR b")
    )
    assert (simple.kind, simple.columns, simple.valid) == ("not-null-check", ("A",), False)
    assert (double.kind, double.columns) == ("not-null-check", ("a",))
    assert more.kind == "constraint"


def test_what_is_new_or_partial_is_told() -> None:
    """A reference of a column that the statement adds waits for nobody; an index with a predicate finds not all."""
    added, key = changes_in("ALTER TABLE t ADD COLUMN a int REFERENCES b")
    assert (added.new, key.new, added.exclusive) == (False, True, True)
    (partial,) = changes_in("CREATE INDEX CONCURRENTLY i ON t (a) WHERE b")
    (other,) = changes_in("CREATE INDEX i ON t USING gin (a)")
    assert partial.partial and partial.concurrently and other.partial and not other.concurrently
