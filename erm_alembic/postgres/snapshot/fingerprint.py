"""A fingerprint of the catalog, computed in the server."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from erm_alembic.postgres.snapshot.families import FAMILIES
from erm_alembic.postgres.snapshot.family import common_tables, parameters
from erm_alembic.postgres.snapshot.session import read_steadily

__all__ = ["catalog_fingerprint"]

# Sums, so that nothing has to be sorted; two of them, so that 64 bits need not be enough.
FINGERPRINT = """
    {common} SELECT count(*) || '-' || coalesce(sum(hashtextextended(row, 0)), 0)
                             || '-' || coalesce(sum(hashtextextended(row, 1)), 0) FROM ({rows}) counted
"""


def catalog_fingerprint(cursor: Any, leave_out: Collection[str] = (), leave_out_tables: Collection[str] = ()) -> str:
    """A text that changes whenever `take_snapshot` would, computed by one query in the server.

    Equal for databases with equal schemas on servers of one major version, whatever their OIDs.

    Args:
        cursor: a psycopg2 cursor that gives tuples.
        leave_out: names of schemas that do not count, unquoted.
        leave_out_tables: names of tables that do not count, with their schema and quoted where they must be.

    Raises:
        TargetError: the catalog changes all the time, or somebody locks what a definition is about.
    """
    version = cursor.connection.server_version
    each = " UNION ALL ".join(f"SELECT o::text AS row FROM ({family.text(version)}) o" for family in FAMILIES)  # noqa: S608
    text = FINGERPRINT.format(common=common_tables(), rows=each)
    values = parameters(leave_out, leave_out_tables)

    def read() -> str:
        cursor.execute(text, values)
        return str(cursor.fetchone()[0])

    return read_steadily(cursor, read)
