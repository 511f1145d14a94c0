"""What becomes of values: those that a way down loses are named, those that it puts back are no alarm."""

from __future__ import annotations

from contextlib import closing

import pytest
import sqlalchemy as sa
from alembic.operations import Operations

from tests.proof.conftest import Half, Scratch

LOSSLESS: dict[str, tuple[str | Half, str | Half]] = {
    "an index": (
        lambda op: op.create_index("users_state", "users", ["state"]),
        lambda op: op.drop_index("users_state"),
    ),
    "a column is renamed": (
        lambda op: op.alter_column("users", "email", new_column_name="mail"),
        lambda op: op.alter_column("users", "mail", new_column_name="email"),
    ),
    "a table is renamed": (
        lambda op: op.rename_table("users", "people"),
        lambda op: op.rename_table("people", "users"),
    ),
    "values move to another column": (
        "ALTER TABLE orders ADD remark text; UPDATE orders SET remark = note; ALTER TABLE orders DROP note",
        "ALTER TABLE orders ADD note text; UPDATE orders SET note = remark; ALTER TABLE orders DROP remark",
    ),
    "NULLs are filled and refused": (
        "UPDATE users SET born = '1970-01-01' WHERE born IS NULL; ALTER TABLE users ALTER born SET NOT NULL",
        "ALTER TABLE users ALTER born DROP NOT NULL",
    ),
    "a check is added": (
        lambda op: op.create_check_constraint("paid", "orders", "total >= 0"),
        lambda op: op.drop_constraint("paid", "orders"),
    ),
    "rows that the revision brings": (
        "INSERT INTO countries (code) VALUES ('it'), ('es')",
        "DELETE FROM countries WHERE code IN ('it', 'es')",
    ),
    "a view, and what reads it": (
        "DROP VIEW codes; CREATE VIEW codes AS SELECT id, code FROM countries",
        "DROP VIEW codes; CREATE VIEW codes AS SELECT id, code FROM countries WHERE code < 'x';"
        " GRANT SELECT ON codes TO PUBLIC",
    ),
    "a foreign key that is checked later": (
        "ALTER TABLE orders ADD buyer int; ALTER TABLE orders ADD CONSTRAINT buyers FOREIGN KEY (user_id)"
        " REFERENCES users NOT VALID; ALTER TABLE orders VALIDATE CONSTRAINT buyers; ALTER TABLE orders DROP buyer",
        "ALTER TABLE orders DROP CONSTRAINT buyers",
    ),
}


@pytest.mark.parametrize("name", LOSSLESS)
def test_a_way_down_that_puts_every_value_back_raises_no_alarm(new_scratch: Scratch, name: str) -> None:
    """The catalog is the same, and no value is lost."""
    proof = new_scratch.prove(*LOSSLESS[name])
    assert (proof.round_trip, proof.data, proof.lost, proof.differences) == ("same", "lossless", (), ())


def _concurrently(op: Operations) -> None:
    with op.get_context().autocommit_block():
        op.create_index("users_name", "users", ["name"], postgresql_concurrently=True)


def test_a_revision_that_leaves_its_transaction_is_proven_too(scratch: Scratch) -> None:
    """CREATE INDEX CONCURRENTLY runs in a copy as it runs anywhere."""
    proof = scratch.prove(_concurrently, lambda op: op.drop_index("users_name"))
    assert (proof.round_trip, proof.data) == ("same", "lossless")


LOSSY: dict[str, tuple[str | Half, str | Half, tuple[str, ...]]] = {
    "a column that is added": (
        lambda op: op.add_column("users", sa.Column("age", sa.Integer)),
        lambda op: op.drop_column("users", "age"),
        ("public.users.age",),
    ),
    "a column that cannot be added to rows": (
        lambda op: op.add_column("users", sa.Column("age", sa.Integer, nullable=False)),
        lambda op: op.drop_column("users", "age"),
        ("public.users.age",),
    ),
    "a switch that is on for all that are there": (
        "ALTER TABLE users ADD active bool NOT NULL DEFAULT true",
        "ALTER TABLE users DROP active",
        ("public.users.active",),
    ),
    "a table that is made": (
        lambda op: op.create_table("t", sa.Column("id", sa.Integer, primary_key=True)),
        lambda op: op.drop_table("t"),
        ("public.t",),
    ),
    "a table that is dropped": (
        "DROP TABLE orders",
        "CREATE TABLE orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, total numeric(10, 2) NOT NULL,"
        " note text, user_id int NOT NULL CONSTRAINT orders_user REFERENCES users ON DELETE CASCADE);"
        " CREATE INDEX orders_user_id ON orders (user_id)",
        ("public.orders",),
    ),
    "values that are written over": ("UPDATE users SET email = lower(email)", "SELECT 1", ("public.users.email",)),
    "values that are written over on the way down": (
        "ALTER TABLE users RENAME email TO mail",
        "UPDATE users SET mail = lower(mail); ALTER TABLE users RENAME mail TO email",
        ("public.users.mail",),
    ),
    "rows that are removed": ("DELETE FROM countries WHERE code = 'fr'", "SELECT 1", ("public.countries",)),
    "what a narrower type does not hold": (
        "ALTER TABLE users ALTER seen TYPE date",
        "ALTER TABLE users ALTER seen TYPE timestamptz",
        ("public.users.seen",),
    ),
    "how a JSON text was written": (
        "ALTER TABLE users ALTER extra TYPE jsonb",
        "ALTER TABLE users ALTER extra TYPE json",
        ("public.users.extra",),
    ),
    "a wider type that is cut": (
        "ALTER TABLE orders ALTER total TYPE numeric(12, 4)",
        "ALTER TABLE orders ALTER total TYPE numeric(10, 2) USING greatest(least(total, 99999999), -99999999)",
        ("public.orders.total",),
    ),
    "rows of a partition": (
        "CREATE TABLE events_2025 PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01')",
        "DROP TABLE events_2025",
        ("public.events",),
    ),
    "a new value that is mapped to an old one": (
        "ALTER TABLE users DROP CONSTRAINT states, ADD CONSTRAINT states CHECK (state IN ('new', 'old', 'gone'))",
        "UPDATE users SET state = 'old' WHERE state = 'gone'; ALTER TABLE users DROP CONSTRAINT states;"
        " ALTER TABLE users ADD CONSTRAINT states CHECK (state IN ('new', 'old'))",
        ("public.users.state",),
    ),
}


@pytest.mark.parametrize("name", LOSSY)
def test_what_a_way_down_loses_is_named(scratch: Scratch, name: str) -> None:
    """The catalog comes back, but not every value: the tables and columns are told."""
    up, down, lost = LOSSY[name]
    proof = scratch.prove(up, down)
    assert (proof.round_trip, proof.data, proof.lost) == ("same", "lossy", lost)


IMPOSSIBLE: dict[str, tuple[str, str, str]] = {
    "a text that became too long": (
        "ALTER TABLE users ALTER name TYPE varchar(200)",
        "ALTER TABLE users ALTER name TYPE varchar(50)",
        "value too long for type character varying(50)",
    ),
    "a number that became too large": (
        "ALTER TABLE users ALTER id TYPE bigint; ALTER TABLE orders ALTER user_id TYPE bigint",
        "ALTER TABLE orders ALTER user_id TYPE int; ALTER TABLE users ALTER id TYPE int",
        "integer out of range",
    ),
    "a NULL": (
        "ALTER TABLE users ALTER name DROP NOT NULL",
        "ALTER TABLE users ALTER name SET NOT NULL",
        'column "name" of relation "users" contains null values',
    ),
    "a value twice": (
        "ALTER TABLE users DROP CONSTRAINT users_email_key",
        "ALTER TABLE users ADD UNIQUE (email)",
        'could not create unique index "users_email_key"',
    ),
    "a value that a check refuses": (
        "ALTER TABLE users DROP CONSTRAINT states",
        "ALTER TABLE users ADD CONSTRAINT states CHECK (state IN ('new', 'old'))",
        'check constraint "states" of relation "users" is violated by some row',
    ),
    "a reference to nothing": (
        "ALTER TABLE orders DROP CONSTRAINT orders_user",
        "ALTER TABLE orders ADD CONSTRAINT orders_user FOREIGN KEY (user_id) REFERENCES users ON DELETE CASCADE",
        'insert or update on table "orders" violates foreign key constraint "orders_user"',
    ),
    "an enum value in use": (
        "ALTER TYPE mood ADD VALUE 'happy'",
        "ALTER TYPE mood RENAME TO former; CREATE TYPE mood AS ENUM ('sad', 'ok');"
        " ALTER TABLE users ALTER mood TYPE mood USING mood::text::mood; DROP TYPE former",
        "invalid input value for enum mood: ...",
    ),
}


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_a_value_that_no_longer_fits_makes_the_way_down_impossible(new_scratch: Scratch, name: str) -> None:
    """The catalog comes back where there is no such value; where there is one, the reason is told."""
    up, down, told = IMPOSSIBLE[name]
    proof = new_scratch.prove(up, down)
    assert (proof.round_trip, proof.data) == ("same", "impossible"), proof
    assert proof.reason == f"The way down fails on rows that can be written after the way up: {told}"


def test_the_place_of_a_column_is_a_note(scratch: Scratch) -> None:
    """A column that was dropped and added again stands last: no downgrade can restore that."""
    proof = scratch.prove(
        "ALTER TABLE orders DROP total",
        "ALTER TABLE orders ADD total numeric(10, 2) NOT NULL DEFAULT 0; ALTER TABLE orders ALTER total DROP DEFAULT",
    )
    assert (proof.round_trip, proof.differences, proof.lost) == ("same", (), ("public.orders.total",))
    assert proof.notes == (
        "The columns of public.orders stand in another order: id, note, user_id, total, not id, total, note, user_id.",
    )


def test_a_declared_enum_value_stays(scratch: Scratch) -> None:
    """PostgreSQL removes no value from an enum; a revision that says so is right."""
    up = "ALTER TYPE mood ADD VALUE IF NOT EXISTS 'it''s'"
    proof = scratch.prove(up, "UPDATE users SET mood = NULL WHERE mood::text = 'it''s'", keeps=["public.mood.'it''s'"])
    assert (proof.round_trip, proof.differences) == ("same", ())
    assert proof.notes == ("public.mood.'it''s' stays, as the revision declares.",)
    assert scratch.prove(up, "SELECT 1", keeps=["public.mood.'other'"]).round_trip == "differs"


def test_a_table_that_takes_no_rows_is_unproven(empty: Scratch) -> None:
    """Where rows cannot be made it is said why; nothing is guessed, and nothing that a function raised is repeated."""
    empty.database.execute(
        """CREATE TABLE closed (id int, note text);
           CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no % here', NEW; END $$;
           CREATE TRIGGER refused BEFORE INSERT ON closed FOR EACH ROW EXECUTE FUNCTION refuse()"""
    )
    proof = empty.prove("CREATE INDEX i ON closed (note)", "DROP INDEX i")
    assert (proof.round_trip, proof.data) == ("same", "unproven")
    assert proof.reason == (
        "No rows could be made for public.closed: raise exception (PL/pgSQL function refuse() line 1 at RAISE)"
    )


def test_the_database_is_left_as_it_is(new_scratch: Scratch) -> None:
    """A proof runs in copies; nothing of them is left either."""
    count = "SELECT count(*) FROM pg_database WHERE datname LIKE 'erm_shadow_%%'"
    before = new_scratch.database.execute(count)
    new_scratch.prove("DELETE FROM countries", "DROP TABLE countries")
    assert new_scratch.database.execute("SELECT count(*) FROM countries") == [(2,)]
    assert new_scratch.database.execute(count) == before


HOSTILE = """CREATE SCHEMA "o d%d"; CREATE TABLE "o d%d"."T a""b\nc" ("c.1%" int PRIMARY KEY, "ü'x" text)"""


def test_names_are_taken_as_they_are(empty: Scratch) -> None:
    """Spaces, quotes, dots, percent signs and line breaks in the names of schemas, tables and columns."""
    empty.database.execute(HOSTILE)
    table = '"o d%d"."T a""b\nc"'
    proof = empty.prove(f'ALTER TABLE {table} ADD "n.%(x)s" int', f'ALTER TABLE {table} DROP "n.%(x)s"')
    assert (proof.round_trip, proof.data, proof.lost) == ("same", "lossy", (f'{table}."n.%(x)s"',))
    proof = empty.prove(f'ALTER TABLE {table} RENAME "ü\'x" TO é', f'ALTER TABLE {table} RENAME é TO "ü\'x"')
    assert (proof.round_trip, proof.data) == ("same", "lossless")


def test_an_extension_that_stays_is_only_told(scratch: Scratch) -> None:
    """Other things may use it by the time of the rollback; who makes it with IF NOT EXISTS means just that."""
    proof = scratch.prove("CREATE EXTENSION IF NOT EXISTS tablefunc", "SELECT 1")
    assert (proof.round_trip, proof.differences) == ("same", ())
    assert proof.notes == ("Extension tablefunc stays: other things may use it by then.",)


ARCHIVES = (
    "CREATE TABLE archive (LIKE invoices INCLUDING ALL); WITH moved AS (DELETE FROM invoices WHERE at < '2020-01-01'"
    " RETURNING *) INSERT INTO archive SELECT * FROM moved"
)


@pytest.mark.parametrize(
    ("down", "lost"),
    [
        ("INSERT INTO invoices SELECT * FROM archive ON CONFLICT (no) DO NOTHING", ()),
        (
            "INSERT INTO invoices (no, at) SELECT no, at FROM archive ON CONFLICT (no) DO NOTHING",
            ("public.invoices.note", "public.archive"),
        ),
        ("SELECT 1", ("public.invoices", "public.archive")),
    ],
)
def test_rows_that_move_to_another_table_and_back_are_kept(empty: Scratch, down: str, lost: tuple[str, ...]) -> None:
    """The second way up moves by itself what was written meanwhile; what the way down forgets is lost all the same."""
    with closing(empty.database.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE invoices (no int PRIMARY KEY, at date, note text)")
    proof = empty.prove(ARCHIVES, f"{down}; DROP TABLE archive")
    assert (proof.data, proof.lost) == ("lossy" if lost else "lossless", lost)
