"""`${VAR}` and `${VAR:-default}` in the strings of erm.yaml; `$$` is a dollar sign.

A variable that is empty counts as unset where a default is given, as in a shell.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

__all__ = ["UnsetVariable", "expand", "has_variables", "without_variables"]

_TOKEN = re.compile(r"\$(?:(?P<dollar>\$)|\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}|(?P<bad>\{))")


class UnsetVariable(ValueError):
    """A string names a variable that is not set and gives no default; or `${` opens nothing that can be read.

    Args:
        name: the variable, None when the text after `${` is not a variable's name.
    """

    def __init__(self, name: str | None) -> None:
        super().__init__(
            f"the variable {name} is not set"
            if name
            else "`${` is not followed by a variable's name and `}` (a dollar sign is written `$$`)"
        )
        self.name = name


def expand(text: str, environ: Mapping[str, str], encode: Callable[[str], str] = str) -> str:
    """Put the variables' values in; a value is not looked into again.

    Args:
        text: as it is written in the file.
        environ: the variables.
        encode: how a variable's value (not a default) is written at this place.

    Raises:
        UnsetVariable: a variable without default is not set.

    Example:
        >>> expand("${HOST:-localhost}:${PORT} $$1", {"PORT": "5432"})
        'localhost:5432 $1'
    """

    def value(match: re.Match[str]) -> str:
        if match["dollar"]:
            return "$"
        name, default = match["name"], match["default"]
        if name is None:
            raise UnsetVariable(None)
        found = environ.get(name)
        if default is not None and not found:
            return default
        if found is None:
            raise UnsetVariable(name)
        return encode(found)

    return _TOKEN.sub(value, text)


def has_variables(text: str) -> bool:
    """Whether the text's value depends on the environment.

    Example:
        >>> has_variables("${A}"), has_variables("$$5")
        (True, False)
    """
    return any(match["dollar"] is None for match in _TOKEN.finditer(text))


def without_variables(text: str) -> str:
    """The text with every variable empty and every default in its place: what is typed literally.

    Example:
        >>> without_variables("app:${PASSWORD}@${HOST:-db}")
        'app:@db'
    """
    return _TOKEN.sub(lambda match: "$" if match["dollar"] else (match["default"] or ""), text)
