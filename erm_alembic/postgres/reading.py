"""The limits of whoever only reads: never write, never hold up the application, never wait for long."""

from __future__ import annotations

__all__ = ["LOCK_TIMEOUT", "READING_GUARD"]

# Behind a waiter for a lock stands everybody who comes after it.
LOCK_TIMEOUT = "3s"
STATEMENT_TIMEOUT = "15s"

# For one transaction or subtransaction; stronger than what a revision sets for its session.
READING_GUARD = (
    "SET LOCAL transaction_read_only = on;"
    f" SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'; SET LOCAL statement_timeout = '{STATEMENT_TIMEOUT}'"
)
