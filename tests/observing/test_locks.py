"""Who waits for whom, which transactions stay open, and what a role may see of it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from psycopg2 import sql

from erm_alembic.observing.sampling import Sampler
from tests.observing.observed import Watch, target_of
from tests.support.databases import Database
from tests.support.waiting import until

TABLE = 'sales."Bestell\nung %s"'


@contextmanager
def blocked(database: Database, secret: str) -> Iterator[None]:
    """A table that one session holds, and another one waits for, with a value in its statement."""
    database.execute(f"CREATE SCHEMA sales; CREATE TABLE {TABLE.replace('%', '%%')} (email text)", 1)
    table = sql.Identifier("sales", "Bestell\nung %s")
    holder, waiter = database.connect(application_name="holder"), database.connect(application_name="waiter")
    holder.autocommit = False
    with holder.cursor() as cursor:
        cursor.execute(sql.SQL("LOCK TABLE {}").format(table))

    def wait() -> None:
        with waiter.cursor() as cursor:
            cursor.execute(sql.SQL("SELECT * FROM {} WHERE email = {}").format(table, sql.Literal(secret)))

    thread = threading.Thread(target=wait)
    thread.start()
    try:
        until(lambda: database.execute("SELECT 1 FROM pg_locks WHERE NOT granted"))
        yield
    finally:
        holder.rollback()
        thread.join()
        holder.close()
        waiter.close()


def test_a_lock_that_is_waited_for_is_told_with_who_holds_it_and_without_values(
    database: Database, secret: str
) -> None:
    """Whoever waits, for what, behind whom: no value of their statements is told."""
    with Sampler(target_of(database.url)) as sampler:
        watch = Watch(sampler)
        with blocked(database, secret):
            observation = watch.look()
        (found,) = watch.of("lock-wait")
        assert found.severity == "error" and observation.is_worse
        assert "for ACCESS SHARE on table sales.Bestell" in found.message
        assert "In the way is pid" in found.message and "holder" in found.message
        (open_one,) = watch.of("long-transaction")
        assert "A transaction has been open for" in open_one.message
        last = observation.last
        assert last is not None and last.waiting == 1 and last.connections is not None
        assert last.connections.active >= 1 and last.connections.idle_in_transaction == 1
        assert secret not in repr(observation)
        # When it is over, it stays found: the time that was observed was not calm.
        watch.look()
        (found,) = watch.of("lock-wait")
        assert found.is_over and found.seen == 1 and watch.observation.is_worse


def test_a_role_with_few_rights_is_told_what_it_cannot_see(database: Database, secret: str) -> None:
    """Locks are seen by everybody; who holds them is not, and pg_monitor is named as what would help."""
    role = f"few_{database.name}"
    database.execute(f"CREATE ROLE {role} LOGIN")
    try:
        url = database.url.replace("postgresql://postgres@", f"postgresql://{role}@")
        assert url != database.url
        with Sampler(target_of(url)) as sampler, blocked(database, secret):
            watch = Watch(sampler)
            observation = watch.look()
            (found,) = watch.of("lock-wait")
            assert "a lock that this role may not see" in found.message
            assert "GRANT pg_monitor" in observation.unseen["sessions"]
            assert "pg_stat_statements" in observation.unseen
            database.execute(f"GRANT pg_monitor TO {role}")
            watch.look()
            (found,) = watch.of("lock-wait")
            assert "In the way is pid" in found.message
            assert "sessions" not in watch.observation.unseen
    finally:
        database.execute(f"DROP ROLE {role}")
