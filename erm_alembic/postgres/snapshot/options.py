"""The options of foreign data objects, without what is secret in them."""

from __future__ import annotations

__all__ = ["open_options"]

# Of postgres_fdw, file_fdw, dblink_fdw and those that follow their words; each may be shown.
OPEN = (
    *("host", "hostaddr", "port", "dbname", "service", "sslmode", "application_name", "connect_timeout"),
    *("schema_name", "table_name", "column_name", "schema", "table", "column", "key"),
    *("use_remote_estimate", "fdw_startup_cost", "fdw_tuple_cost", "fetch_size", "batch_size", "extensions"),
    *("updatable", "truncatable", "async_capable", "keep_connections", "parallel_commit", "parallel_abort"),
    *("analyze_sampling", "import_default", "import_generated", "import_not_null", "import_collate"),
    *("filename", "format", "header", "delimiter", "quote", "escape", "null", "encoding", "force_not_null"),
)
_NAMES = ", ".join(f"'{name}'" for name in OPEN)


def open_options(array: str) -> str:
    """The SQL expression that tells the options in an array: of those that may hold a secret, the name only.

    Args:
        array: the SQL expression of the array.
    """
    return f"""
        (SELECT string_agg(CASE WHEN split_part(o, '=', 1) IN ({_NAMES}) THEN o
                                ELSE split_part(o, '=', 1) || '=(not read)' END,
                           ', ' ORDER BY split_part(o, '=', 1) COLLATE "C") FROM unnest({array}) o)
    """  # noqa: S608 - nothing from outside
