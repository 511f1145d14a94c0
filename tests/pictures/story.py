"""The sample shop with rows in it and a change on its way: what the pictures are taken of."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg2

from erm_alembic.postgres.embedded.server import EmbeddedServer
from tests.support.cli import REPOSITORY

__all__ = ["Shop", "shop"]

HERE = Path(__file__).resolve().parent
SAMPLE = REPOSITORY / "examples" / "shop"
ORDERS = 300_000
# Rows without their foreign keys being looked up one by one: they are right by construction.
ROWS = f"""
    SET session_replication_role = replica;
    INSERT INTO customers (id, email, full_name)
         SELECT i, 'c' || i || '@example.org', 'Customer ' || i FROM generate_series(1, {ORDERS // 10}) i;
    INSERT INTO products (id, sku, title, price_cents)
         SELECT i, 'SKU' || i, 'Product ' || i, 990 + i FROM generate_series(1, 500) i;
    INSERT INTO orders (id, customer_id, status, placed_at)
         SELECT i, 1 + i % {ORDERS // 10}, 'paid', now() - i * interval '1 minute' FROM generate_series(1, {ORDERS}) i;
    INSERT INTO order_lines (id, order_id, product_id, quantity, unit_price_cents)
         SELECT i, 1 + i % {ORDERS}, 1 + i / {ORDERS}, 1, 1990 FROM generate_series(1, {ORDERS * 4}) i;
    ANALYZE;
"""
# The models as the pending revisions leave the database.
MODELS = """

from sqlalchemy import BigInteger, SmallInteger


class Review(Base):
    __tablename__ = "reviews"
    __table_args__ = (CheckConstraint("stars BETWEEN 1 AND 5", name="stars"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    product_id: Mapped[int] = mapped_column(ForeignKey("products.id"), index=True)
    customer_id: Mapped[int] = mapped_column(ForeignKey("customers.id"))
    stars: Mapped[int] = mapped_column(SmallInteger)
    words: Mapped[str | None] = mapped_column(Text)


Customer.points = mapped_column(Integer, server_default=text("0"), index=True, nullable=False)
OrderLine.__table__.c.id.type = BigInteger()
Index("ix_orders_placed_at", Order.placed_at)
"""


@dataclass(frozen=True)
class Shop:
    """The project, deployed on a private server.

    Args:
        root: its folder.
    """

    root: Path

    @property
    def environ(self) -> dict[str, str]:
        """The variables of a command in it."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("ERM_", "PG", "ALEMBIC_"))}
        return {**kept, "PYTHONPATH": str(REPOSITORY)}

    def erm(self, *arguments: str, exit_code: int = 0) -> str:
        """What a command prints; it has to end with that exit code."""
        command = [sys.executable, "-m", "erm_alembic", *arguments]
        done = subprocess.run(command, cwd=self.root, env=self.environ, capture_output=True, text=True, check=False)
        assert done.returncode == exit_code, done.stdout + done.stderr
        return done.stdout

    def change(self) -> None:
        """Put the revisions there that are pending in the pictures."""
        versions = self.root / "migrations" / "versions"
        for file in (*(SAMPLE / "next").glob("*.py"), *(HERE / "revisions").glob("*.py")):
            shutil.copy(file, versions)
        with (self.root / "shop" / "models.py").open("a", encoding="utf-8") as models:
            models.write(MODELS)


@contextlib.contextmanager
def shop() -> Iterator[Shop]:
    """The sample shop, deployed and filled; everything is gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="erm-pictures-"))
    try:
        found = Shop(folder / "shop")
        shutil.copytree(SAMPLE, found.root, ignore=shutil.ignore_patterns("__pycache__", ".erm", "next"))
        found.erm("migrate", "--env", "dev")
        connection = psycopg2.connect(EmbeddedServer(found.root).dsn("shop"))
        with contextlib.closing(connection), connection, connection.cursor() as cursor:
            cursor.execute(ROWS)
        found.change()
        yield found
    finally:
        if (folder / "shop" / ".erm").exists():
            EmbeddedServer(folder / "shop").stop()
        shutil.rmtree(folder, ignore_errors=True)
