"""The options of foreign data wrappers, servers, tables and user mappings, without what may be a secret in them.

An option keeps its name, so that nothing is lost without a word; its value is set by hand where it is wanted.
"""

from __future__ import annotations

from erm_alembic.postgres.snapshot.options import OPEN
from erm_alembic.postgres.text.lexer import Token

__all__ = ["PLACEHOLDER", "without_option_values"]

PLACEHOLDER = "'set by hand'"
# What has options of its own making, by the words that a statement begins with.
WITH_OPTIONS = (("FOREIGN",), ("SERVER",), ("USER", "MAPPING"))


def without_option_values(statement: list[Token], text: str) -> tuple[str, tuple[str, ...]]:
    """A statement without the values of options that may be secrets, and the names of these options.

    Args:
        statement: its tokens.
        text: its text.

    Example:
        >>> from erm_alembic.postgres.text.lexer import split_statements
        >>> text = "CREATE SERVER s FOREIGN DATA WRAPPER w OPTIONS (host 'db', password 'hunter2')"
        >>> without_option_values(split_statements(text)[0], text)
        ("CREATE SERVER s FOREIGN DATA WRAPPER w OPTIONS (host 'db', password 'set by hand')", ('password',))
    """
    if not _has_options(statement):
        return text, ()
    # All of a user mapping are credentials: the name of the user too.
    open_names = () if statement[1].says("USER") else OPEN
    names: list[str] = []
    shown, position, start = "", 0, statement[0].start
    inside = depth = 0
    for before, token in zip([statement[0], *statement], statement, strict=False):
        if token.text == "(" and token.kind == "other":
            depth += 1
            inside = inside or (depth if before.says("OPTIONS") else 0)
        elif token.text == ")" and token.kind == "other":
            inside = 0 if inside == depth else inside
            depth -= 1
        elif inside and token.kind == "string" and before.name not in open_names:
            names.append(before.name)
            shown += text[position : token.start - start] + PLACEHOLDER
            position = token.start - start + len(token.text)
    return shown + text[position:], tuple(names)


def _has_options(statement: list[Token]) -> bool:
    if len(statement) < 3 or not statement[0].says("CREATE", "ALTER"):
        return False
    return any(
        all(token.says(word) for token, word in zip(statement[1:], words, strict=False)) for words in WITH_OPTIONS
    )
