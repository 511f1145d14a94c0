"""Read what a plan is made on: which database, whose revisions, as which role, and a fingerprint of its schema."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg2
from psycopg2 import extensions

from erm_alembic.planning.model import Basis
from erm_alembic.postgres.catalog import quoted_schema, whole_name
from erm_alembic.postgres.identity import read_identity
from erm_alembic.postgres.intercept import GatedConnection
from erm_alembic.postgres.sender import read_sender
from erm_alembic.postgres.snapshot import catalog_fingerprint
from erm_alembic.revisions.version_table import version_table

if TYPE_CHECKING:
    from erm_alembic.config.settings import Settings
    from erm_alembic.revisions.environment import MigrationContext

__all__ = ["read_basis", "version_table_name"]


def read_basis(raw: GatedConnection, context: MigrationContext, settings: Settings) -> Basis:
    """Read it in the session that env.py has set up.

    Args:
        raw: a connection with a transaction open.
        context: Alembic's context as env.py configured it.
        settings: what is in force: the ledger's schema is no part of the application's.
    """
    with raw.cursor(cursor_factory=extensions.cursor) as cursor:
        table = version_table_name(cursor, context)
        try:
            catalog = catalog_fingerprint(cursor, (settings.ledger.schema,), (table,))
        except psycopg2.Error:  # somebody has locked a view: only an approval cannot do without
            if raw.closed:
                raise
            catalog = None
        cursor.execute("SELECT pg_catalog.current_schema()")
        (schema,) = cursor.fetchone() or (None,)
        sender = read_sender(cursor, table, settings.migrations.role)
        return Basis(read_identity(cursor), table, schema, catalog, sender.role, sender.read_as)


def version_table_name(cursor: extensions.cursor, context: MigrationContext) -> str:
    """Alembic's version table with its schema, also before it is there.

    Args:
        cursor: of the session that env.py has set up.
        context: Alembic's context as env.py configured it.
    """
    name = version_table(context)
    if context.version_table_schema is not None:
        return name
    return whole_name(cursor, name) or f"{quoted_schema(cursor)}.{name}"
