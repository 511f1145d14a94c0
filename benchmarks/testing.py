"""What a database costs a test: a copy of the template, or a session that is rolled back, beside an upgrade for each.

python -m benchmarks.testing [--rounds N] [--write]

Everything runs in this process, on the same private server and the same project, one after the other in every round,
so that a load on the machine falls on all alike.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import re
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import psycopg2
from alembic import command
from alembic.config import Config
from psycopg2 import sql
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from benchmarks.projects import write_project
from erm_alembic.config.dsn import DatabaseUrl
from erm_alembic.postgres.embedded.binaries import PostgresBinaries
from erm_alembic.postgres.embedded.server import EmbeddedServer
from erm_alembic.postgres.scratch import CLONE_STRATEGY_SINCE
from erm_alembic.testing.options import Chosen
from erm_alembic.testing.sandbox.outer import SharedDatabase, outer_transaction
from erm_alembic.testing.sandbox.sandbox import Sandbox
from tests.support.databases import one_per_major

__all__ = ["costs", "strategies"]

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "testing.md"
MARKED = re.compile(r"(<!-- costs -->\n).*?(<!-- /costs -->)", re.DOTALL)
SHOP = ROOT / "examples" / "shop"
MEMORY = Path("/dev/shm")
UPGRADE = "`CREATE DATABASE`, `alembic upgrade head`, `DROP DATABASE`"
CREATE_ALL = "`CREATE DATABASE`, `Base.metadata.create_all`, `DROP DATABASE`"
DATABASE = "`erm_database`"
SESSION = "`erm_session`"

LONG = 200
STRATEGIES = ("wal_log", "file_copy")
# Whether a server waits for the disk, and where it is.
PLACES = (
    ("that waits for the disk", True, None),
    ("that does not", False, None),
    ("that does not, in memory", False, MEMORY),
)

Timed = Callable[[], None]
Way = TypeVar("Way")


def costs(rounds: int) -> tuple[str, str]:
    """The table of what one test costs, with the version of the server.

    Args:
        rounds: how often each is timed.
    """
    with _shop() as folder:
        rows, version = _costs(folder, "13 revisions", (UPGRADE, CREATE_ALL, DATABASE, SESSION), rounds)
    with tempfile.TemporaryDirectory(prefix="erm-bench-") as name:
        folder = write_project(Path(name, "long"), LONG, "postgresql://nobody@nowhere.invalid/")
        (folder / "erm.yaml").unlink()
        with contextlib.chdir(folder):
            rows += _costs(folder, f"{LONG} revisions", (UPGRADE, DATABASE, SESSION), max(1, rounds // 3))[0]
    return _table(("what a test has", "median", "fastest", "ratio"), rows), version


def _costs(folder: Path, size: str, names: Sequence[str], rounds: int) -> tuple[list[tuple[str, ...]], str]:
    with Sandbox(Chosen(folder), None, None, "benchmark") as sandbox:
        sandbox.make_template()
        with sandbox.database() as any_database:
            version = _version(any_database.dsn)
        shared = SharedDatabase(sandbox.database)
        ways = _ways(sandbox, shared, folder)
        found = _in_turn({name: ways[name] for name in names}, rounds)
        shared.close()
    upgrade = found[UPGRADE]
    rows: list[tuple[str, ...]] = [
        (
            f"{name}, {size}",
            f"{statistics.median(taken):.0f} ms",
            f"{min(taken):.0f} ms",
            f"{statistics.median(one / other for one, other in zip(taken, upgrade, strict=True)):.2f}",
        )
        for name, taken in found.items()
    ]
    return rows, version


def strategies(rounds: int) -> str:
    """The table of ways to copy a template, on servers of every major that has them; all of them run meanwhile.

    Args:
        rounds: how often each is timed.
    """
    with ExitStack() as stack:
        ways: dict[tuple[str, str], Timed] = {}
        shop = stack.enter_context(_shop())
        for binaries in one_per_major():
            if binaries.major >= CLONE_STRATEGY_SINCE:
                for name, durable, place in PLACES:
                    if place is None or os.access(place, os.W_OK):
                        server = stack.enter_context(_server(binaries, durable, place))
                        copies = _copies(server, shop)
                        ways |= {
                            (f"PostgreSQL {binaries.major} {name}", strategy): copies[strategy] for strategy in copies
                        }
        found = _in_turn(ways, rounds)
    names = dict.fromkeys(name for name, _ in found)
    rows = [(name, *(_both(found[name, strategy]) for strategy in STRATEGIES)) for name in names]
    return _table(("a copy and its end: median, fastest", *(f"`{strategy}`" for strategy in STRATEGIES)), rows)


def _both(taken: Sequence[float]) -> str:
    return f"{statistics.median(taken):.0f} ms, {min(taken):.0f} ms"


@contextmanager
def _server(binaries: PostgresBinaries, durable: bool, place: Path | None) -> Iterator[EmbeddedServer]:
    with tempfile.TemporaryDirectory(prefix="erm-bench-", dir=place) as folder:
        server = EmbeddedServer(Path(folder), binaries=binaries, durable=durable)
        server.ensure_running()
        try:
            yield server
        finally:
            server.reset()


def _ways(sandbox: Sandbox, shared: SharedDatabase, folder: Path) -> Mapping[str, Timed]:
    def upgraded(dsn: str) -> None:
        config = Config(str(folder / "alembic.ini"))
        config.set_main_option("sqlalchemy.url", _address(dsn).render_as_string(hide_password=False).replace("%", "%%"))
        command.upgrade(config, "head")

    def created(dsn: str) -> None:
        from shop.models import Base  # type: ignore[import-not-found]

        engine = create_engine(_address(dsn), poolclass=NullPool)
        Base.metadata.create_all(engine)

    def in_empty(make: Callable[[str], None]) -> Timed:
        def run() -> None:
            with sandbox.database(empty=True) as database:
                make(database.dsn)

        return run

    def copied() -> None:
        with sandbox.database() as database, closing(psycopg2.connect(database.dsn)):
            pass

    def rolled_back() -> None:
        with outer_transaction(shared, "psycopg2", {}) as outer:
            outer.sessionmaker().connection()

    return {UPGRADE: in_empty(upgraded), CREATE_ALL: in_empty(created), DATABASE: copied, SESSION: rolled_back}


def _copies(server: EmbeddedServer, shop: Path) -> Mapping[str, Timed]:
    with Sandbox(Chosen(shop, url=server.dsn("postgres")), None, None, "benchmark") as sandbox:
        sandbox.make_template()
    with closing(psycopg2.connect(server.dsn("postgres"))) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT datname FROM pg_database WHERE datname LIKE 'erm_shadow_template_%'")
        ((template,),) = cursor.fetchall()

    def copied(strategy: str) -> Timed:
        def run() -> None:
            with closing(psycopg2.connect(server.dsn("postgres"))) as connection:
                connection.autocommit = True
                with connection.cursor() as cursor:
                    make = "CREATE DATABASE copied TEMPLATE {} STRATEGY {}"
                    cursor.execute(sql.SQL(make).format(sql.Identifier(template), sql.Identifier(strategy)))
                    cursor.execute("DROP DATABASE copied")

        return run

    return {strategy: copied(strategy) for strategy in STRATEGIES}


def _in_turn(ways: Mapping[Way, Timed], rounds: int) -> dict[Way, list[float]]:
    """Milliseconds of each way, every other round backwards; the first round only warms up."""
    found: dict[Way, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name in list(ways) if number % 2 else reversed(list(ways)):
            started = time.perf_counter()
            ways[name]()
            if number:
                found[name].append((time.perf_counter() - started) * 1000)
    return found


@contextmanager
def _shop() -> Iterator[Path]:
    """A copy of the sample project, whose modules can be imported."""
    with tempfile.TemporaryDirectory(prefix="erm-bench-") as name:
        folder = Path(name, "shop")
        shutil.copytree(SHOP, folder, ignore=shutil.ignore_patterns(".erm", "__pycache__"))
        (folder / "erm.yaml").unlink()
        sys.path.insert(0, str(folder))
        try:
            with contextlib.chdir(folder):
                yield folder
        finally:
            sys.path.remove(str(folder))


def _address(dsn: str) -> Any:
    return DatabaseUrl.parse(dsn).sqlalchemy_url("postgresql+psycopg2")


def _version(dsn: str) -> str:
    with closing(psycopg2.connect(dsn)) as connection:
        return f"PostgreSQL {connection.info.parameter_status('server_version')}"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "".join(f"| {' | '.join(line)} |\n" for line in (heads, ["---"] * len(heads), *rows))


def main() -> None:
    """Take the figures, and print or write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--write", action="store_true", help=f"write the tables into {PAGE.name}")
    told = parser.parse_args()
    load = os.getloadavg()[0]
    table, version = costs(told.rounds)
    text = (
        f"{table}\nTaken {datetime.now(UTC):%Y-%m-%d} on {os.cpu_count()} processors with Python "
        f"{platform.python_version()} and {version}, {told.rounds} rounds; other load on the machine when it began: "
        f"{load:.1f}. The ratio is the median over the rounds.\n\n{strategies(told.rounds)}"
    )
    print(text)
    if told.write:
        PAGE.write_text(MARKED.sub(lambda match: f"{match[1]}{text}{match[2]}", PAGE.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main()
