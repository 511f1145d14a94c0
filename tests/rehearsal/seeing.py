"""A database with one of everything, and a session that observes what is sent to it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg2

from erm_alembic.planning.rehearsal import Observed
from erm_alembic.postgres.intercept import GatedConnection, connect_gated
from erm_alembic.shadow.rehearsal.observe import ObservingGate
from tests.support.databases import Database

SCHEMA = """
    CREATE SCHEMA s;
    SET search_path = s;
    CREATE TABLE users (id int PRIMARY KEY, name text, email varchar(20), note text);
    CREATE TABLE orders (
        id int PRIMARY KEY, user_id int, buyer_id int REFERENCES users, code varchar(10), state text,
        amount int NOT NULL CONSTRAINT positive CHECK (amount > 0),
        CONSTRAINT has_state CHECK (state IS NOT NULL)
    );
    CREATE INDEX orders_state ON orders (state);
    CREATE UNIQUE INDEX orders_amount ON orders (amount);
    ALTER TABLE orders ADD CONSTRAINT has_user CHECK (user_id > 0) NOT VALID;
    ALTER TABLE orders ADD CONSTRAINT orders_user FOREIGN KEY (user_id) REFERENCES users NOT VALID;
    CREATE TABLE events (id int, at date NOT NULL) PARTITION BY RANGE (at);
    CREATE TABLE events_20 PARTITION OF events FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
    CREATE TABLE events_21 PARTITION OF events FOR VALUES FROM ('2021-01-01') TO ('2022-01-01');
    CREATE TABLE loose (id int, at date NOT NULL);
    CREATE TABLE parent (id int);
    CREATE TABLE child () INHERITS (parent);
    CREATE TABLE alone (id int);
    CREATE VIEW names AS SELECT id, name FROM users;
    CREATE MATERIALIZED VIEW totals AS SELECT id, buyer_id FROM orders;
    CREATE UNIQUE INDEX totals_id ON totals (id);
    CREATE SEQUENCE numbers;
    CREATE TYPE mood AS ENUM ('calm');
    CREATE FUNCTION same() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';
    CREATE TRIGGER stays BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION same();
"""
WEAK = ("AccessShareLock", "RowShareLock", "RowExclusiveLock")


@dataclass(frozen=True)
class Observing:
    """A session whose statements are observed.

    Args:
        connection: the session.
        gate: sees them.
    """

    connection: GatedConnection
    gate: ObservingGate

    def see(self, sql: str) -> Observed:
        """Run a statement in a transaction, which is rolled back."""
        try:
            return self.see_all(sql)[0]
        finally:
            self.connection.rollback()

    def see_all(self, *statements: str) -> list[Observed]:
        """Run statements in the transaction under way."""
        self.gate.begin(__file__)
        with self.connection.cursor() as cursor:
            for sql in statements:
                cursor.execute(sql)
        seen = [each.observed for each in self.gate.end()]
        assert None not in seen
        return [each for each in seen if each is not None]

    def see_outside(self, sql: str) -> Observed:
        """Run a statement outside a transaction."""
        self.connection.autocommit = True
        try:
            (seen,) = self.see_all(sql)
        finally:
            self.connection.autocommit = False
        return seen


@contextlib.contextmanager
def observing(database: Database, schema: str = SCHEMA) -> Iterator[Observing]:
    """An observing session of a database, which is given a schema first."""
    database.execute(schema)
    with contextlib.closing(connect_gated(database.url, "erm test")) as connection:
        gate = ObservingGate(lambda: psycopg2.connect(database.url))
        gate.know_origins(connection)
        connection.rollback()
        connection.gate = gate
        with connection.cursor() as cursor:
            cursor.execute("SET search_path = s")
        connection.commit()
        yield Observing(connection, gate)


def modes(observed: Observed) -> dict[str, str]:
    """The lock on each relation, without the schema; the weak ones on indexes, which every plan takes, are left out."""
    found: dict[str, list[str]] = {}
    for lock in observed.locks:
        if lock.table is None or lock.mode not in WEAK:
            found.setdefault(lock.relation.removeprefix("s."), []).append(lock.mode.removesuffix("Lock"))
    return {relation: " and ".join(sorted(held)) for relation, held in found.items()}


def bare(names: tuple[str, ...]) -> tuple[str, ...]:
    """Names without the schema."""
    return tuple(name.removeprefix("s.") for name in names)
