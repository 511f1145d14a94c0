"""A statement that may be shown: on one line, its values hidden, because they may be passwords or personal data."""

from __future__ import annotations

from erm_alembic.postgres.text.lexer import tokens

__all__ = ["without_literals"]


def without_literals(sql: str) -> str:
    """The statement on one line without its strings and numbers; it may be cut off within one.

    Args:
        sql: one SQL text, as a client sent it.

    Example:
        >>> without_literals("UPDATE t\\n SET a = 'secret', b = $$secret$$\\n WHERE id = 4711 AND c = $1")
        "UPDATE t SET a = '...', b = $$...$$ WHERE id = ? AND c = $1"
    """
    shown, position, before = "", 0, ""
    for token in tokens(sql):
        cut_off = token.kind == "other" and token.text == "'"
        is_number = token.kind == "other" and token.text[0].isdigit() and before != "$"
        before = token.text
        if not (token.kind == "string" or cut_off or is_number):
            continue
        hidden = "?" if is_number else "$$...$$" if token.text.startswith("$") else "'...'"
        shown += sql[position : token.start] + hidden
        position = token.start + len(token.text)
        if cut_off:
            position = len(sql)
            break
    return " ".join((shown + sql[position:]).split())
