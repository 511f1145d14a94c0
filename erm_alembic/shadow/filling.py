"""What comes into a scratch database from the target before any revision runs: its schema, or what was made for it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from psycopg2 import Error, sql

from erm_alembic.postgres.intercept import GatedConnection
from erm_alembic.postgres.shadow_facts import ShadowFacts
from erm_alembic.shadow.child.shared_objects import SharedObjects
from erm_alembic.shadow.live import dump_schema, load_schema
from erm_alembic.shadow.server import ShadowServer, connected
from erm_alembic.target import Target

__all__ = ["Filling"]


@dataclass(frozen=True)
class Filling:
    """Fills scratch databases of a server.

    Args:
        server: the server.
        target: the database whose shadow they are.
        facts: what that is like.
        extensions: what it knows of its extensions (`known_extensions`).
    """

    server: ShadowServer
    target: Target
    facts: ShadowFacts
    extensions: Callable[[], Mapping[str, Mapping[str, Any]]]

    def load(self, name: str) -> tuple[str, ...]:
        """Bring the live schema into an empty scratch database; what was stood in for.

        Raises:
            ShadowUnavailable: there is no `pg_dump`, or the schema cannot be read or loaded.
        """
        notes: dict[str, None] = {}
        dump = dump_schema(self.target, self.target.settings.ledger.schema, self.server.major)
        load_schema(lambda: self._session(name, notes), dump)
        return tuple(notes)

    def give(self, name: str) -> None:
        """Make the target's schemas and extensions, as an administrator may have done before the first revision."""
        with contextlib.closing(self._session(name, {})) as connection, connection.cursor() as cursor:
            for statement in self._given():
                # What cannot be made will be missed by the revision that needs it, which is told.
                with contextlib.suppress(Error):
                    cursor.execute(statement)

    def _given(self) -> Iterable[sql.Composed]:
        for schema in self.facts.schemas:
            if schema != self.target.settings.ledger.schema:
                yield sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(schema))
        for name, (_, schema) in self.facts.extensions.items():
            statement = sql.SQL("CREATE EXTENSION IF NOT EXISTS {} WITH SCHEMA {} CASCADE")
            yield statement.format(sql.Identifier(name), sql.Identifier(schema))

    def _session(self, name: str, notes: dict[str, None]) -> GatedConnection:
        """A session of a scratch database, in autocommit mode, that stands in for what its server lacks."""
        url = self.server.address(name)

        def connect() -> GatedConnection:
            connection = connected(url)
            connection.autocommit = True
            return connection

        connection = connect()
        connection.gate = SharedObjects(connect, self.extensions(), notes.setdefault)
        return connection
