"""Puts variables into the settings of a file; addresses are left sealed.

A variable that is not set must not stop a command that never needs it: its key is taken out and remembered, and only an
environment in which that key would be in force complains.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from erm_alembic.config.document import FOREIGN_SECTIONS, KeyPath
from erm_alembic.config.interpolation import UnsetVariable, expand

__all__ = ["put_variables_in"]

# A command of the team's own gets the variables itself; what it is typed with is shown and kept.
_LEFT_ALONE = (*FOREIGN_SECTIONS, "hooks", "release")
# Addresses, logins, and what one gets in to secret managers with: opened when they are used.
_SEALED = ("url", "credentials")
_SEALED_IN_AUTH = ("secret_id", "password")


def put_variables_in(
    data: Mapping[str, Any], environ: Mapping[str, str]
) -> tuple[dict[str, Any], dict[KeyPath, UnsetVariable]]:
    """Replace `${VAR}` in every text but addresses and logins.

    Args:
        data: the file as it was read.
        environ: the variables.

    Returns:
        The data without the keys whose variable is not set, and those keys.
    """
    unset: dict[KeyPath, UnsetVariable] = {}
    return _mapping(data, (), environ, unset), unset


def _mapping(
    data: Mapping[str, Any], path: KeyPath, environ: Mapping[str, str], unset: dict[KeyPath, UnsetVariable]
) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in data.items():
        command = key == "command" and path[-1:] == ("backup",)
        sealed = key in _SEALED or (path[-2:] == ("vault", "auth") and key in _SEALED_IN_AUTH)
        if sealed or command or (key in _LEFT_ALONE and (not path or path[:-1] == ("database", "environments"))):
            result[key] = value
            continue
        try:
            result[key] = _value(value, (*path, key), environ, unset)
        except UnsetVariable as error:
            unset[(*path, key)] = error
    return result


def _value(value: Any, path: KeyPath, environ: Mapping[str, str], unset: dict[KeyPath, UnsetVariable]) -> Any:
    if isinstance(value, dict):
        return _mapping(value, path, environ, unset)
    if isinstance(value, list):
        # A list with a hole would be another list: the error goes up, and takes the whole list out.
        return [_item(item, (*path, index), environ) for index, item in enumerate(value)]
    return expand(value, environ) if isinstance(value, str) else value


def _item(item: Any, path: KeyPath, environ: Mapping[str, str]) -> Any:
    inside: dict[KeyPath, UnsetVariable] = {}
    value = _value(item, path, environ, inside)
    for error in inside.values():
        raise error
    return value
