"""Which texts cannot be held to reading by a savepoint that is READ ONLY: they would end it, or write all the same."""

from __future__ import annotations

from typing import Any

from erm_alembic.postgres.text.lexer import Token, statement_kind, tokens

__all__ = ["Objection", "objection"]

# What to do instead; empty where it is simply a write.
Objection = str

_ENDS = frozenset({"COMMIT", "END", "ROLLBACK", "ABORT", "SAVEPOINT", "RELEASE", "ROLLBACK TO"})
_ONE_BY_ONE = (
    "Send statements one by one, and end transactions and savepoints by the session: of a text that does it by itself "
    "nothing can be held to reading."
)
# Before this version a READ ONLY transaction may write large objects.
_HOLDS_LARGE_OBJECTS = (16,)
_LARGE_OBJECTS = frozenset(
    [
        *("lo_creat", "lo_create", "lo_from_bytea", "lo_import", "lo_put", "lo_truncate", "lo_truncate64"),
        *("lo_unlink", "lowrite"),
    ]
)


def objection(sql: str, server_version: tuple[Any, ...]) -> Objection | None:
    """What speaks against a text that is to be held to reading; None where nothing does.

    Args:
        sql: the text as the server gets it.
        server_version: the server's.

    Example:
        >>> objection("SELECT lo_unlink(7)", (15, 4)), objection("SELECT lo_unlink(7)", (16, 0))
        ('', None)
        >>> objection("SELECT 'COMMIT;';", (16, 0)) is None, objection("COMMIT; SELECT 1", (16, 0)) is None
        (True, False)
    """
    all_tokens = list(tokens(sql))
    statement = [token for token in all_tokens if not _is_semicolon(token)]
    last = next((token for token in reversed(all_tokens) if not _is_semicolon(token)), None)
    if any(_is_semicolon(token) and last is not None and token.start < last.start for token in all_tokens):
        return _ONE_BY_ONE
    kind = statement_kind(statement)
    if kind in _ENDS or (kind == "PREPARE" and len(statement) > 1 and statement[1].says("TRANSACTION")):
        return _ONE_BY_ONE
    if kind == "LOCK":
        return ""
    if server_version < _HOLDS_LARGE_OBJECTS and any(
        token.kind in ("word", "quoted") and token.name in _LARGE_OBJECTS for token in statement
    ):
        return ""
    return None


def _is_semicolon(token: Token) -> bool:
    return token.kind == "other" and token.text == ";"
