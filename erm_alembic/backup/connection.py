"""How PostgreSQL's programs reach a database: its address without a password, which stands in their environment alone.

A command line is read by everybody on the machine, and a file outlives its need.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from erm_alembic.postgres.password_file import without_exposed_file
from erm_alembic.target import PATIENCE, Target

__all__ = ["Address", "address_of"]

NAME = "erm backup"
# Where erm itself finds the database, and what would make a program speak another language, or in other characters.
LEFT_OUT = ("ERM_DATABASE_URL", "LC_MESSAGES", "LANGUAGE", "PGCLIENTENCODING")


@dataclass(frozen=True)
class Address:
    """A database as a program of PostgreSQL's is told of it.

    Args:
        dsn: its address, without any password.
        environ: the program's environment.
    """

    dsn: str
    environ: dict[str, str] = field(repr=False)


def address_of(target: Target, database: str | None = None) -> Address:
    """How a program reaches the target, or another database of its server.

    Args:
        target: the database.
        database: the other one's name; None for the target's own.
    """
    opened = target.url  # once: the next time it may be another role with another password
    url = opened.with_parameters(password="", sslpassword="")
    wanted = {"connect_timeout": PATIENCE["connect_timeout"], **without_exposed_file()}
    if "service" in url.parameters or "PGSERVICE" in os.environ:
        wanted = {}
    missing = {key: value for key, value in wanted.items() if key not in url.parameters}
    url = url.with_parameters(**missing, dbname=database or target.database)
    environ = {name: value for name, value in os.environ.items() if name not in LEFT_OUT}
    environ |= {"LC_ALL": "C", "PGAPPNAME": NAME}
    if password := opened.parameters.get("password"):
        environ["PGPASSWORD"] = password
    return Address(url.dsn(), environ)
