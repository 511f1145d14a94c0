"""Whom a statement blocks on the target, and for how long: reckoned from what was observed and what is there."""

from __future__ import annotations

from dataclasses import replace

import pytest

from erm_alembic.planning.estimate import estimated, tables_of_interest
from erm_alembic.planning.model import Statement
from erm_alembic.planning.rehearsal import Estimate, Observed, ObservedLock
from erm_alembic.postgres.live_facts import LiveFacts, Replica, TableFacts, read_live_facts
from tests.support.databases import Database

GIGABYTE = 10**9
FACTS = LiveFacts(
    {
        "public.users": TableFacts(GIGABYTE, GIGABYTE, 10_000_000.0, 5.0),
        "public.orders": TableFacts(10 * GIGABYTE, 4 * GIGABYTE, 100_000_000.0, 50.0),
    }
)
TIMEOUT_MS = 5000


def lock(mode: str, relation: str = "public.users", *, table: str | None = None, new: bool = False) -> ObservedLock:
    """A lock on what the target has, unless it is new."""
    return ObservedLock(relation, f"{mode}Lock", None if new else relation, table)


def statement(
    *locks: ObservedLock, sql: str = "ALTER TABLE users", autocommit: bool = False, line: int = 1, **seen: object
) -> Statement:
    """A statement that was observed."""
    return Statement(sql, line, autocommit, observed=Observed(locks, **seen))  # type: ignore[arg-type]  # its fields


def estimates(*statements: Statement, facts: LiveFacts = FACTS, timeout: float = TIMEOUT_MS) -> list[Estimate]:
    """The estimates of statements of one revision."""
    found = [each.estimate for each in estimated(statements, facts, timeout)]
    assert None not in found
    return [each for each in found if each is not None]


EXCLUSIVE = lock("AccessExclusive")


def test_what_changes_the_catalog_only_is_a_matter_of_milliseconds() -> None:
    """ACCESS EXCLUSIVE blocks reads and writes, but not for long."""
    (found,) = estimates(statement(EXCLUSIVE))
    assert found == Estimate("reads", ("public.users",), 1, 50, "changes the catalog only")


def test_a_rewrite_takes_its_size_at_a_slow_and_a_fast_rate() -> None:
    """Table and indexes, 2 GB, at 50 to 200 MB/s."""
    (found,) = estimates(statement(EXCLUSIVE, rewrites=("public.users",), scans=("public.users",)))
    assert (found.low_ms, found.high_ms) == (10_001, 40_050)
    assert found.basis == "writes public.users anew (2.0 GB with its indexes) at 50 to 200 MB/s"


def test_a_scan_and_an_index_build_take_the_table_at_their_rates() -> None:
    """A constraint reads 1 GB; two indexes are two builds of it."""
    (scan,) = estimates(statement(EXCLUSIVE, scans=("public.users",)))
    assert (scan.low_ms, scan.high_ms) == (1001, 5050)
    (build,) = estimates(statement(lock("Share"), scans=("public.users",), builds=("a", "b")))
    assert (build.blocks, build.high_ms) == ("writes", 80_050)
    assert build.basis.startswith("builds an index on public.users (1.0 GB) at 25 to 120 MB/s")


def test_changed_rows_are_at_most_those_of_the_table() -> None:
    """An UPDATE blocks nobody, and takes up to ten million rows at 10,000 a second."""
    (found,) = estimates(statement(lock("RowExclusive"), sql="UPDATE users SET a = 1", rows=0))
    assert (found.blocks, found.low_ms, found.high_ms) == ("nothing", 1, 1_000_050)
    assert "changes rows of public.users (at most 10,000,000)" in found.basis
    (single,) = estimates(statement(lock("RowExclusive"), sql="INSERT INTO users VALUES (1)", rows=1))
    assert single.high_ms == 50


def test_what_the_plan_makes_itself_blocks_nobody() -> None:
    """Not even where the target has another relation of that name."""
    new = lock("AccessExclusive", new=True)
    found = estimates(statement(new), statement(rewrites=("public.users",)))
    assert [(each.blocks, each.high_ms) for each in found] == [("nothing", 50), ("nothing", 50)]


def test_an_index_that_nobody_may_use_blocks_its_table() -> None:
    """Queries lock every index of a table that they read."""
    (found,) = estimates(statement(lock("AccessExclusive", "public.users_pkey", table="public.users")))
    assert (found.blocks, found.relations) == ("reads", ("public.users",))


def test_a_lock_is_held_until_the_revision_commits() -> None:
    """What comes after it counts, up to the next statement outside a transaction; what comes later is held up by it."""
    first = statement(EXCLUSIVE, line=1)
    second = statement(lock("Share", "public.orders"), scans=("public.orders",), builds=("i",), line=2)
    outside = statement(lock("ShareUpdateExclusive"), autocommit=True, line=3)
    after = statement(lock("RowExclusive"), line=4)
    one, two, three, four = estimates(first, second, outside, after)
    assert one.high_ms == 400_100
    assert one.basis.startswith("changes the catalog only; held until the revision commits, which builds an index")
    assert (two.blocks, two.relations) == ("writes", ("public.orders",))
    assert (three.blocks, four.blocks) == ("nothing", "nothing")


def test_a_statement_without_a_lock_of_its_own_runs_under_those_that_are_held() -> None:
    """Its estimate says since which line."""
    _, found = estimates(statement(EXCLUSIVE, line=7), statement(lock("RowExclusive", "public.orders"), line=8))
    assert (found.blocks, found.relations) == ("reads", ("public.users",))
    assert found.basis.endswith("its transaction holds the lock since line 7")


def test_a_long_transaction_is_waited_for_until_apply_gives_way() -> None:
    """Bounded by lock_timeout; without one nothing bounds it."""
    busy = replace(FACTS, longest_transaction_seconds=720.0)
    (found,) = estimates(statement(EXCLUSIVE), facts=busy)
    assert found.high_ms == 5050
    assert found.basis.endswith(
        "waits for transactions that use it (the oldest of the database runs for 12 min), gives way after 5 s"
    )
    (endless,) = estimates(statement(EXCLUSIVE), facts=busy, timeout=0)
    assert endless.high_ms is None


def test_concurrent_work_waits_for_every_older_transaction() -> None:
    """It blocks nobody, and nobody knows when it ends."""
    busy = replace(FACTS, longest_transaction_seconds=720.0)
    build = statement(
        lock("ShareUpdateExclusive"),
        sql="CREATE INDEX CONCURRENTLY i ON users (a)",
        autocommit=True,
        scans=("public.users",),
        builds=("i",),
    )
    (found,) = estimates(build, facts=busy)
    assert (found.blocks, found.high_ms) == ("nothing", None)
    assert "waits for older transactions to end" in found.basis


def test_standbys_cancel_queries() -> None:
    """ACCESS EXCLUSIVE is replayed there."""
    (found,) = estimates(statement(EXCLUSIVE), facts=replace(FACTS, replicas=(Replica("a"), Replica("b"))))
    assert found.basis.endswith("replayed on 2 standbys, where it cancels queries that stay in its way")


def test_an_unknown_size_is_no_guess() -> None:
    """A table that could not be looked up has no upper bound."""
    (found,) = estimates(statement(EXCLUSIVE, rewrites=("public.users",)), facts=LiveFacts())
    assert found.high_ms is None
    assert found.basis == "writes public.users anew, whose size is not known"


def test_what_was_not_observed_has_no_estimate() -> None:
    """Nor does it keep the others from theirs."""
    found = estimated([Statement("ALTER TABLE a"), statement(EXCLUSIVE)], FACTS, TIMEOUT_MS)
    assert [each.estimate is None for each in found] == [True, False]


def test_the_live_facts_are_those_of_the_database(database: Database) -> None:
    """Sizes, rows and writes of the tables asked for, whatever their names; those that are not there are left out."""
    database.execute('CREATE SCHEMA "s.x"')
    database.execute('CREATE TABLE "s.x"."a ""b" AS SELECT i, repeat(\'x\', 100) AS t FROM generate_series(1, 5000) i')
    database.execute('CREATE INDEX ON "s.x"."a ""b" (i)')
    database.execute('ANALYZE "s.x"."a ""b"')
    database.execute("CREATE TABLE fresh (id int)")
    name = '"s.x"."a ""b"'
    seen = statement(lock("Share", name), scans=("public.fresh", "public.gone"))
    connection = database.connect()
    connection.autocommit = False
    facts = read_live_facts(connection, tables_of_interest([seen]))
    connection.close()
    assert sorted(facts.tables) == [name, "public.fresh"]
    assert facts.tables[name].rows == pytest.approx(5000)
    assert facts.tables[name].table_bytes > 500_000
    assert facts.tables[name].index_bytes > 50_000
    assert (facts.tables["public.fresh"].table_bytes, facts.replicas) == (0, ())


def test_a_locked_table_is_not_waited_for(database: Database) -> None:
    """Its size is what the catalog remembers, and the oldest transaction is told."""
    database.execute("CREATE TABLE held AS SELECT i FROM generate_series(1, 5000) i")
    database.execute("ANALYZE held")
    holder, asking = database.connect(), database.connect()
    holder.autocommit = asking.autocommit = False
    with holder.cursor() as cursor:
        cursor.execute("LOCK TABLE held")
    facts = read_live_facts(asking, ["public.held"])
    assert facts.tables["public.held"].table_bytes > 100_000
    assert facts.longest_transaction_seconds > 0
    for connection in (asking, holder):
        connection.close()
