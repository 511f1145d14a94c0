"""A whole backup comes back beside the database, and never over one that is there."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import psycopg2
import pytest

import erm_alembic.backup
from erm_alembic.backup.restoring import Restored
from erm_alembic.errors import BackupError, Interrupted
from tests.backup.conftest import Shop
from tests.backup.test_verifying import flip, taken


@pytest.fixture
def name(shop: Shop) -> Iterator[str]:
    """A name that is awkward, and free."""
    begins = shop.database.name
    yield f'{begins} "again" %s'
    for (each,) in shop.sql("SELECT datname::text FROM pg_database WHERE starts_with(datname::text, %s)", begins + " "):
        quoted = each.replace('"', '""')
        shop.sql(f'DROP DATABASE "{quoted}" WITH (FORCE)')


def restore(name: str, **arguments: bool) -> Restored:
    """Restore the latest backup."""
    return erm_alembic.backup.restore("dev", into=name, **arguments)


def count(shop: Shop, name: str) -> int:
    """The rows of the table in a database."""
    found = replace(shop.database, name=name).execute("SELECT count(*) FROM users")
    return int(found[0][0])


def test_it_comes_back_into_a_database_that_is_made_for_it(shop: Shop, name: str) -> None:
    """Every row is there, the database of the profile is as it was; one that is there is never overwritten."""
    taken(shop)
    shop.sql("DELETE FROM users WHERE id > 5")
    found = restore(name)
    assert (found.database, found.kept_as, count(shop, name)) == (name, None, 2000)
    assert shop.sql("SELECT count(*) FROM users") == [(5,)]
    with pytest.raises(BackupError) as caught:
        restore(name)
    assert caught.value.what == f"There is a database {name!r} already, and it is not empty."
    with pytest.raises(BackupError, match="cannot give way while"):
        restore(shop.database.name, replace=True)
    replace(shop.database, name=name).execute("DELETE FROM users")
    again = restore(name, replace=True)
    assert again.kept_as is not None and (count(shop, name), count(shop, again.kept_as)) == (2000, 0)


def test_an_empty_database_that_somebody_has_made_takes_it(shop: Shop, name: str) -> None:
    """A role that may not create databases is told to have one made."""
    taken(shop)
    quoted = name.replace('"', '""')
    shop.sql(f'CREATE DATABASE "{quoted}"')
    restore(name)
    assert count(shop, name) == 2000


def test_what_does_not_come_back_whole_is_dropped_again(shop: Shop, name: str) -> None:
    """A damaged backup makes no database, and neither does one that cannot be restored."""
    folder = taken(shop)
    whole = (folder / "database.dump").read_bytes()
    flip(folder)
    with pytest.raises(BackupError, match="is damaged"):
        restore(name)
    (folder / "database.dump").write_bytes(whole)
    shop.sql("CREATE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1'")
    shop.sql("CREATE TABLE fails (id int CHECK (id <> one() * 3))")
    shop.sql("INSERT INTO fails VALUES (1)")
    shop.sql("CREATE OR REPLACE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1 / 0'")
    shop.take()
    with pytest.raises(BackupError) as caught:
        restore(name)
    assert caught.value.effect == "What was made of it is gone again."
    assert shop.sql("SELECT 1 FROM pg_database WHERE datname = %s", name) == []
    quoted = name.replace('"', '""')
    shop.sql(f'CREATE DATABASE "{quoted}"')
    with pytest.raises(BackupError) as caught:
        restore(name)
    assert caught.value.effect == f"{name!r} was there before, and stays: it may hold a part of the backup now."
    assert f"drop {name!r} and make it anew" in caught.value.cure
    assert shop.sql("SELECT 1 FROM pg_database WHERE datname = %s", name) == [(1,)]


def test_a_signal_tells_what_is_left_of_the_restore(shop: Shop, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was made is gone; a database that was there stays; a signal when all was done has stopped nothing."""
    from erm_alembic.backup import restoring

    taken(shop)
    whole = restoring.run_program

    def interrupted(*arguments: Any) -> None:
        whole(*arguments)
        os.kill(os.getpid(), signal.SIGTERM)

    quoted = name.replace('"', '""')
    monkeypatch.setattr(restoring, "run_program", interrupted)
    with pytest.raises(Interrupted) as caught:
        restore(name)
    assert caught.value.effect == "What was made of it is gone again."
    assert shop.sql("SELECT 1 FROM pg_database WHERE datname = %s", name) == []
    shop.sql(f'CREATE DATABASE "{quoted}"')
    with pytest.raises(Interrupted) as caught:
        restore(name)
    assert "was there before, and stays" in caught.value.effect and "make it anew" in caught.value.cure
    shop.sql(f'DROP DATABASE "{quoted}"')
    monkeypatch.setattr(restoring, "run_program", whole)
    result = restoring._result
    monkeypatch.setattr(restoring, "_result", lambda *given: (os.kill(os.getpid(), signal.SIGTERM), result(*given))[1])
    assert restore(name).rows >= 2000


def test_the_command_shows_and_does(shop: Shop) -> None:
    """`erm restore --lost` shows what it would do, and does it with --yes; options of the other way are refused."""
    shop.revision("a1", "CREATE TABLE users (id int PRIMARY KEY, email text)", "DROP TABLE users")
    shop.apply()
    shop.sql("INSERT INTO users VALUES (1, 'e1')")
    shop.revision("b2", "ALTER TABLE users DROP COLUMN email", "ALTER TABLE users ADD email text", after="a1")
    shop.apply()
    shop.rollback()
    tried = shop.project.erm("restore", "--to", "latest", "--lost")
    assert tried.returncode == 0 and "    email: 1 row gets the backup's value" in tried.stdout
    assert tried.stdout.endswith("Nothing was changed.\nTo do it: erm restore --to latest --lost --yes\n")
    done = shop.project.erm("restore", "--to", "latest", "--lost", "--yes", "--format", "json")
    assert '"set": 1' in done.stdout and shop.sql("SELECT email FROM users") == [("e1",)]
    mixed = shop.project.erm("restore", "--to", "latest", "--lost", "--into", "x")
    assert mixed.returncode == 2 and "--into has an effect on a whole restore only." in mixed.stderr


def test_a_role_without_rights_is_told_what_it_lacks(shop: Shop, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither reads what it may not, nor makes a database; both say which right it takes."""
    taken(shop)
    role = f"r_{shop.database.name}"
    shop.sql(f"CREATE ROLE {role} LOGIN")
    shop.sql(f"GRANT ALL ON SCHEMA erm TO {role}")
    shop.sql(f"GRANT ALL ON ALL TABLES IN SCHEMA erm TO {role}")
    try:
        monkeypatch.setenv("ERM_DATABASE_URL", shop.database.url.replace("postgres@", f"{role}@"))
        with pytest.raises(BackupError) as caught:
            restore(name)
        assert caught.value.what == f"The role {role} may not create databases."
        with pytest.raises(BackupError, match="permission denied for table users") as caught:
            shop.take()
        assert "pg_read_all_data" in caught.value.cure
    finally:
        monkeypatch.setenv("ERM_DATABASE_URL", shop.database.url)
        with contextlib.suppress(psycopg2.Error):
            shop.sql(f"DROP OWNED BY {role}")
            shop.sql(f"DROP ROLE {role}")
