"""SELECTs that do more than read, and that no read-only transaction stops: a plan must not send them."""

from __future__ import annotations

from erm_alembic.postgres.text.lexer import tokens

__all__ = ["acts_outside_transaction", "is_advisory_lock"]

ADVISORY = ("pg_advisory_", "pg_try_advisory_")
# Functions whose effect a rollback does not take back.
OUTSIDE = frozenset(
    {
        "dblink",
        "dblink_exec",
        "dblink_send_query",
        "pg_backup_start",
        "pg_backup_stop",
        "pg_cancel_backend",
        "pg_create_logical_replication_slot",
        "pg_create_physical_replication_slot",
        "pg_create_restore_point",
        "pg_drop_replication_slot",
        "pg_file_write",
        "pg_log_backend_memory_contexts",
        "pg_logical_emit_message",
        "pg_promote",
        "pg_reload_conf",
        "pg_rotate_logfile",
        "pg_start_backup",
        "pg_stat_reset",
        "pg_stat_reset_shared",
        "pg_stat_reset_single_table_counters",
        "pg_stat_statements_reset",
        "pg_stop_backup",
        "pg_switch_wal",
        "pg_terminate_backend",
        "pg_wal_replay_pause",
        "pg_wal_replay_resume",
    }
)


def is_advisory_lock(sql: str) -> bool:
    """Whether a text takes, tries or releases an advisory lock.

    Example:
        >>> is_advisory_lock("SELECT pg_try_advisory_lock(1)"), is_advisory_lock("SELECT 'pg_advisory_lock'")
        (True, False)
    """
    return "advisory_" in sql.lower() and any(name.startswith(ADVISORY) for name in _names(sql))


def acts_outside_transaction(sql: str) -> bool:
    """Whether a text calls a function whose effect stays when its transaction is rolled back.

    Example:
        >>> acts_outside_transaction("SELECT pg_reload_conf()")
        True
    """
    return not OUTSIDE.isdisjoint(_names(sql))


def _names(sql: str) -> frozenset[str]:
    return frozenset(token.name for token in tokens(sql) if token.kind in ("word", "quoted"))
