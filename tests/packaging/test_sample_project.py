"""The sample shop is a correct Alembic project by itself: plain Alembic takes it up, down and up again."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from erm_alembic.config.dsn import DatabaseUrl
from tests.support.cli import REPOSITORY
from tests.support.databases import Database

SHOP = REPOSITORY / "examples" / "shop"
LEFT_BEHIND = """
    SELECT relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE nspname = 'public' AND relname NOT LIKE 'alembic_version%%'
    UNION ALL
    SELECT typname FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
     WHERE nspname = 'public' AND typname NOT LIKE '%%alembic_version'
    UNION ALL
    SELECT proname FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE nspname = 'public'
"""


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the shop with the demo's change in it, and its code importable."""
    project = tmp_path / "shop"
    shutil.copytree(SHOP, project, ignore=shutil.ignore_patterns("__pycache__", ".erm", "next"))
    monkeypatch.chdir(project)
    monkeypatch.syspath_prepend(str(project))
    yield project


def alembic(project: Path, database: Database) -> Config:
    """Plain Alembic, pointed at a database the way a user would: by sqlalchemy.url."""
    config = Config(str(project / "alembic.ini"))
    url = DatabaseUrl.parse(database.url).sqlalchemy_url("postgresql+psycopg2").render_as_string(hide_password=False)
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    return config


def add_the_change(project: Path) -> None:
    """Add the revision that the demo adds halfway."""
    for path in (SHOP / "next").glob("*.py"):
        shutil.copy(path, project / "migrations" / "versions")


def test_every_downgrade_undoes_its_upgrade(shop: Path, database: Database) -> None:
    """Up to the head, down to nothing (no table, type or function is left), and up again."""
    add_the_change(shop)
    config = alembic(shop, database)
    command.upgrade(config, "head")
    command.downgrade(config, "base")
    assert database.execute(LEFT_BEHIND) == []
    command.upgrade(config, "head")
    assert database.execute("SELECT version_num FROM alembic_version") == [("2e6d94b0f7a3",)]


def test_models_and_revisions_agree(shop: Path, one_database: Database) -> None:
    """`alembic check` finds no difference between the models and the migrated database."""
    config = alembic(shop, one_database)
    command.upgrade(config, "head")
    command.check(config)


def test_the_downgrade_of_the_enum_keeps_the_rows(shop: Path, one_database: Database) -> None:
    """Orders survive the way back: refunded ones become cancelled, and the partial index is there again."""
    config = alembic(shop, one_database)
    command.upgrade(config, "head")
    one_database.execute("INSERT INTO customers (email, full_name) VALUES ('a@example.org', 'A')")
    one_database.execute("INSERT INTO orders (customer_id, status) VALUES (1, 'refunded'), (1, 'paid')")
    command.downgrade(config, "96b3e1f5a7d4")
    assert one_database.execute("SELECT status::text FROM orders ORDER BY id") == [("cancelled",), ("paid",)]
    assert one_database.execute("SELECT enum_range(NULL::order_status)::text") == [
        ("{cart,placed,paid,shipped,cancelled}",)
    ]
    assert one_database.execute("SELECT count(*) FROM pg_indexes WHERE indexname = 'ix_orders_open'") == [(1,)]


def test_the_data_migration_carries_prices_over(shop: Path, one_database: Database) -> None:
    """Lines from before the column existed take their product's price; the view's totals stay the same."""
    config = alembic(shop, one_database)
    command.upgrade(config, "c913f7ab2d60")
    one_database.execute("INSERT INTO customers (email, full_name) VALUES ('a@example.org', 'A')")
    one_database.execute("INSERT INTO products (sku, title, price_cents) VALUES ('x', 'X', 250), ('y', 'Y', 99)")
    one_database.execute("INSERT INTO orders (customer_id) VALUES (1)")
    one_database.execute("INSERT INTO order_lines (order_id, product_id, quantity) VALUES (1, 1, 2), (1, 2, 1)")
    before = one_database.execute("SELECT total_cents FROM order_totals")
    command.upgrade(config, "5f28e6d09b7c")
    assert one_database.execute("SELECT unit_price_cents FROM order_lines ORDER BY id") == [(250,), (99,)]
    assert one_database.execute("SELECT total_cents FROM order_totals") == before == [(599,)]


def test_the_shop_has_what_the_readme_lists(shop: Path) -> None:
    """One branch point, one merge, one head; every revision stands in the shop's README."""
    scripts = ScriptDirectory(str(shop / "migrations"))
    revisions = list(scripts.walk_revisions())
    assert len(scripts.get_heads()) == 1
    assert [revision.revision for revision in revisions if revision.is_branch_point] == ["71f8a3c6b5d2"]
    assert [revision.revision for revision in revisions if revision.is_merge_point] == ["d8047ca1e35b"]
    readme = (SHOP / "README.md").read_text(encoding="utf-8")
    assert [revision.revision for revision in revisions if f"`{revision.revision}`" not in readme] == []
