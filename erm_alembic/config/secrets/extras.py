"""The vendors' own clients, which are optional: imported when a reference needs one."""

from __future__ import annotations

import importlib
from typing import Any

from erm_alembic.errors import ConfigurationError

__all__ = ["import_extra"]


def import_extra(module: str, extra: str, key: str) -> Any:
    """A module of a vendor's client.

    Args:
        module: its name.
        extra: the extra of erm-alembic that brings it.
        key: whose value needs it, for the message.

    Raises:
        ConfigurationError: it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        top = module.partition(".")[0]
        if error.name is not None and error.name.partition(".")[0] != top:
            raise
        raise ConfigurationError(
            f"{key} needs the Python package {top}, which is not installed.",
            effect="No database was reached.",
            cure=f'pip install "erm-alembic[{extra}]"',
        ) from None
