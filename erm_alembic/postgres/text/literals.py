"""The values in a SQL text: written as literals, read back, and hidden where they may be passwords or personal data."""

from __future__ import annotations

from erm_alembic.postgres.text.lexer import tokens

__all__ = ["sql_literal", "string_value", "without_literals"]


def without_literals(sql: str) -> str:
    """The statement on one line without its strings, numbers and comments; it may be cut off within one.

    Args:
        sql: one SQL text, as a client sent it.

    Example:
        >>> without_literals("UPDATE t\\n SET a = 'secret', b = $$secret$$\\n WHERE id = 4711 AND c = $1")
        "UPDATE t SET a = '...', b = $$...$$ WHERE id = ? AND c = $1"
        >>> without_literals("SELECT 1 /* for ann@example.org */, E'it\\\\'s cut o")
        "SELECT ? , E'...'"
    """
    shown, position, before = "", 0, ""
    for token in tokens(sql):
        # What stands between two tokens is white space, and comments, in which people write anything.
        apart = " " if token.start > position else ""
        # A string with escapes that is whole is one token; of one that is cut off, the first quote may not be its end.
        cut_off = (token.kind == "other" and token.text == "'") or (
            token.kind == "string" and not apart and before in ("e", "E")
        )
        is_number = token.kind == "other" and token.text[0].isdigit() and before != "$"
        hidden = "?" if is_number else "$$...$$" if token.text.startswith("$") else "'...'"
        shown += apart + (hidden if token.kind == "string" or cut_off or is_number else token.text)
        position, before = token.start + len(token.text), token.text
        if cut_off:
            break
    return " ".join(shown.split())


def string_value(literal: str) -> str | None:
    """The text that a string of a SQL text stands for, where PostgreSQL wrote it; None for one of bits.

    Args:
        literal: the string with its quotes: plain, with a backslash before backslashes (`E`), or between dollars.

    Example:
        >>> string_value("'it''s'"), string_value("$$x$$"), string_value("B'101'")
        ("it's", 'x', None)
    """
    if literal.startswith("$"):
        mark = literal[: literal.index("$", 1) + 1]
        return literal.removeprefix(mark).removesuffix(mark)
    opening, _, rest = literal.partition("'")
    text = rest.removesuffix("'").replace("''", "'")
    if opening in ("e", "E"):
        return text.replace("\\\\", "\\")
    return text if opening == "" else None


def sql_literal(text: str) -> str:
    r"""A text as an SQL literal, whatever `standard_conforming_strings` is.

    Args:
        text: the text.

    Example:
        >>> sql_literal("it's"), sql_literal("a\\b")
        ("'it''s'", " E'a\\\\b'")
    """
    quoted = text.replace("'", "''")
    return f" E'{quoted}'".replace("\\", "\\\\") if "\\" in text else f"'{quoted}'"
