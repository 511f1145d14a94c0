"""What env.py leaves open on its own connection neither hangs the revisions nor loses its locks."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from erm_alembic import migrate
from tests.adoption.sample import Sample
from tests.support.databases import Database

CONCURRENTLY = '''"""index the author"""
from alembic import op

revision = "c1"
down_revision = "{parent}"


def upgrade():
    with op.get_context().autocommit_block():
        op.execute("SET statement_timeout = '20s'")
        op.create_index("ix_author_name", "author", ["name"], postgresql_concurrently=True)


def downgrade():
    with op.get_context().autocommit_block():
        op.drop_index("ix_author_name", postgresql_concurrently=True)
'''


def _add_concurrent_index(sample: Sample) -> None:
    versions = sample.path.parent / "generic" / "migrations" / "versions"
    parent = "a3"
    (versions / "c1_index.py").write_text(CONCURRENTLY.format(parent=parent))


@pytest.mark.parametrize("name", ["generic", "asynchronous", "own_lock", "psycopg3"])
def test_a_concurrent_index_does_not_wait_for_env_py(
    name: str, sample: Callable[[str, Database], Sample], one_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CREATE INDEX CONCURRENTLY waits for every older transaction: env.py's own must not be one of them."""
    project = sample(name, one_database)
    _add_concurrent_index(project)
    monkeypatch.chdir(project.path)
    monkeypatch.setenv("ERM_DATABASE_URL", one_database.url)
    done = migrate.apply()
    assert (done.outcome.result, done.outcome.error) == ("done", None)
    assert one_database.execute("SELECT indisvalid FROM pg_index WHERE indexrelid = 'ix_author_name'::regclass") == [
        (True,)
    ]
    assert migrate.rollback().outcome.result == "done"


def test_a_lock_that_env_py_took_for_its_transaction_is_held_to_the_end(
    sample: Callable[[str, Database], Sample], one_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both forms of key, negative ones too, are still locked while the revisions run."""
    project = sample("generic", one_database)
    env_py = project.path / "migrations" / "env.py"
    text = env_py.read_text()
    locks = (
        "        from sqlalchemy import text as sql_text\n"
        "        connection.execute(sql_text('SELECT pg_advisory_xact_lock(-42), pg_advisory_xact_lock(-7, 8)'))\n"
    )
    configure = "        context.configure(connection="
    assert text.count(configure) == 1
    env_py.write_text(text.replace(configure, locks + configure))
    versions = project.path / "migrations" / "versions"
    (versions / "c1_look.py").write_text(
        '"""look"""\nfrom alembic import op\n\nrevision = "c1"\ndown_revision = "a3"\n\n\n'
        "def upgrade():\n"
        "    op.execute('CREATE TABLE free AS SELECT pg_try_advisory_lock(-42) a, pg_try_advisory_lock(-7, 8) b')\n\n\n"
        "def downgrade():\n    op.execute('DROP TABLE free')\n"
    )
    monkeypatch.chdir(project.path)
    monkeypatch.setenv("ERM_DATABASE_URL", one_database.url)
    assert migrate.apply().outcome.result == "done"
    assert one_database.execute("SELECT a, b FROM free") == [(False, False)]
