"""A failed revision says what to do, where erm knows it: by what the server said, never with a value of a row."""

from __future__ import annotations

import pytest

from erm_alembic import migrate
from tests.locks.blocking import Deployment

AGAIN = "then run `erm migrate` again."


@pytest.mark.parametrize(
    ("body", "cure"),
    [
        (
            'op.execute("CREATE UNIQUE INDEX ON orders (note, (id % 1))")',
            "See which rows have the same key: SELECT note, (id % 1), count(*) FROM public.orders "
            f"GROUP BY note, (id % 1) HAVING count(*) > 1; Make them differ or remove them, {AGAIN}",
        ),
        (
            "op.execute(\"INSERT INTO orders VALUES (3, 'same')\")\n"
            "with op.get_context().autocommit_block():\n"
            '    op.execute("CREATE UNIQUE INDEX CONCURRENTLY u ON orders (note)")',
            "See which rows have the same key: SELECT note, count(*) FROM public.orders GROUP BY note "
            f"HAVING count(*) > 1; Make them differ or remove them, {AGAIN}",
        ),
        (
            'op.execute("ALTER TABLE orders ADD COLUMN \\"Who\\" text NOT NULL")',
            'Rows have no "Who". If this revision adds the column: add it nullable, fill it inside the revision '
            '(UPDATE public.orders SET "Who" = ... WHERE "Who" IS NULL), then SET NOT NULL; or give it a DEFAULT '
            f"(in Python: server_default). If it was there before, fill it first; {AGAIN}",
        ),
        (
            'op.execute("ALTER TABLE orders ADD COLUMN note text")',
            "It is there already: rename what the revision makes, or take that statement out of it. Where it was made "
            "by hand, IF NOT EXISTS lets it pass here and in a new database.",
        ),
        (
            'op.execute("DROP TABLE nowhere")',
            "Correct the name, or its schema (search_path); if another revision makes it, let this one build on that "
            f"(down_revision); {AGAIN}",
        ),
        ('op.execute("SELEC 1")', f"Correct the SQL at the place that the message names; {AGAIN}"),
        (
            'op.execute("ALTER TABLE orders ADD UNIQUE (nonsense)")',
            "Correct the name, or its schema (search_path); if another revision makes it, let this one build on that "
            f"(down_revision); {AGAIN}",
        ),
        (
            'op.execute("CREATE TABLE \\"50%\\" AS SELECT 1 AS \\"a%\\"")\n'
            'op.execute("ALTER TABLE \\"50%\\" ADD CONSTRAINT \\"b%\\" CHECK (\\"a%\\" > 1)")',
            'Rows of public."50%" do not satisfy "b%": correct them first; or add the constraint NOT VALID, and '
            "VALIDATE it in a later revision.",
        ),
        (
            "op.execute(\"ALTER TABLE orders ADD CONSTRAINT short CHECK (note <> 'same')\")",
            "Rows of public.orders do not satisfy short: correct them first; or add the constraint NOT VALID, and "
            "VALIDATE it in a later revision.",
        ),
        (
            'try:\n    op.execute("SELECT 1 / 0")\nexcept Exception:\n    pass\nop.execute("CREATE TABLE x (id int)")',
            "An earlier statement failed and the revision went on: in PostgreSQL, a transaction is over then. Put what "
            "may fail into `with op.get_bind().begin_nested():`, which makes a savepoint.",
        ),
        (
            'op.execute("VACUUM orders")',
            "Run it outside the transaction: `with op.get_context().autocommit_block():`.",
        ),
        (
            'op.execute("CREATE TABLE c (id int REFERENCES orders DEFERRABLE INITIALLY DEFERRED)")\n'
            'op.execute("INSERT INTO c VALUES (1)")\nop.execute("ALTER TABLE c ADD COLUMN total int")',
            "Change the rows in one revision and the table in the next one; or `SET CONSTRAINTS ALL IMMEDIATE` between "
            "the two, where the events are those of deferred constraints.",
        ),
        (
            'op.execute("SET LOCAL ROLE pg_monitor")\nop.execute("DROP TABLE orders")',
            "Let the object's owner grant the right, or set migrations.role to the role that owns it; "
            "then run `erm migrate` again.",
        ),
        ('op.execute("SELECT 1 / 0")\nop.execute("SELECT nonsense")', None),
        ("raise ValueError('odd')", None),
    ],
)
def test_what_is_to_be_done_about_it(body: str, cure: str | None, deployment: Deployment) -> None:
    """Each failure that erm knows has its cure, and any other has none; what stays is told of all."""
    deployment.database.execute("UPDATE orders SET note = 'same'")
    guarded = "\n".join(f"    {line}" for line in body.splitlines())
    # Only the run fails, not the plan: a recording does not get to it.
    deployment.project.revision("a1", f"if not op.get_context().opts.get('dont_mutate'):\n{guarded}\n")
    outcome = deployment.apply()
    assert outcome.result == "failed"
    assert outcome.cure == cure
    assert outcome.effect is not None
    assert "same" not in (outcome.error or "")


def test_the_command_that_is_typed_again_is_that_of_the_run(deployment: Deployment) -> None:
    """A rollback that failed is not told to apply."""
    fails = 'op.execute("ALTER TABLE orders ALTER COLUMN note SET NOT NULL")'
    deployment.project.revision("a1", "op.execute('SELECT 1')", fails)
    assert deployment.apply().result == "done"
    deployment.database.execute("UPDATE orders SET note = NULL")
    outcome = migrate.rollback(progress=deployment.notes).outcome
    assert (outcome.cure or "").endswith("; then run `erm migrate --mode rollback` again.")
