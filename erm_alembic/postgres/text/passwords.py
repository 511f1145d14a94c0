"""A SQL text without the passwords in it: those that erm was given, and those that stand where SQL has a password.

Only strings and comments are looked into: a password that is also the name of a table leaves the table alone.
"""

from __future__ import annotations

import re

from erm_alembic.config.redaction import MASK, redact, shows_secret
from erm_alembic.postgres.text.lexer import Token, tokens
from erm_alembic.postgres.text.literals import sql_literal

__all__ = ["without_passwords"]

# `PASSWORD '...'` of a role, and the options of a user mapping or a foreign server: a name, and its value behind it.
NAMES = frozenset({"password", "passwd", "sslpassword"})
BETWEEN = frozenset("=:>")
# Where none of these stands, and nothing that is known, no word of it has to be looked at.
SIGNS = ("passw", "://", "\\", "u&'")
DEEPEST = 4
ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{1,3})|(.))", re.DOTALL)
UNICODE = re.compile(r"\\(?:([0-9a-fA-F]{4})|\+([0-9a-fA-F]{6}))")
# One string may go on behind a newline.
GOES_ON = re.compile(r"'\s*\n\s*'")
CONTROLS = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


def without_passwords(sql: str) -> str:
    r"""The text with `***` in place of each password; the same text where it has none.

    Args:
        sql: one SQL text, or several, as they are sent.

    Example:
        >>> without_passwords("CREATE ROLE app LOGIN PASSWORD 'hunter2'")
        "CREATE ROLE app LOGIN PASSWORD '***'"
        >>> without_passwords("DO $$ BEGIN EXECUTE 'ALTER ROLE a PASSWORD E''\\x68unter2'''; END $$")
        "DO $$ BEGIN EXECUTE 'ALTER ROLE a PASSWORD ''***'''; END $$"
        >>> without_passwords("CREATE SUBSCRIPTION s CONNECTION 'host=db password=hunter2' PUBLICATION p")
        "CREATE SUBSCRIPTION s CONNECTION 'host=db password=***' PUBLICATION p"
        >>> without_passwords("ALTER TABLE app ADD COLUMN password text")
        'ALTER TABLE app ADD COLUMN password text'
    """
    lowered = sql.lower()
    if any(sign in lowered for sign in SIGNS) or shows_secret(sql):
        return _hidden(sql, 0)
    return sql


def _hidden(sql: str, depth: int) -> str:
    shown, position = "", 0
    name: Token | None = None  # the last word, with nothing but an assignment's sign behind it
    for token in tokens(sql):
        between = sql[position : token.start]
        shown += between if between.isspace() else redact(between)
        if token.kind == "other" and token.text == "'":  # cut off: nobody knows what is what behind it
            rest = f"'{MASK}" if _is_name(name) else redact(sql[token.start :])
            return shown + rest
        position = token.start + len(token.text)
        shown += _string(token, name, depth) if token.kind == "string" else token.text
        if token.kind != "other" or token.text not in BETWEEN:
            name = token if token.kind in ("word", "quoted") else None
    return shown + redact(sql[position:])


def _is_name(token: Token | None) -> bool:
    return token is not None and token.name.lower() in NAMES


def _string(token: Token, name: Token | None, depth: int) -> str:
    text = token.text
    mark = text[: text.index("$", 1) + 1] if text.startswith("$") else ""
    if _is_name(name):
        return f"{mark}{MASK}{mark}" if mark else f"'{MASK}'"
    value = text.removeprefix(mark).removesuffix(mark) if mark else _value(text)
    if value is None:
        return redact(text)
    within = depth < DEEPEST and (any(sign in value.lower() for sign in SIGNS[:2]) or shows_secret(value))
    hidden = _hidden(value, depth + 1) if within else value
    if not (mark and ";" in value):  # in code, what stands behind `password =` may be a column
        hidden = redact(hidden)
    if hidden == value:
        return redact(text) if shows_secret(text) else text
    return f"{mark}{hidden}{mark}" if mark else sql_literal(hidden).strip()


def _value(literal: str) -> str | None:
    """What a string stands for, with all the escapes that people write; None for one of bits."""
    opening, _, rest = literal.partition("'")
    text = GOES_ON.sub("", rest.removesuffix("'")).replace("''", "'")
    kind = opening.lower()
    if kind == "e":
        return ESCAPE.sub(_character, text)
    if kind == "u&":
        return UNICODE.sub(lambda found: _of_code(found[1] or found[2], 16), text)
    return text if kind in ("", "n") else None


def _character(found: re.Match[str]) -> str:
    if found[5] is not None:
        return CONTROLS.get(found[5], found[5])
    return _of_code(found[4], 8) if found[4] else _of_code(found[1] or found[2] or found[3], 16)


def _of_code(digits: str, base: int) -> str:
    number = int(digits, base)
    return chr(number) if number <= 0x10FFFF else ""
