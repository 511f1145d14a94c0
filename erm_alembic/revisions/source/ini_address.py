"""The database that alembic.ini names: erm does not read it there, and says what to write into erm.yaml instead."""

from __future__ import annotations

import configparser
import json
from pathlib import Path

from erm_alembic.config.dsn import DatabaseUrl
from erm_alembic.config.redaction import MASK
from erm_alembic.config.sealed import register_address
from erm_alembic.errors import ConfigurationError
from erm_alembic.revisions.source.version_locations import read_ini

__all__ = ["PASSWORD_VARIABLE", "address_in_ini"]

PASSWORD_VARIABLE = "${DB_PASSWORD}"


def address_in_ini(ini: Path, section: str = "alembic") -> str | None:
    """`sqlalchemy.url` of alembic.ini as a quoted value for erm.yaml, a variable in the place of its password.

    None where there is none, or it is no PostgreSQL database: the example that `alembic init` writes, for one.

    Args:
        ini: alembic.ini.
        section: the section of it.

    Example:
        `address_in_ini(Path("alembic.ini"))` is `'"postgresql://app:${DB_PASSWORD}@db/shop"'`.
    """
    try:
        text = read_ini(ini).get(section, "sqlalchemy.url", fallback="").strip()
        if not text:
            return None
        register_address(text)
        return json.dumps(DatabaseUrl.parse(text).redacted.replace("$", "$$").replace(MASK, PASSWORD_VARIABLE))
    except (configparser.Error, UnicodeDecodeError, OSError, ConfigurationError):
        return None
