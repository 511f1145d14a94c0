"""What the words of a text tell about how it must be sent."""

from __future__ import annotations

import pytest

from erm_alembic.postgres.text.concurrently import ConcurrentIndex, concurrent_index
from erm_alembic.postgres.text.nature import nature


@pytest.mark.parametrize(
    ("text", "outside"),
    [
        ("CREATE INDEX i ON t (a)", None),
        ("-- why\nCREATE UNIQUE INDEX CONCURRENTLY ON t (a);", "CREATE INDEX"),
        ("drop index concurrently if exists i", "DROP INDEX"),
        ("REINDEX (VERBOSE) TABLE CONCURRENTLY t", "REINDEX"),
        ("REINDEX SCHEMA s", "REINDEX"),
        ("REINDEX TABLE t", None),
        ("ALTER TABLE p DETACH PARTITION q CONCURRENTLY", "DETACH"),
        ("ALTER TABLE p DETACH PARTITION q", None),
        ("ALTER SYSTEM SET work_mem = 1", "ALTER SYSTEM"),
        ("VACUUM t", "VACUUM"),
        ("CREATE DATABASE d", "CREATE DATABASE"),
        ("DROP SUBSCRIPTION s", "DROP SUBSCRIPTION"),
        ("REFRESH MATERIALIZED VIEW CONCURRENTLY v", None),
        ("DO $$ BEGIN COMMIT; END $$", "DO"),
        ("DO $$ BEGIN PERFORM 1; END $$", None),
        ("COMMENT ON TABLE t IS 'CREATE INDEX CONCURRENTLY'", None),
    ],
)
def test_what_cannot_run_in_a_transaction(text: str, outside: str | None) -> None:
    """The words tell what a transaction cannot hold; what stands in strings and comments does not count."""
    assert nature(text).outside == outside


@pytest.mark.parametrize(
    ("text", "again"),
    [
        ("SET search_path = s", True),
        ("SET a = 1; SHOW a", True),
        ("SET a = 1; DELETE FROM t", False),
        ("LOCK TABLE t", True),
        ("SELECT id FROM t FOR UPDATE SKIP LOCKED", True),
        ("SELECT pg_advisory_lock(1)", True),
        ("SELECT set_config('a.b', 'c', false)", True),
        ("SELECT setval('s', 1)", False),
        ("COPY (SELECT a FROM t) TO STDOUT", True),
        ("COPY t FROM STDIN", False),
        ("", True),
        ("INSERT INTO t VALUES ('FOR UPDATE')", False),
    ],
)
def test_what_is_always_sent_again(text: str, again: bool) -> None:
    """What is the session's or the transaction's only, and what hands rows to the revision, is sent each time."""
    assert nature(text).again is again


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("COMMIT AND CHAIN", "commits"),
        ("end transaction", "commits"),
        ("PREPARE TRANSACTION 'x'", "commits"),
        ("COMMIT; BEGIN", "commits"),
        ("ROLLBACK", "rolls_back"),
        ("ABORT", "rolls_back"),
        ("ROLLBACK TO SAVEPOINT a", "handles_savepoints"),
        ("RELEASE a", "handles_savepoints"),
        ("DELETE FROM t; COMMIT", "mixes"),
        ("DELETE FROM t; DELETE FROM u", None),
        ("COMMIT PREPARED 'x'", None),
        ("DELETE FROM t WHERE a = ';COMMIT'", None),
    ],
)
def test_what_it_makes_of_a_transaction(text: str, kind: str | None) -> None:
    """A text ends a transaction, undoes it, handles savepoints, mixes that with work, or does none of it."""
    told = [name for name in ("commits", "rolls_back", "handles_savepoints", "mixes") if getattr(nature(text), name)]
    assert told == ([] if kind is None else [kind])


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("CREATE INDEX CONCURRENTLY i ON t (a)", ConcurrentIndex("i", "t")),
        (
            'create unique index concurrently if not exists "I %s" on only "S"."t;"(a)',
            ConcurrentIndex("I %s", '"S"."t;"'),
        ),
        ("CREATE INDEX CONCURRENTLY ON t USING gin (a)", ConcurrentIndex(None, "t")),
        ("CREATE INDEX i ON t (a)", None),
        ("DROP INDEX CONCURRENTLY i", None),
    ],
)
def test_what_a_concurrent_build_names(text: str, found: ConcurrentIndex | None) -> None:
    """The index and the table are read off the words, quoted names as the server takes them."""
    assert concurrent_index(text) == found


@pytest.mark.parametrize(
    ("text", "writes"),
    [
        ("WITH a AS (DELETE FROM t RETURNING n) SELECT n FROM a", True),
        ("WITH a AS (SELECT n FROM t FOR NO KEY UPDATE) SELECT t.update FROM a", False),
        ("EXPLAIN ANALYZE INSERT INTO t VALUES (1)", True),
        ("SELECT dblink_exec('c', 'DELETE FROM t')", True),
        ("SELECT fill()", False),
        ("DO $$ BEGIN PERFORM fill(); END $$", True),
        ("COPY t FROM STDIN", True),
        ("COPY t TO STDOUT", False),
        ("SELECT pg_advisory_lock(1)", False),
        ("TRUNCATE t", True),
    ],
)
def test_what_writes_as_its_words_say(text: str, writes: bool) -> None:
    """A WITH or an EXPLAIN that holds a change of rows is no read, nor is a call that acts outside the transaction."""
    assert nature(text).writes is writes
