"""Acting as the role that logged in, which owns the ledger, in the middle of what another role does.

A revision may act as any role (`migrations.role`, SET ROLE, SET LOCAL ROLE), and goes on as the same one afterwards.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from psycopg2 import sql

__all__ = ["AS_BEFORE", "AS_LOGIN_ROLE", "as_login_role"]

# The role is kept in the session, where the next statement of the same message finds it; both end with the transaction.
AS_LOGIN_ROLE = sql.SQL(
    "SELECT pg_catalog.set_config('erm.role', pg_catalog.current_setting('role'), true),"
    " pg_catalog.set_config('role', 'none', true)"
)
AS_BEFORE = sql.SQL("SELECT pg_catalog.set_config('role', pg_catalog.current_setting('erm.role'), true)")


@contextlib.contextmanager
def as_login_role(cursor: Any) -> Iterator[None]:
    """Act as the login role for as long as the block lasts; a block that fails leaves an aborted transaction.

    Args:
        cursor: an ungated cursor, in a transaction.
    """
    cursor.execute(AS_LOGIN_ROLE)
    yield
    cursor.execute(AS_BEFORE)
