"""Acting as the role that owns the ledger, in the middle of what another role does: the one that logged in.

A revision may act as any role (`migrations.role`, SET ROLE, SET LOCAL ROLE), and goes on as the same one afterwards.
Where the one that logged in is dropped after a while, the ledger belongs to `migrations.role`, which the session notes;
nothing is set then that is so already, because a role that has gone may set none.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from psycopg2 import sql

__all__ = ["AS_BEFORE", "AS_LOGIN_ROLE", "as_login_role", "keep_ledger_as"]

# The custom setting of a session that names who owns the ledger, where that is not the role that logged in.
_KEEPER = "erm.ledger_role"

# The role is kept in the session, where the next statement of the same message finds it; both end with the transaction.
AS_LOGIN_ROLE = sql.SQL(
    "SELECT pg_catalog.set_config('erm.role', pg_catalog.current_setting('role'), true),"
    " CASE WHEN pg_catalog.current_setting('role') <> keeper.name"
    " THEN pg_catalog.set_config('role', keeper.name, true) END"
    " FROM (SELECT coalesce(nullif(pg_catalog.current_setting({}, true), ''), 'none')) keeper(name)"
).format(sql.Literal(_KEEPER))
AS_BEFORE = sql.SQL(
    "SELECT CASE WHEN pg_catalog.current_setting('role') <> pg_catalog.current_setting('erm.role')"
    " THEN pg_catalog.set_config('role', pg_catalog.current_setting('erm.role'), true) END"
)


def keep_ledger_as(cursor: Any, role: str) -> None:
    """Let a session write the ledger as another role than the one that logged in.

    Args:
        cursor: an ungated cursor in autocommit mode.
        role: who owns the ledger.
    """
    cursor.execute("SELECT pg_catalog.set_config(%s, %s, false)", [_KEEPER, role])


@contextlib.contextmanager
def as_login_role(cursor: Any) -> Iterator[None]:
    """Act as the login role for as long as the block lasts; a block that fails leaves an aborted transaction.

    Args:
        cursor: an ungated cursor, in a transaction.
    """
    cursor.execute(AS_LOGIN_ROLE)
    yield
    cursor.execute(AS_BEFORE)
