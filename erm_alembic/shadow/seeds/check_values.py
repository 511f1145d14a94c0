"""Values that satisfy the CHECK constraints of a table: from the constraints' own words, judged by the server.

Nothing of a condition is understood here. Its literals are taken as candidates (with what stands beside a number, and
texts of that length), and a SELECT with the condition in its WHERE says which of them hold.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal, InvalidOperation
from itertools import islice, product
from typing import Any

import psycopg2
from psycopg2 import sql

from erm_alembic.postgres.seeding import SqlType
from erm_alembic.postgres.text.lexer import Token, tokens
from erm_alembic.postgres.text.literals import string_value
from erm_alembic.shadow.seeds.sample_values import array_of

__all__ = ["TEXTS", "accepted", "holding", "literals_for"]

# How many combinations of values a condition on several columns is asked about.
MOST = 3_000
ONE_BY_ONE = 400
LONGEST = 2_000
NUMBERS = frozenset({"int2", "int4", "int8", "numeric", "float4", "float8", "money", "oid"})
TEXTS = frozenset({"text", "varchar", "bpchar", "citext", "name"})
# What columns with a condition usually hold: an address, a link, a code, a number as text.
COMMON_TEXTS = (
    "user{n}@example.com",
    "https://example.com/{n}",
    "a",
    "A",
    "AB",
    "ABC",
    "abc-{n}",
    "abc_{n}",
    "12345",
    "+4930123456{n}",
    "#aabbcc",
    "2001-01-01",
    "0",
    "Abc",
    "/abc/{n}",
)


def literals_for(type: SqlType, conditions: Sequence[str], number: int = 1) -> list[str]:
    """Candidates for a column, from the literals of the conditions that it stands in.

    Args:
        type: the column's type.
        conditions: the conditions, as PostgreSQL writes them.
        number: makes the candidates of another row others, where that is possible.

    Example:
        >>> literals_for(SqlType("integer", "int4"), ["(price >= 10)"])
        ['10', '11', '9', '-10']
        >>> literals_for(SqlType("text", "text"), ["(state = ANY (ARRAY['on'::text, 'off'::text]))"])[:2]
        ['on', 'off']
    """
    inner = _bare(type)
    found: dict[str, None] = {}
    if inner.kind == "a" and inner.part is not None:
        found.update(dict.fromkeys(array_of(value) for value in literals_for(inner.part, conditions, number)))
    for condition in conditions:
        for token in tokens(condition):
            for value in _from_literal(token, inner):
                found.setdefault(value)
    if inner.internal in TEXTS:
        for text in COMMON_TEXTS:
            found.setdefault(text.format(n=number))
        length = inner.modifier - 4 if inner.modifier >= 4 else LONGEST
        return [value for value in found if len(value) <= length]
    return list(found)


def _bare(type: SqlType) -> SqlType:
    while type.kind == "d" and type.part is not None:
        type = type.part
    return type


def _from_literal(token: Token, type: SqlType) -> Iterator[str]:
    if token.kind == "string":
        text = string_value(token.text)
        if text is None:
            return
        yield from _from_text(text, type)
    elif token.kind == "other" and token.text[0].isdigit():
        yield from _from_number(token.text, type)


def _from_text(text: str, type: SqlType) -> Iterator[str]:
    if type.kind == "e":
        if text in type.labels:
            yield text
    elif type.internal in NUMBERS:
        yield from _from_number(text, type)
    elif type.internal in TEXTS:
        yield text
        if "%" in text or "_" in text:  # a pattern of LIKE
            yield text.replace("%", "x").replace("_", "y")
    elif type.kind == "a":
        yield "{" + text + "}"
    elif type.internal in ("json", "jsonb"):
        quoted = text.replace("\\", "\\\\").replace('"', '\\"')
        yield from (f'{{"{quoted}": 1}}', f'{{"{quoted}": "text"}}', f'["{quoted}"]', f'"{quoted}"')
    else:
        yield text


def _from_number(text: str, type: SqlType) -> Iterator[str]:
    try:
        number = Decimal(text.replace("_", ""))
    except InvalidOperation:
        return
    if type.internal in NUMBERS:
        yield from (str(number), str(number + 1), str(number - 1), str(-number))
    elif type.internal in TEXTS and number == int(number) and 0 <= number < LONGEST:
        length = int(number)
        yield from ("x" * length, "x" * (length + 1), "x" * max(length - 1, 0), "1" * length, "X" * length)
    elif type.kind == "a" and number == int(number) and 0 <= number < 100:
        yield "{" + ",".join(["1"] * int(number)) + "}"


def accepted(cursor: Any, type: SqlType, values: Sequence[str]) -> list[str]:
    """The values that a type takes, a domain's conditions included; asked one by one.

    Args:
        cursor: within a transaction.
        type: the type.
        values: the candidates.
    """
    return [value for value in values if _asked(cursor, sql.SQL("SELECT ") + _cast(value, type)) is not None]


def holding(
    cursor: Any,
    condition: str,
    columns: Sequence[tuple[str, SqlType]],
    choices: Sequence[Sequence[str | None]],
    most: int = MOST,
) -> list[tuple[str | None, ...]]:
    """The combinations of values for which a condition is not false, in their order.

    Args:
        cursor: within a transaction.
        condition: the condition, as PostgreSQL writes it.
        columns: names and types of the columns that it speaks of.
        choices: the candidates for each of them, the preferred first.
        most: how many combinations are tried at most.
    """
    combinations = list(islice(_nearest_first(choices), most))
    if not combinations:
        return []
    rows = _asked(cursor, _question(condition, columns, combinations))
    if rows is not None:
        return [combinations[row[0]] for row in rows]
    # One of them makes the condition itself fail (a division by zero, a cast): each is asked about by itself.
    return [each for each in combinations[:ONE_BY_ONE] if _asked(cursor, _question(condition, columns, [each]))]


def _nearest_first(choices: Sequence[Sequence[str | None]]) -> Iterator[tuple[str | None, ...]]:
    """All combinations; those that take the first choices of most columns come early."""
    first = tuple(each[0] for each in choices if each)
    if len(first) < len(choices):
        return
    yield first
    seen = {first}
    for place, options in enumerate(choices):
        for option in options[1:]:
            changed = (*first[:place], option, *first[place + 1 :])
            if changed not in seen:
                seen.add(changed)
                yield changed
    for combination in product(*choices):
        if combination not in seen:
            yield combination


def _question(
    condition: str, columns: Sequence[tuple[str, SqlType]], combinations: Sequence[tuple[str | None, ...]]
) -> sql.Composed:
    rows = sql.SQL(", ").join(
        sql.SQL("(")
        + sql.SQL(", ").join([sql.Literal(number), *(_cast(v, t) for v, (_, t) in zip(row, columns, strict=True))])
        + sql.SQL(")")
        for number, row in enumerate(combinations)
    )
    names = sql.SQL(", ").join(sql.Identifier(name) for name, _ in columns)
    return sql.Composed(
        [
            sql.SQL("SELECT erm_row FROM (VALUES "),
            rows,
            sql.SQL(") AS erm_candidates(erm_row, "),
            names,
            sql.SQL(") WHERE ("),
            sql.SQL(condition),
            sql.SQL(") IS NOT FALSE ORDER BY erm_row"),
        ]
    )


def _cast(value: str | None, type: SqlType) -> sql.Composed:
    written = sql.SQL("NULL") if value is None else sql.Literal(value)
    return sql.Composed([written, sql.SQL("::"), sql.SQL(type.name)])


def _asked(cursor: Any, question: sql.Composed) -> list[tuple[Any, ...]] | None:
    """The rows that a question is answered with; None where it fails."""
    text = question.as_string(cursor)
    cursor.execute("SAVEPOINT erm_asks")
    try:
        cursor.execute(text)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    except psycopg2.Error:
        cursor.execute("ROLLBACK TO SAVEPOINT erm_asks; RELEASE SAVEPOINT erm_asks")
        return None
    cursor.execute("RELEASE SAVEPOINT erm_asks")
    return rows
