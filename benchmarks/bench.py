"""The server and the projects of one run of the benchmarks, and how a comparison is made."""

from __future__ import annotations

import re
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import Command, Timing, environment, measured, median_ratio, side_by_side
from benchmarks.pending import LAST_APPLIED, write_pending_project
from benchmarks.projects import write_project
from benchmarks.server import BenchmarkServer
from benchmarks.wide import write_wide_project

__all__ = ["ALEMBIC", "EMPTY_INI", "ERM", "PLAN", "PYTHON", "Bench", "Result", "one_transaction_a_revision"]

PYTHON = sys.executable
ERM = (PYTHON, "-m", "erm_alembic")
ALEMBIC = (PYTHON, "-m", "alembic")
# Another configuration of a project, for a database without anything in it.
EMPTY_INI = "empty.ini"
PLAN = (*ERM, "migrate", "--mode", "plan")


@dataclass(frozen=True)
class Result:
    """What a comparison gave: medians, in seconds and bytes, and the median of the ratios of each round."""

    erm: float
    alembic: float
    floor: float
    ratio: float
    floor_ratio: float
    erm_memory: int
    alembic_memory: int


class Bench:
    """The server and the projects of one run of the benchmarks.

    Args:
        folder: where the projects are written.
        server: where their databases are.
        rounds: how often each comparison is made.
    """

    def __init__(self, folder: Path, server: BenchmarkServer, rounds: int) -> None:
        self.folder, self.server, self.rounds = folder, server, rounds

    def project(self, number: int, *, body: str = "table") -> Path:
        """A project of so many revisions with an empty database; the same one each time."""
        name = f"p{number}_{body}"
        folder = self.folder / name
        if not folder.exists():
            self.server.renew(name)
            write_project(folder, number, self.server.sqlalchemy_url(name), body=body)
        return folder

    def applied(self, number: int, *, body: str = "table") -> Path:
        """The same, applied by erm: its database is up to date, and its ledger full."""
        folder = self.project(number, body=body)
        measured(Command((*ERM, "migrate"), folder))
        return folder

    def wide(self, number: int) -> Path:
        """A project of so many tables and their models, with a database at its heads; the same one each time.

        EMPTY_INI leads to another database, which is made before it is used.
        """
        name = f"wide{number}"
        folder = self.folder / name
        if not folder.exists():
            self.server.renew(name)
            write_wide_project(folder, number, self.server.sqlalchemy_url(name))
            ini, empty = (folder / "alembic.ini").read_text(), self.server.sqlalchemy_url(f"{name}_empty")
            line = f"sqlalchemy.url = {empty}".replace("%", "%%")
            (folder / EMPTY_INI).write_text(re.sub(r"^sqlalchemy\.url = .*$", lambda _: line, ini, flags=re.MULTILINE))
            measured(Command((*ALEMBIC, "upgrade", "head"), folder))
        return folder

    def pending(self) -> Path:
        """A project of 300 revisions and 100 tables whose last five are pending; the same one each time.

        Beside its database stand `pending_head`, which has all of them (head.ini), `pending_empty` (empty.ini), which
        is emptied before it is used, and `pending_before`, a copy of its database as it is now.
        """
        folder = self.folder / "pending"
        if not folder.exists():
            further = ("head", "empty")
            for name in ("pending", *(f"pending_{each}" for each in further)):
                self.server.renew(name)
            addresses = [(f"{each}.ini", self.server.sqlalchemy_url(f"pending_{each}")) for each in further]
            write_pending_project(folder, self.server.sqlalchemy_url("pending"), addresses)
            measured(Command((*ALEMBIC, "-c", "head.ini", "upgrade", "head"), folder))
            measured(Command((*ERM, "migrate", "--env", "staging", "--to", LAST_APPLIED), folder))
            self.server.renew("pending_before", "pending")
        return folder

    def compare(self, erm: Command, alembic: Command, floor: Command, rounds: int | None = None) -> Result:
        """Run the three in turn."""
        found = side_by_side({"erm": erm, "alembic": alembic, "floor": floor}, rounds or self.rounds)
        return Result(
            erm=_median(found["erm"]),
            alembic=_median(found["alembic"]),
            floor=_median(found["floor"]),
            ratio=median_ratio(found, "erm", "alembic"),
            floor_ratio=median_ratio(found, "floor", "alembic"),
            erm_memory=max(timing.memory for timing in found["erm"]),
            alembic_memory=max(timing.memory for timing in found["alembic"]),
        )


def _median(timings: list[Timing]) -> float:
    return statistics.median(timing.wall for timing in timings)


def one_transaction_a_revision(folder: Path) -> str:
    """What `alembic upgrade head --sql` prints, with a transaction for each revision."""
    done = subprocess.run(
        [*ALEMBIC, "upgrade", "head", "--sql"],
        cwd=folder,
        env=environment(),
        check=True,
        capture_output=True,
        text=True,
    )
    return re.sub(r"^-- Running upgrade", "COMMIT;\nBEGIN;\n-- Running upgrade", done.stdout, flags=re.MULTILINE)
