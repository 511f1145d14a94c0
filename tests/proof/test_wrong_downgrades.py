"""Ways down that forget something, put back something else, or cannot be run: each is found."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from alembic.operations import Operations

from tests.proof.conftest import Half, Scratch


def _make_with_enum(op: Operations) -> None:
    kind = sa.Enum("small", "large", name="size")
    op.create_table("boxes", sa.Column("id", sa.Integer, primary_key=True), sa.Column("size", kind))


def _make_parent_and_child(op: Operations) -> None:
    op.create_table("parents", sa.Column("id", sa.Integer, primary_key=True))
    op.create_table("children", sa.Column("parent", sa.Integer, sa.ForeignKey("parents.id")))


def _drop_parent_first(op: Operations) -> None:
    op.drop_table("parents")
    op.drop_table("children")


WRONG: dict[str, tuple[str | Half, str | Half, str]] = {
    "forgotten index": (
        lambda op: op.create_index("users_state", "users", ["state"]),
        "SELECT 1",
        "After the way down, index public.users_state is left",
    ),
    "wrong type": (
        lambda op: op.alter_column("users", "name", type_=sa.String(60)),
        lambda op: op.alter_column("users", "name", type_=sa.String(40)),
        "After the way down, column public.users.name has ",
    ),
    "lost default": (
        lambda op: op.drop_column("users", "state"),
        "ALTER TABLE users ADD COLUMN state text NOT NULL CHECK (state IN ('new', 'old'));"
        " ALTER TABLE users RENAME CONSTRAINT users_state_check TO states",
        "After the way down, column public.users.state has ",
    ),
    "lost comment": (
        lambda op: op.drop_column("users", "born"),
        "ALTER TABLE users ADD COLUMN born date; CREATE INDEX users_born ON users (born) WHERE born IS NOT NULL",
        "After the way down, column public.users.born has ",
    ),
    "trigger left": (
        "CREATE TRIGGER stamped BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION stamp()",
        "SELECT 1",
        "trigger public.users.stamped is left",
    ),
    "enum value left": (
        "ALTER TYPE mood ADD VALUE IF NOT EXISTS 'happy'",
        "SELECT 1",
        "After the way down, public.mood.'happy' is left in its enum.",
    ),
    "enum type left": (_make_with_enum, lambda op: op.drop_table("boxes"), "enum public.size is left"),
    "wrong nullability": (
        "ALTER TABLE orders ALTER user_id DROP NOT NULL, ALTER note SET DEFAULT ''",
        "ALTER TABLE orders ALTER note DROP DEFAULT",
        "After the way down, column public.orders.user_id has ",
    ),
    "forgotten constraint": (
        lambda op: op.drop_constraint("states", "users"),
        "SELECT 1",
        "constraint public.users.states is missing (CHECK (",
    ),
    "foreign key without its action": (
        lambda op: op.drop_constraint("orders_user", "orders"),
        lambda op: op.create_foreign_key("orders_user", "orders", "users", ["user_id"], ["id"]),
        "constraint public.orders.orders_user has",
    ),
    "index without its predicate": (
        lambda op: op.drop_index("users_born"),
        lambda op: op.create_index("users_born", "users", ["born"]),
        "index public.users_born has",
    ),
    "function not restored to its former body": (
        "CREATE OR REPLACE FUNCTION double(n int) RETURNS int LANGUAGE sql AS 'SELECT n + n'",
        "CREATE OR REPLACE FUNCTION double(n int) RETURNS int LANGUAGE sql AS 'SELECT 2 * n'",
        "function public.double(",
    ),
    "view not restored": (
        "DROP VIEW codes",
        "CREATE VIEW codes AS SELECT id, code FROM countries; GRANT SELECT ON codes TO PUBLIC",
        "view public.codes has",
    ),
    "grants lost": (
        "DROP VIEW codes",
        "CREATE VIEW codes AS SELECT id, code FROM countries WHERE code < 'x'",
        "grant view public.codes to PUBLIC is missing (",
    ),
    "sequence left": (
        "CREATE SEQUENCE numbers; ALTER TABLE users ADD COLUMN number int DEFAULT nextval('numbers')",
        lambda op: op.drop_column("users", "number"),
        "sequence public.numbers is left",
    ),
    "row security left": (
        "ALTER TABLE users ENABLE ROW LEVEL SECURITY; CREATE POLICY own ON users USING (true)",
        "DROP POLICY own ON users",
        "table public.users has",
    ),
    "statistics left": (
        "CREATE STATISTICS name_state ON name, state FROM users",
        "SELECT 1",
        "statistics public.name_state is left",
    ),
    "schema left": ("CREATE SCHEMA other; CREATE TABLE other.t (i int)", "DROP TABLE other.t", "schema other is left"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_a_way_down_forgets_is_named(scratch: Scratch, name: str) -> None:
    """The catalog after the way down differs from that before the way up, and the difference is told."""
    up, down, told = WRONG[name]
    proof = scratch.prove(up, down)
    assert proof.round_trip == "differs"
    assert any(told in difference for difference in proof.differences), proof.differences
    assert len(proof.differences) == 1, proof.differences


FAILING: dict[str, tuple[str | Half, str | Half, str]] = {
    "order of drops": (_make_parent_and_child, _drop_parent_first, "cannot drop table parents"),
    "a name that is not there": (
        lambda op: op.create_unique_constraint("one_name", "users", ["name"]),
        lambda op: op.drop_constraint("one_user", "users"),
        'constraint "one_user" of relation "users" does not exist',
    ),
}


@pytest.mark.parametrize("name", FAILING)
def test_a_way_down_that_cannot_be_run_is_failed(scratch: Scratch, name: str) -> None:
    """It fails on tables without rows already: nothing can be taken back."""
    up, down, told = FAILING[name]
    proof = scratch.prove(up, down)
    assert (proof.round_trip, proof.data) == ("failed", "impossible")
    assert proof.reason is not None and proof.reason.startswith("The way down fails: ") and told in proof.reason


def test_a_second_way_up_that_cannot_be_run_is_failed(scratch: Scratch) -> None:
    """An enum value that stays, as declared, is in the way of an ADD VALUE that does not expect it."""
    proof = scratch.prove("ALTER TYPE mood ADD VALUE 'happy'", "SELECT 1", keeps=["public.mood.'happy'"])
    assert proof.round_trip == "failed"
    assert proof.reason == 'The second way up fails: enum label "happy" already exists'


def test_what_the_second_way_up_makes_otherwise_is_named(scratch: Scratch) -> None:
    """A way up that asks what is there may do something else when it runs again."""
    up = """DO $$ BEGIN
        IF EXISTS (SELECT FROM countries WHERE code = 'xx') THEN
            CREATE INDEX twice ON countries (code, id); ELSE CREATE INDEX once ON countries (id, code);
        END IF; END $$"""
    down = "DROP INDEX IF EXISTS once, twice; INSERT INTO countries (code) VALUES ('xx')"
    proof = scratch.prove(up, down)
    assert proof.round_trip == "differs"
    assert [each.partition(" is ")[0] for each in proof.differences] == [
        "After the second way up, index public.once",
        "After the second way up, index public.twice",
    ]
