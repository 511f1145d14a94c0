"""Which statements change rows, as far as their words tell: running one of them twice is not running it once."""

from __future__ import annotations

from erm_alembic.postgres.text.lexer import statement_kinds, tokens

__all__ = ["adds_or_changes_rows", "changes_rows"]

REMOVES = frozenset({"DELETE", "TRUNCATE"})
# What a block, a procedure or a prepared statement does is not in its words.
ADDS_OR_CHANGES = frozenset({"INSERT", "UPDATE", "MERGE", "COPY", "DO", "CALL", "EXECUTE", ""})


def adds_or_changes_rows(sql: str) -> bool:
    """Whether a text adds or changes rows, or may do so.

    Example:
        >>> adds_or_changes_rows("UPDATE t SET a = 1"), adds_or_changes_rows("DELETE FROM t")
        (True, False)
        >>> adds_or_changes_rows("WITH old AS (SELECT 1) INSERT INTO t TABLE old")
        True
    """
    return bool(_kinds(sql) & ADDS_OR_CHANGES)


def changes_rows(sql: str) -> bool:
    """Whether a text adds, changes or removes rows, or may do so.

    Example:
        >>> changes_rows("DELETE FROM t"), changes_rows("ALTER TABLE t ADD a int")
        (True, False)
    """
    return bool(_kinds(sql) & (ADDS_OR_CHANGES | REMOVES))


def _kinds(sql: str) -> frozenset[str]:
    kinds = statement_kinds(sql)
    if "WITH" in kinds:
        kinds |= {token.text.upper() for token in tokens(sql) if token.says("INSERT", "UPDATE", "DELETE", "MERGE")}
    return kinds
