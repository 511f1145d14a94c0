"""no-lock-timeout: a revision takes away what keeps a lock from being waited for without end."""

from __future__ import annotations

import re
from collections.abc import Iterator

from erm_alembic.checks.context import Check, CheckContext
from erm_alembic.findings import Finding
from erm_alembic.postgres.text.lexer import Token, split_statements
from erm_alembic.postgres.text.nature import nature

__all__ = ["CHECK"]

RULE = "no-lock-timeout"
NAME = "lock_timeout"
ZERO = re.compile(r"'?\s*0+\s*(?:us|ms|s|min|h|d)?\s*'?", re.IGNORECASE)


def _check(context: CheckContext) -> Iterator[Finding]:
    for place, each in enumerate(context.statements):
        if not any(_takes_away(part) for part in _parts(each.statement.sql)):
            continue
        if any(_waits_for_locks(later.statement.sql) for later in context.statements[place + 1 :]):
            yield each.finding(
                RULE,
                "warning",
                "This takes lock_timeout away: the statements after it wait for a lock without end, and everybody who "
                "comes after them waits behind them.",
                "Leave it to `execution.lock_timeout` of the profile, which apply sets and after which it tries again; "
                "or set one that ends: SET LOCAL lock_timeout = '5s'.",
            )


def _parts(sql: str) -> list[list[Token]]:
    lower = sql.lower()
    return split_statements(sql) if NAME in lower or "reset" in lower else []


def _waits_for_locks(sql: str) -> bool:
    """Whether a statement does anything in the database; one that works concurrently has its own limits."""
    found = nature(sql)
    return not found.again and found.outside is None


def _takes_away(statement: list[Token]) -> bool:
    """Whether it sets lock_timeout to nothing, or back to what the role has."""
    words = [token.name if token.kind in ("word", "quoted") else token.text for token in statement]
    if words[:1] == ["reset"]:
        return words[1:2] in ([NAME], ["all"])
    if words[:1] == ["set"]:
        rest = words[2:] if words[1:2] in (["local"], ["session"]) else words[1:]
        value = "".join(rest[2:])
        return rest[:1] == [NAME] and (value == "default" or ZERO.fullmatch(value) is not None)
    if "set_config" in words:
        place = words.index("set_config")
        arguments = words[place + 2 : place + 5]
        return len(arguments) == 3 and arguments[0].lower() == f"'{NAME}'" and ZERO.fullmatch(arguments[2]) is not None
    return False


CHECK = Check(RULE, "warning", _check, ignorable=True)
