"""What a change leaves behind in the catalogs of a real server: invalid indexes, constraints, dead rows; odd names."""

from __future__ import annotations

import contextlib
import threading

import psycopg2

from erm_alembic.observing.sampling import Sampler
from tests.observing.observed import Watch, sample, seen, target_of
from tests.support.databases import Database, newest
from tests.support.waiting import until


def test_what_is_left_behind_is_told_by_its_quoted_name(database: Database) -> None:
    """Only what is new counts: what was invalid before is not worse than before."""
    database.execute('CREATE SCHEMA "a.b"; CREATE TABLE "a.b"."t ""x" (id int, n int)')
    database.execute('INSERT INTO "a.b"."t ""x" VALUES (1, 1), (1, 2)')
    _fail_to_index(database, "old one")
    with Sampler(target_of(database.url), ['"a.b"."t ""x"', "gone", "a.b.c.d.e"]) as sampler:
        watch = Watch(sampler)
        watch.look()
        assert not watch.of("invalid-index")
        _fail_to_index(database, "new.one")
        database.execute('ALTER TABLE "a.b"."t ""x" ADD CONSTRAINT "c.d" CHECK (n > 0) NOT VALID')
        watch.look()
        (index,) = watch.of("invalid-index")
        assert index.subject == '"a.b"."new.one"'
        assert 'DROP INDEX CONCURRENTLY "a.b"."new.one"' in index.help
        (constraint,) = watch.of("unvalidated-constraint")
        assert constraint.help == 'ALTER TABLE "a.b"."t ""x" VALIDATE CONSTRAINT "c.d"'
        database.execute('DROP INDEX "a.b"."new.one"')
        watch.look()
        (index,) = watch.of("invalid-index")
        assert index.is_over
        last = watch.observation.last
        assert last is not None
        # A name that is none is told, and takes nothing of the rest away.
        assert "tables" in last.unseen or [table.name for table in last.tables if table.is_asked_for]


def _fail_to_index(database: Database, name: str) -> None:
    """A concurrent build that fails leaves an invalid index."""
    with contextlib.suppress(psycopg2.errors.UniqueViolation):
        database.execute(f'CREATE UNIQUE INDEX CONCURRENTLY "{name}" ON "a.b"."t ""x" (id)')


def test_a_table_that_there_is_not_is_named(one_database: Database) -> None:
    """A typo, or a name without its schema, is told; the others are looked at."""
    one_database.execute("CREATE TABLE orders (id int)")
    with Sampler(target_of(one_database.url), ["orders", "public.orders"]) as sampler:
        found = sampler.take()
        assert not isinstance(found, str)
        assert found.unseen["table orders"] == "there is none of that name; a schema belongs to it"
        assert [table.name for table in found.tables if table.is_asked_for] == ["public.orders"]


def test_an_index_that_is_being_built_is_not_invalid(one_database: Database) -> None:
    """A concurrent build that waits for an older transaction is under way, and its wait is told."""
    one_database.execute("CREATE TABLE orders (id int)")
    holder, builder = one_database.connect(), one_database.connect()
    holder.autocommit = False
    with holder.cursor() as cursor:
        cursor.execute("INSERT INTO orders VALUES (1)")

    def build() -> None:
        with builder.cursor() as cursor:
            cursor.execute("CREATE INDEX CONCURRENTLY slow ON orders (id)")

    thread = threading.Thread(target=build)
    thread.start()
    try:
        until(lambda: one_database.execute("SELECT 1 FROM pg_index WHERE NOT indisvalid"))
        with Sampler(target_of(one_database.url)) as sampler:
            found = sampler.take()
            assert not isinstance(found, str) and found.invalid_indexes == ()
    finally:
        holder.rollback()
        thread.join()
        holder.close()
        builder.close()


def test_what_the_catalogs_say_is_not_read_at_every_look(one_database: Database) -> None:
    """A schema of a hundred thousand tables is not scanned each second; at the end it is."""
    with Sampler(target_of(one_database.url)) as sampler:
        sampler.take()
        one_database.execute("CREATE TABLE orders (id int); ALTER TABLE orders ADD CHECK (id > 0) NOT VALID")
        now = sampler.take(thrifty=True)
        assert not isinstance(now, str) and now.unvalidated == ()
        now = sampler.take()
        assert not isinstance(now, str) and now.unvalidated == (("public.orders", "orders_id_check"),)


def test_text_in_another_encoding_hides_only_itself(one_database: Database) -> None:
    """A database that checks no encoding may hold any bytes: what quotes them is not seen, all else is."""
    name = f"{one_database.name}_ascii"
    provider = "LOCALE_PROVIDER libc" if newest().major >= 15 else ""
    encoding = f"ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' {provider}"
    one_database.execute(f"CREATE DATABASE {name} {encoding} TEMPLATE template0")
    try:
        url = one_database.url.replace(one_database.name, name)
        holder = psycopg2.connect(url, client_encoding="latin1")
        with holder.cursor() as cursor:
            cursor.execute('CREATE TABLE "f\xfcr" (id int); LOCK TABLE "f\xfcr"')
        with Sampler(target_of(url)) as sampler:
            found = sampler.take()
            assert not isinstance(found, str) and found.connections is not None
            assert "encoding" in found.unseen["transactions"]
        holder.close()
    finally:
        one_database.execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_a_lock_that_an_application_made_for_itself_makes_nothing_worse() -> None:
    """Whoever waits to become the leader waits for as long as the leader lives."""
    from erm_alembic.postgres.health.sessions import LockWait

    waiting = sample(0, waiting=1, waits=(LockWait(7, 9999.0, "an advisory lock", is_advisory=True),))
    assert seen(waiting).findings == ()
