"""A database for each pull request: made once, brought up to date, and nothing dropped that erm has not made."""

from __future__ import annotations

import contextlib
import json
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg2
import pytest

from erm_alembic.postgres.preview_lock import one_at_a_time
from erm_alembic.postgres.previews import create
from erm_alembic.postgres.scratch import is_scratch
from tests.faults.deploying import Project, advisory_locks, told
from tests.previews.previewing import (
    administer,
    aged,
    listed,
    made,
    names,
    rows,
    waiting,
    with_two_revisions,
)
from tests.support.databases import Database

HOSTILE = 'feature/Ünï "q"\'; DROP'


@pytest.fixture
def on_each_major(database: Database, tmp_path: Path) -> Iterator[Project]:
    """The same on a server of every major."""
    yield from with_two_revisions(database, tmp_path)


@pytest.fixture
def project(one_database: Database, tmp_path: Path) -> Iterator[Project]:
    """An Alembic project with two revisions; its previews are dropped at the end."""
    yield from with_two_revisions(one_database, tmp_path)


@pytest.fixture
def name() -> str:
    """A name that no other test has."""
    return f"pr-{uuid.uuid4().hex[:8]}"


def test_a_preview_is_made_brought_up_to_date_and_dropped(project: Project, name: str) -> None:
    """Create makes it at the heads, again runs only what is new, and drop takes it away; names may be anything."""
    name = f"{HOSTILE}{name}"
    url = made(project, name)
    assert rows(url, "SELECT current_database(), version_num FROM alembic_version") == [(name, "b2")]
    project.table("c3", "third", down="b2")
    again = json.loads(project.erm("preview", "create", name, "--format", "json").stdout)
    assert (again["created"], again["ran"], again["current"], again["url"]) == (False, 1, ["c3"], url)
    assert listed(project)[name]["environment"] == "dev"
    assert project.database is not None
    own = "SELECT relname FROM pg_class WHERE relname IN ('first', 'run')"
    assert project.database.execute(own) == []  # nothing of it is in the profile's own database
    dropped = project.erm("preview", "drop", name)
    assert (dropped.returncode, dropped.stdout) == (0, f"{name} is dropped.\n")
    missing = project.erm("preview", "drop", name)
    assert (missing.returncode, missing.stdout) == (0, f"{name} was not there.\n")


def test_a_database_that_erm_has_not_made_is_neither_taken_nor_dropped(project: Project, name: str) -> None:
    """Also where one of several names is foreign: then none of them is dropped."""
    assert project.database is not None
    administer(project.database, "CREATE DATABASE {}", name)
    ours = f"{name}-ours"
    made(project, ours)
    code, lines = told(project.erm("preview", "create", name, "--fresh"))
    assert code == 1
    assert lines[0] == f"error:  There is a database {name}, and erm has not made it for a preview."
    for command in (("drop", ours, name), ("drop", "postgres"), ("drop", project.database.name)):
        code, lines = told(project.erm("preview", *command))
        assert (code, lines[1]) == (1, "effect: Nothing was dropped.")
    assert {name, ours} <= set(names(project.database))


def test_a_preview_that_somebody_renamed_or_copied_is_his(project: Project, name: str) -> None:
    """The mark names the database: with another name, or on another database, it is none."""
    assert project.database is not None
    made(project, name)
    kept = f"{name}-kept"
    administer(project.database, "ALTER DATABASE {} RENAME TO {}", name, kept)
    ((comment,),) = project.database.execute(
        "SELECT quote_literal(shobj_description(oid, 'pg_database')) FROM pg_database WHERE datname = %s", kept
    )
    administer(project.database, "CREATE DATABASE {}", name)
    project.database.execute(f'COMMENT ON DATABASE "{name}" IS {comment}')
    assert listed(project) == {}
    assert [project.erm("preview", "drop", each).returncode for each in (name, kept)] == [1, 1]


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "is empty"),
        ("x" * 64, "has 64 bytes"),
        ("ü" * 32, "has 64 bytes"),
        ("a\nb", "cannot be seen"),
        (" a", "begins or ends with a space"),
        ("template1", "every server has"),
    ],
)
def test_a_name_that_cannot_be_one_is_refused(project: Project, name: str, why: str) -> None:
    """PostgreSQL would cut it, or nobody could tell it from another."""
    code, lines = told(project.erm("preview", "create", name))
    assert code == 2
    assert why in lines[0]


def test_a_name_may_have_63_bytes(project: Project, name: str) -> None:
    """The longest name is taken as it is."""
    longest = name + "ü" * ((63 - len(name)) // 2)
    longest += "x" * (63 - len(longest.encode()))
    assert rows(made(project, longest), "SELECT current_database()") == [(longest,)]


def test_two_pipelines_at_once_make_one_preview(project: Project, name: str) -> None:
    """Both end well; one has made it, the other found it."""
    with project.running("preview", "create", name, "--format", "json") as first:
        second = project.erm("preview", "create", name, "--format", "json")
        code, out, err = first.ended(60)
    assert (code, second.returncode) == (0, 0), err + second.stderr
    assert sorted([json.loads(out)["created"], json.loads(second.stdout)["created"]]) == [False, True]
    assert list(listed(project)) == [name]


def test_one_works_on_a_preview_whatever_database_it_works_from(project: Project, name: str) -> None:
    """Two profiles may have two databases on one server, and the same previews: the second waits for the first."""
    assert project.database is not None
    other = replace(project.database, name="postgres")
    with contextlib.closing(other.connect()) as first, contextlib.closing(project.database.connect()) as second:
        waits = second.cursor()
        waits.execute("SET lock_timeout = '1ms'")
        with one_at_a_time(first.cursor(), name):
            with pytest.raises(psycopg2.errors.LockNotAvailable), one_at_a_time(waits, name):
                pass
            with one_at_a_time(waits, f"{name}-other"):
                pass
        with one_at_a_time(waits, name):
            pass
        assert advisory_locks(project.database) == 0


def test_a_preview_can_be_a_copy_of_another_one(project: Project, name: str) -> None:
    """What stands in the main preview is in the copy, and only the revisions of the pull request are run on it."""
    main = f"{name}-main"
    url = made(project, main)
    connection = psycopg2.connect(url)
    connection.autocommit = True
    connection.cursor().execute("INSERT INTO first VALUES (7)")
    connection.close()
    project.table("c3", "third", down="b2")
    copied = json.loads(project.erm("preview", "create", name, "--copy-of", main, "--format", "json").stdout)
    assert (copied["ran"], rows(copied["url"], "SELECT id FROM first")) == (1, [(7,)])
    busy = psycopg2.connect(url)
    try:
        code, lines = told(project.erm("preview", "create", f"{name}-2", "--copy-of", main))
    finally:
        busy.close()
    assert (code, lines[0]) == (1, f"error:  Somebody is connected to {main}, so that it cannot be copied.")
    code, lines = told(project.erm("preview", "create", f"{name}-2", "--copy-of", f"{name}-none"))
    assert (code, lines[0]) == (2, f"error:  There is no database {name}-none on this server.")


def test_a_preview_has_the_settings_and_the_encoding_of_the_profile_s_database(
    on_each_major: Project, name: str
) -> None:
    """What ALTER DATABASE has set, lists too, holds in the preview: names go where they go in the profile's own."""
    project = on_each_major
    assert project.database is not None
    administer(project.database, "ALTER DATABASE {} SET search_path = 'App', public", project.database.name)
    administer(project.database, "ALTER DATABASE {} SET my.flag = 'a, b'", project.database.name)
    project.revision("a0", "op.execute('CREATE SCHEMA \"App\"')")
    project.table("a1", "first", down="a0")
    shown = "SELECT current_setting('my.flag'), current_setting('search_path')"
    url = made(project, name)
    assert rows(url, shown) == [("a, b", '"App", public')]
    alike = "SELECT encoding, datcollate, datctype FROM pg_database WHERE datname = current_database()"
    assert rows(url, alike) == project.database.execute(alike)


def test_a_failing_revision_leaves_the_preview_to_be_looked_at(project: Project, name: str) -> None:
    """The error says so; the mended revision goes on with it, and --fresh makes it anew."""
    broken = project.revision("c3", "op.execute('SELECT 1/0')", down="b2")
    done = project.erm("preview", "create", name)
    assert done.returncode == 1
    assert f"The preview {name} could not be migrated" in done.stderr
    assert "stays as it is" in done.stderr
    assert list(listed(project)) == [name]
    broken.unlink()
    project.table("c3", "third", down="b2")
    assert json.loads(project.erm("preview", "create", name, "--format", "json").stdout)["created"] is False
    assert json.loads(project.erm("preview", "create", name, "--fresh", "--format", "json").stdout)["ran"] == 3


def test_what_cannot_be_made_anew_stays(project: Project, name: str) -> None:
    """--fresh drops the preview once the new one is whole; its own data can be kept by a copy of itself."""
    assert project.database is not None
    url = made(project, name)
    of_before = "SELECT oid FROM pg_database WHERE datname = current_database()"
    before = rows(url, of_before)
    code, lines = told(project.erm("preview", "create", name, "--fresh", "--copy-of", f"{name}-none"))
    assert (code, lines[:2]) == (
        2,
        [f"error:  There is no database {name}-none on this server.", "effect: No database was made."],
    )
    with contextlib.closing(psycopg2.connect(url)) as busy:
        code, lines = told(project.erm("preview", "create", name, "--fresh", "--copy-of", name))
        busy.rollback()
    assert (code, lines[1]) == (1, "effect: No database was made.")
    assert rows(url, of_before) == before
    again = json.loads(project.erm("preview", "create", name, "--fresh", "--copy-of", name, "--format", "json").stdout)
    assert (again["created"], again["ran"], rows(url, of_before) == before) == (True, 0, False)
    assert list(listed(project)) == [name]
    left = project.database.execute("SELECT datname FROM pg_database WHERE starts_with(datname, 'erm_shadow_')")
    assert left == []


def test_a_rule_that_objects_is_told_by_its_name(project: Project, name: str) -> None:
    """What may not be deployed is not run on a preview either, and the error says why."""
    (project.versions / "b2.py").unlink()
    project.revision("b2", "op.execute('CREATE TABLE t ()')", "pass", down="a1")
    code, lines = told(project.erm("preview", "create", name))
    assert code == 1
    assert "missing-downgrade" in lines[0]


def test_hooks_and_approvals_are_for_the_profile_s_own_database(project: Project, name: str) -> None:
    """No hook is told of a preview, and it needs no approved plan."""
    project.config(
        """
        hooks: {before_run: ["false"]}
        safety: {require_plan: true}
        """
    )
    made(project, name)


def test_the_address_has_no_password(project: Project, name: str, secret: str) -> None:
    """What is printed can stand in a log; the connection is made with the profile's password all the same."""
    assert project.url is not None
    project.url = project.url.replace("postgres@", f"postgres:{secret}@")
    url = made(project, name)
    assert "postgres@" in url and secret not in url


def test_sweep_drops_what_nobody_asked_for_lately(project: Project, name: str) -> None:
    """Age counts from the last create; a database that erm has not made is older than any and stays."""
    assert project.database is not None
    made(project, name)
    line = next(line for line in project.erm("preview", "list").stdout.splitlines() if line.startswith(name))
    assert "made less than a minute ago" in line and " MB, owner postgres" in line
    kept = project.erm("preview", "sweep", "--older-than", "1d")
    assert (kept.returncode, kept.stdout) == (0, "There was nothing to drop.\n")
    swept = project.erm("preview", "sweep", "--older-than", "0s", "--format", "json")
    assert json.loads(swept.stdout)["dropped"] == [name]
    assert project.database.name in names(project.database)
    wrong = told(project.erm("preview", "sweep", "--older-than", "a week"))
    assert (wrong[0], wrong[1][2]) == (2, "cure:   Write it as in: --older-than 7d")


def test_a_copy_keeps_its_source_from_being_swept(project: Project, name: str) -> None:
    """What pull requests are copied from is in use, however long ago somebody made it."""
    assert project.database is not None
    source, copy = f"{name}-main", f"{name}-copy"
    made(project, source)
    aged(project.database, source)
    made(project, copy, "--copy-of", source)
    swept = project.erm("preview", "sweep", "--older-than", "1d")
    assert (swept.returncode, swept.stdout) == (0, "There was nothing to drop.\n")
    assert sorted(listed(project)) == sorted([source, copy])


def test_sweep_leaves_others_what_is_theirs(project: Project, name: str) -> None:
    """Of previews of two owners on one server each sweeps his own, whoever's comes first."""
    assert project.database is not None and project.url is not None
    login, own = f"{name}-role", f"{name}-z"
    made(project, f"{name}-a")
    administer(project.database, "CREATE ROLE {} LOGIN CREATEDB", login)
    project.url = project.url.replace("postgres@", f"{quote(login)}@")
    try:
        made(project, own)
        swept = project.erm("preview", "sweep", "--older-than", "0s")
        assert (swept.returncode, swept.stdout) == (0, f"{own} is dropped.\n")
        assert f"{name}-a belongs to another owner, and stays." in swept.stderr
    finally:
        administer(project.database, "DROP ROLE {}", login)


def test_sweep_leaves_what_was_asked_for_while_it_waited(project: Project, name: str) -> None:
    """It looks at the age again once nobody else works on the preview: that of a moment ago stays."""
    assert project.database is not None
    first, second = f"{name}-1", f"{name}-2"
    for each in (first, second):
        made(project, each)
        aged(project.database, each)
    with contextlib.closing(project.database.connect()) as connection, contextlib.ExitStack() as held:
        held.enter_context(one_at_a_time(connection.cursor(), first))
        with project.running("preview", "sweep", "--older-than", "1d", "--format", "json") as sweep:
            sweep.until(lambda: waiting(connection))
            made(project, second)
            held.close()
            code, out, err = sweep.ended(60)
    assert code == 0, err
    assert (json.loads(out)["dropped"], json.loads(out)["missing"]) == ([first], [])
    assert list(listed(project)) == [second]


def test_a_preview_that_was_being_made_when_its_maker_died_is_swept(project: Project, name: str) -> None:
    """What a killed process leaves has no preview's name, and goes with the next create."""
    assert project.database is not None
    before = set(names(project.database))
    with contextlib.closing(project.database.connect()) as connection:
        cursor = connection.cursor(cursor_factory=LostOnceMade)
        with pytest.raises(psycopg2.Error):
            create(cursor, f"{name}-lost", environment="dev", source=None, owner=None)
    (left,) = set(names(project.database)) - before
    assert is_scratch(left)
    made(project, name)
    assert set(names(project.database)) == {*before, name}
    limit = "SELECT datconnlimit FROM pg_database WHERE datname = %s"
    assert project.database.execute(limit, name) == [(-1,)]


class LostOnceMade(psycopg2.extensions.cursor):
    """Its session ends as soon as it has made a database, as that of a process that is killed."""

    def execute(self, query: Any, vars: Any = None) -> None:
        """Run a statement."""
        super().execute(query, vars)
        if self.statusmessage == "CREATE DATABASE":
            self.connection.close()


def test_a_preview_whose_drop_broke_off_is_told_dropped_and_made_anew(project: Project, name: str) -> None:
    """PostgreSQL lets nobody use such a database; an unfinished one of that kind goes with the next create."""
    assert project.database is not None
    broken = "UPDATE pg_database SET datconnlimit = -2 WHERE datname = %s"
    first, second, left = f"{name}-1", f"{name}-2", "erm_shadow_0123456789ab_00c0ffef"
    for each in (first, second):
        made(project, each)
        project.database.execute(broken, each)
    administer(project.database, "CREATE DATABASE {}", left)
    project.database.execute(broken, left)
    listed = project.erm("preview", "list").stdout
    assert listed.count("its drop broke off: `erm preview drop` ends it, `create` makes it anew") == 2
    made(project, first)
    assert project.erm("preview", "drop", second).returncode == 0
    assert {first} == {first, second, left} & set(names(project.database))
    assert "broke off" not in project.erm("preview", "list").stdout


def test_a_database_that_is_only_called_like_an_unfinished_one_stays(project: Project, name: str) -> None:
    """Whoever has called it so: erm has not made it for a preview, and does not drop it."""
    assert project.database is not None
    alike = "erm_shadow_0123456789ab_00c0ffee"
    administer(project.database, "CREATE DATABASE {}", alike)
    made(project, name)
    assert alike in names(project.database)


def test_a_role_without_rights_of_its_own_makes_what_another_role_owns(project: Project, name: str) -> None:
    """The login role makes and drops databases, and the role of the migrations owns them and what is in them."""
    assert project.database is not None and project.url is not None
    app, owner = f"{name}-app", f"{name}-owner"
    administer(project.database, "CREATE ROLE {} LOGIN; CREATE ROLE {}; GRANT {} TO {}", app, owner, owner, app)
    administer(project.database, "GRANT CREATE ON DATABASE {} TO {}", project.database.name, owner)
    project.url = project.url.replace("postgres@", f"{quote(app)}@")
    project.config(f"migrations: {{role: {owner}}}\n")
    try:
        code, lines = told(project.erm("preview", "create", name))
        assert (code, lines[0].endswith("permission denied to create database.")) == (1, True)
        administer(project.database, "ALTER ROLE {} CREATEDB", app)
        url = made(project, name)
        assert listed(project)[name]["owner"] == owner
        owners = "SELECT DISTINCT tableowner FROM pg_tables WHERE tablename IN ('first', 'second')"
        assert rows(url, owners) == [(owner,)]
        assert project.erm("preview", "drop", name).returncode == 0
    finally:
        administer(project.database, "DROP OWNED BY {}, {}; DROP ROLE {}, {}", app, owner, app, owner)
