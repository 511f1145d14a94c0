"""What tells one database from every other, for good: also from another one of the same name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from psycopg2.errors import InsufficientPrivilege

__all__ = ["Identity", "read_identity"]

FACTS = """
    SELECT oid::bigint, datname::text,
           pg_catalog.has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE')
      FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()
"""
SYSTEM = "SELECT system_identifier::text FROM pg_catalog.pg_control_system()"


@dataclass(frozen=True)
class Identity:
    """One database of one cluster.

    Args:
        system: the number that `initdb` gave the cluster, and that its standbys share; None where the role may not
            read it.
        oid: the number of the database within the cluster: one that is dropped and made again has another one.
        name: its name.
    """

    system: str | None
    oid: int
    name: str


def read_identity(cursor: Any) -> Identity:
    """Ask a database which one it is.

    Args:
        cursor: a psycopg2 cursor that gives tuples.
    """
    cursor.execute(FACTS)
    oid, name, may_ask = cursor.fetchone()
    if not may_ask:
        return Identity(None, oid, name)
    # A service may have taken the right from where it is looked for only when the function is called.
    cursor.execute("SAVEPOINT erm_identity")
    try:
        cursor.execute(SYSTEM)
        (system,) = cursor.fetchone()
    except InsufficientPrivilege:
        cursor.execute("ROLLBACK TO SAVEPOINT erm_identity")
        system = None
    cursor.execute("RELEASE SAVEPOINT erm_identity")
    return Identity(system, oid, name)
