"""Settings of an application's own (`app.tenant`), which no catalog lists: the names that a text may set.

Too many names do no harm: whoever asks for one that is not set hears that it is not.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from erm_alembic.postgres.text.lexer import tokens

__all__ = ["custom_settings", "custom_settings_of_connecting"]

NAME = re.compile(r"[^\W\d][\w$]*(?:\.[^\W\d][\w$]*)+")
SETS = re.compile(r"\bset|\breset", re.IGNORECASE)


def custom_settings(sql: str, parameters: Sequence[Any]) -> set[str]:
    """The names of such settings in a statement that may set one, and among its parameters.

    Args:
        sql: one SQL text.
        parameters: sets of parameters, or None.

    Example:
        >>> sorted(custom_settings("SET app.tenant = 'x'; SELECT set_config('app.Role', 'a', true)", []))
        ['app.Role', 'app.tenant']
        >>> custom_settings("SELECT a.b FROM a", [])
        set()
    """
    if SETS.search(sql) is None:
        return set()
    found = {token.text.strip("'") for token in tokens(sql) if token.kind == "string"}
    found |= set(NAME.findall(" ".join(sql.split())))
    for each in parameters:
        values = each.values() if isinstance(each, Mapping) else each if isinstance(each, list | tuple) else ()
        found |= {value for value in values if isinstance(value, str)}
    return {name for name in found if NAME.fullmatch(name)}


def custom_settings_of_connecting(parameters: Mapping[str, Any]) -> set[str]:
    """The names of such settings among a driver's connect arguments.

    Args:
        parameters: the keyword arguments of the driver's connect().

    Example:
        >>> sorted(custom_settings_of_connecting({"options": "-c app.tenant=x --app.b=y", "host": "a.b"}))
        ['app.b', 'app.tenant']
    """
    names = set(parameters.get("server_settings") or {})
    for option in re.findall(r"(?:-c\s*|--)([^\s=]+)=", str(parameters.get("options") or "")):
        names.add(option)
    return {name for name in names if NAME.fullmatch(name)}
