"""A connection that is held as that of smoke tests is, and what is sent on it."""

from __future__ import annotations

from typing import Any

import psycopg2

from erm_alembic.testing.smoke.transaction import SmokeTransaction

LIMITS = {"statement_timeout": 2000, "lock_timeout": 500, "idle_in_transaction_session_timeout": 15_000}
PlainConnection = psycopg2.extensions.connection


def send(transaction: SmokeTransaction, sql: str, *values: Any) -> Any:
    with transaction.connection.cursor() as cursor:
        cursor.execute(sql, values or None)
        return cursor.fetchall() if cursor.description else None
