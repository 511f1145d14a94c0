"""The twelve patterns of docs/guides/zero-downtime.md, run while the tables are in use."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg2
import pytest

from erm_alembic import migrate
from tests.docs.walking import blocks
from tests.faults.deploying import Project
from tests.support.cli import REPOSITORY
from tests.support.databases import Database

PAGE = (REPOSITORY / "docs" / "guides" / "zero-downtime.md").read_text(encoding="utf-8")
TABLES = """
    CREATE TYPE tier AS ENUM ('basic', 'gold');
    CREATE TABLE customers (id serial PRIMARY KEY, name text, email text, fax text, tier tier DEFAULT 'gold');
    CREATE TABLE orders (id serial PRIMARY KEY, customer_id int, quantity int, note text,
                         placed_at timestamptz DEFAULT now());
    CREATE TABLE notes (id serial PRIMARY KEY, text text);
    INSERT INTO customers (name, email) SELECT 'n' || i, 'e' || i FROM generate_series(1, 3000) i;
    INSERT INTO orders (customer_id, quantity, note) SELECT i, i, 'x' FROM generate_series(1, 3000) i;
    CREATE INDEX ON orders (customer_id);
"""
# What an older release and a newer one do all the time; no column that any pattern takes away is named.
LOAD = (
    "INSERT INTO orders (customer_id, quantity, note) VALUES (7, 3, 'new')",
    "UPDATE orders SET note = 'changed' WHERE id = 11",
    "SELECT count(*) FROM orders WHERE quantity > 10",
    "UPDATE customers SET tier = 'gold' WHERE id = 5",
    "SELECT email FROM customers WHERE id = 5",
    "INSERT INTO customers (email) VALUES (md5(random()::text)) ON CONFLICT DO NOTHING",
)
REVISION = '''"""{message}"""
from alembic import op
import sqlalchemy as sa

revision = {revision!r}
down_revision = {down!r}
branch_labels = None
depends_on = None

{code}'''


def patterns() -> list[tuple[str, str]]:
    """The revisions of the page: what each is about, and its code."""
    found = [block.text for block in blocks(PAGE) if block.language == "python"]
    return [(text.split("\n", 1)[0].removeprefix("# "), text.split("\n", 1)[1]) for text in found]


@contextmanager
def in_use(database: Database) -> Iterator[list[str]]:
    """Sessions that read and write the tables all the while, and wait for a lock for ten seconds at most.

    Yields what was refused to them.
    """
    refused: list[str] = []
    over, ready = threading.Event(), threading.Barrier(3)

    def work(number: int) -> None:
        connection = psycopg2.connect(database.url, options="-c lock_timeout=10s")
        connection.autocommit = True
        with connection.cursor() as cursor:
            ready.wait()
            while not over.wait(0.01):
                for statement in LOAD[number::2]:
                    try:
                        cursor.execute(statement)
                    except psycopg2.Error as error:
                        refused.append(f"{statement}: {error}")
        connection.close()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    ready.wait()
    try:
        yield refused
    finally:
        over.set()
        for thread in threads:
            thread.join()


def prepared(database: Database, folder: Path) -> list[str]:
    """The tables with rows, and the patterns as revisions; their ids."""
    database.execute(TABLES)
    project = Project(folder, database)
    project.config(f"""
        execution: {{lock_timeout: 1s, retry_delay: 50ms}}
        shadow: {{url: "{database.server.url("postgres")}", from: live}}
    """)
    found = patterns()
    assert len({message.split(":")[0] for message, _ in found}) == 13  # an enum value is added, and retired
    names = [f"p{number:02}" for number in range(len(found))]
    for number, (message, code) in enumerate(found):
        down = names[number - 1] if number else None
        text = REVISION.format(message=message, revision=names[number], down=down, code=code)
        (project.versions / f"{names[number]}.py").write_text(text, encoding="utf-8")
    return names


@pytest.mark.skipif("WALK_THE_DOCS" not in os.environ, reason="takes half a minute: `make docs` rehearses the patterns")
def test_nothing_that_takes_long_holds_a_lock_that_keeps_everybody_away(
    one_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a rehearsal sees take ACCESS EXCLUSIVE writes no table anew, reads none and builds no index."""
    names = prepared(one_database, tmp_path)
    monkeypatch.setenv("ERM_DATABASE_URL", one_database.url)
    plan = migrate.plan(config=tmp_path / "erm.yaml", rehearse=True)
    assert plan.rehearsal is not None
    assert (plan.rehearsal.status, plan.rehearsal.failed, len(plan.steps)) == ("done", None, len(names))
    assert [(each.rule, each.message) for each in plan.findings if each.severity == "error"] == []
    seen = [statement for step in plan.steps for statement in step.statements if statement.observed is not None]
    assert len(seen) >= len(names)
    for statement in seen:
        observed = statement.observed
        assert observed is not None
        if any(lock.mode == "AccessExclusiveLock" for lock in observed.locks):
            assert (observed.rewrites, observed.scans, observed.builds) == ((), (), ()), statement.sql


def test_every_pattern_runs_while_the_tables_are_in_use(
    one_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each revision goes up and down again without an objection, and nobody who reads or writes is refused anything."""
    names = prepared(one_database, tmp_path)
    monkeypatch.setenv("ERM_DATABASE_URL", one_database.url)
    config = tmp_path / "erm.yaml"
    with in_use(one_database) as refused:
        for revision in names:
            done = migrate.apply(config=config, to=revision)
            assert (done.outcome.result, done.outcome.error) == ("done", None), [
                (each.rule, each.message) for each in done.plan.findings
            ]
            objections = [(each.rule, each.message) for each in done.plan.findings if each.severity == "error"]
            assert objections == []
        kept = "SELECT count(*) FROM orders WHERE id <= 3000 AND (placed_on IS NULL OR quantity IS NULL)"
        assert one_database.execute(kept) == [(0,)]
        assert one_database.execute("SELECT count(*) FROM customers WHERE full_name = 'n' || id") == [(3000,)]
        back = migrate.rollback(config=config, to="base", allow_data_loss=True)
        assert (back.outcome.result, back.outcome.error) == ("done", None)
        assert one_database.execute("SELECT count(*) FROM customers WHERE name = 'n' || id") == [(3000,)]
    assert refused == []
    assert one_database.execute("SELECT count(*) > 3000 FROM orders") == [(True,)]  # others have written all the while
