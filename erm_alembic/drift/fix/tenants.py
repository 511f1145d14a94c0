"""Statements for a history that runs in a schema for each tenant: names without that schema, which env.py decides."""

from __future__ import annotations

from collections.abc import Iterable

from erm_alembic.drift.fix.change import REMARK
from erm_alembic.postgres.text.lexer import tokens
from erm_alembic.postgres.text.literals import sql_literal

__all__ = ["without_schema"]

DOLLAR = "$"


def without_schema(lines: Iterable[str], schema: str) -> tuple[str, ...]:
    """Statements in which nothing is named with a schema any more that everything is looked for in anyway.

    Args:
        lines: statements, and remarks.
        schema: the schema's name, unquoted.

    Example:
        >>> without_schema(["ALTER TABLE t_one.orders ADD n int DEFAULT nextval('t_one.seq'::regclass)"], "t_one")
        ("ALTER TABLE orders ADD n int DEFAULT nextval('seq'::regclass)",)
    """
    return tuple(_in_remark(line, schema) if line.startswith(REMARK) else _without(line, schema) for line in lines)


def _in_remark(line: str, schema: str) -> str:
    return line.replace(f"{schema}.", "").replace(f'"{schema}".', "")


def _without(text: str, schema: str) -> str:
    found = list(tokens(text))
    pieces: list[str] = []
    at = 0
    for place, token in enumerate(found):
        follows = found[place + 1].text if place + 1 < len(found) else ""
        before = found[place - 1].text if place else ""
        if token.kind in ("word", "quoted") and token.name == schema and follows == "." and before != ".":
            pieces.append(text[at : token.start])
            at = found[place + 1].start + 1
        elif token.kind == "string":
            pieces += [text[at : token.start], _in_string(token.text, schema)]
            at = token.start + len(token.text)
    return "".join([*pieces, text[at:]])


def _in_string(text: str, schema: str) -> str:
    """A block has statements in it, and a string may be the name of a relation."""
    if text.startswith(DOLLAR):
        tag = text[: text.index(DOLLAR, 1) + 1]
        return f"{tag}{_without(text[len(tag) : -len(tag)], schema)}{tag}"
    if not text.startswith("'"):
        return text  # with escapes
    said = text[1:-1].replace("''", "'")
    shall = _without(said, schema)
    return text if shall == said else sql_literal(shall)
