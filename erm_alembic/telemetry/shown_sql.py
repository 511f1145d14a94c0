"""A statement as it may leave the machine: without values and passwords, and what it does in a few words."""

from __future__ import annotations

from erm_alembic.config.redaction import redact
from erm_alembic.postgres.text.lexer import tokens
from erm_alembic.postgres.text.literals import without_literals
from erm_alembic.postgres.text.passwords import without_passwords

__all__ = ["operation", "shown_sql"]

LONGEST = 2_000
# What may stand between CREATE, ALTER, DROP and the like and the kind of object, and behind that before its name.
LEADING = frozenset(("CREATE", "ALTER", "DROP", "COMMENT", "REFRESH", "REINDEX", "SECURITY"))
MODIFIERS = frozenset(
    ("OR", "REPLACE", "UNIQUE", "TEMPORARY", "TEMP", "UNLOGGED", "MATERIALIZED", "EVENT", "FOREIGN", "DEFAULT", "ON")
)


def shown_sql(sql: str) -> str:
    """The text of a statement without strings, numbers and passwords, on one line.

    Args:
        sql: the text that is sent.

    Example:
        >>> shown_sql("UPDATE t SET a = 'secret'\\n WHERE id = %(id)s")
        "UPDATE t SET a = '...' WHERE id = %(id)s"
    """
    text = redact(without_literals(without_passwords(sql)))
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def operation(sql: str) -> str:
    """What a statement does, in its own first words: few different ones, as the names of spans are to be.

    Args:
        sql: the text that is sent.

    Example:
        >>> operation("create unique index concurrently a on t (b)"), operation("insert into t values (1)")
        ('CREATE UNIQUE INDEX CONCURRENTLY', 'INSERT')
        >>> operation('alter table "user" add column a int'), operation("truncate orders")
        ('ALTER TABLE', 'TRUNCATE')
    """
    words: list[str] = []
    has_object = False
    for token in tokens(sql):
        word = token.text.upper()
        if token.kind != "word" or (has_object and word != "CONCURRENTLY"):
            break
        words.append(word)
        has_object = words[0] not in LEADING or (len(words) > 1 and word not in MODIFIERS)
    return " ".join(words) or "SQL"
