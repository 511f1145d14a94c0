"""A fingerprint of the catalog, computed in the server."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from typing import Any

from psycopg2.extensions import encodings

from erm_alembic.postgres.snapshot.families import FAMILIES
from erm_alembic.postgres.snapshot.family import common_tables, parameters
from erm_alembic.postgres.snapshot.session import read_steadily

__all__ = ["catalog_fingerprint"]

# Sums, so that nothing has to be sorted; two of them, so that 64 bits need not be enough.
FINGERPRINT = """
    {common} SELECT count(*) || '-' || coalesce(sum(hashtextextended(row, 0)), 0)
                             || '-' || coalesce(sum(hashtextextended(row, 1)), 0) FROM ({rows}) counted
"""


def catalog_fingerprint(
    cursor: Any, leave_out: Collection[str] = (), leave_out_tables: Collection[str] = (), *, prepared: bool = False
) -> str:
    """A text that changes whenever `take_snapshot` would, computed by one query in the server.

    Equal for databases with equal schemas on servers of one major version, whatever their OIDs.

    Args:
        cursor: a psycopg2 cursor that gives tuples.
        leave_out: names of schemas that do not count, unquoted.
        leave_out_tables: names of tables that do not count, with their schema and quoted where they must be.
        prepared: whether this connection is asked again and again: then the server makes its plan only once.

    Raises:
        TargetError: the catalog changes all the time, or somebody locks what a definition is about.
    """
    version = cursor.connection.server_version
    each = " UNION ALL ".join(f"SELECT o::text AS row FROM ({family.text(version)}) o" for family in FAMILIES)  # noqa: S608 - constants
    text = FINGERPRINT.format(common=common_tables(), rows=each)
    values = parameters(leave_out, leave_out_tables)

    def read() -> str:
        if prepared:
            _execute_prepared(cursor, text, values)
        else:
            cursor.execute(text, values)
        return str(cursor.fetchone()[0])

    return read_steadily(cursor, read)


def _execute_prepared(cursor: Any, text: str, values: Any) -> None:
    """Have the query prepared in the session, unless it is: whoever works there may have discarded it."""
    query = cursor.mogrify(text, values).decode(encodings[cursor.connection.encoding])
    name = f"erm_fingerprint_{hashlib.sha256(query.encode()).hexdigest()[:24]}"
    cursor.execute("SELECT FROM pg_catalog.pg_prepared_statements WHERE name = %s", [name])
    if not cursor.rowcount:
        cursor.execute(f"PREPARE {name} AS {query}")
    cursor.execute(f"EXECUTE {name}")
