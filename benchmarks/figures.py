"""The figures: each a comparison of whole processes, with the target that it is held to and the floor beside it."""

from __future__ import annotations

import re
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.measure import Command, Timing, environment, measured, median_ratio, side_by_side
from benchmarks.projects import write_project
from benchmarks.server import BenchmarkServer
from benchmarks.wide import write_wide_project

__all__ = ["FIGURES", "Bench", "Figure", "Result"]

PYTHON = sys.executable
ERM = (PYTHON, "-m", "erm_alembic")
ALEMBIC = (PYTHON, "-m", "alembic")
PLAN = (*ERM, "migrate", "--mode", "plan")
PARSE_ALL = "import ast, pathlib; [ast.parse(path.read_bytes()) for path in pathlib.Path().rglob('versions/*.py')]"


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
        """A project of so many tables and their models, with a database at its heads; the same one each time."""
        name = f"wide{number}"
        folder = self.folder / name
        if not folder.exists():
            self.server.renew(name)
            write_wide_project(folder, number, self.server.sqlalchemy_url(name))
            measured(Command((*ALEMBIC, "upgrade", "head"), folder))
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


def plan(bench: Bench, number: int) -> Result:
    """A plan of an up-to-date database beside `alembic current`; the floor is `alembic current` with one revision."""
    folder, one = bench.applied(number), bench.applied(1)
    current = (*ALEMBIC, "current")
    return bench.compare(Command(PLAN, folder), Command(current, folder), Command(current, one))


def help_text(bench: Bench) -> Result:
    """`--help` of both; the floor is Python itself."""
    folder = bench.project(1)
    return bench.compare(
        Command((*ERM, "--help"), folder),
        Command((*ALEMBIC, "--help"), folder),
        Command((PYTHON, "-c", "pass"), folder),
    )


def check_downgrades(bench: Bench, number: int) -> Result:
    """`erm check downgrades` beside `alembic heads`; the floor is Python parsing the files."""
    folder = bench.project(number)
    return bench.compare(
        Command((*ERM, "check", "downgrades"), folder),
        Command((*ALEMBIC, "heads"), folder),
        Command((PYTHON, "-c", PARSE_ALL), folder),
    )


def apply(bench: Bench, number: int) -> Result:
    """An apply to an empty database beside `alembic upgrade head`; the floor is psql sending the same statements."""
    folder = bench.project(number)
    name = folder.name
    script = folder / "upgrade.sql"
    script.write_text(_one_transaction_a_revision(folder))
    psql = bench.server.binaries.bin_dir / "psql"
    send = (psql, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", script, bench.server.url(name))

    def empty() -> None:
        bench.server.renew(name)

    return bench.compare(
        Command((*ERM, "migrate"), folder, before=empty),
        Command((*ALEMBIC, "upgrade", "head"), folder, before=empty),
        Command(send, folder, before=empty),
        rounds=max(1, bench.rounds // 3),
    )


def _one_transaction_a_revision(folder: Path) -> str:
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


def drift(bench: Bench, number: int, options: Sequence[str] = (), *, cold: bool = False) -> Result:
    """`erm drift` of an unchanged database beside `alembic check`; the floor is the interpreter with the models."""
    folder = bench.wide(number)

    def forget() -> None:
        shutil.rmtree(folder / ".erm", ignore_errors=True)

    return bench.compare(
        Command((*ERM, "drift", *options), folder, before=forget if cold else None),
        Command((*ALEMBIC, "check"), folder),
        Command((PYTHON, "-c", "import models"), folder),
        rounds=max(1, bench.rounds // 3),
    )


@dataclass(frozen=True)
class Figure:
    """One row of the table.

    Args:
        name: what is typed after `--only`.
        erm: the command of erm, as it is shown.
        alembic: what it is compared with.
        floor: what the floor is.
        at_most: the target, as a multiple of Alembic's time; None where there is none.
        measure: takes it.
    """

    name: str
    erm: str
    alembic: str
    floor: str
    at_most: float | None
    measure: Callable[[Bench], Result]


FIGURES = (
    Figure("help", "`erm --help`", "`alembic --help`", "`python -c pass`", 0.5, help_text),
    Figure(
        "plan-1000",
        "plan, up to date, 1,000 revisions",
        "`alembic current`",
        "`alembic current`, 1 revision",
        0.9,
        lambda bench: plan(bench, 1000),
    ),
    Figure(
        "plan-5000",
        "plan, up to date, 5,000 revisions",
        "`alembic current`",
        "`alembic current`, 1 revision",
        0.25,
        lambda bench: plan(bench, 5000),
    ),
    Figure(
        "check-1000",
        "`erm check downgrades`, 1,000 revisions",
        "`alembic heads`",
        "`ast.parse` of the files",
        None,
        lambda bench: check_downgrades(bench, 1000),
    ),
    Figure(
        "apply-1000",
        "apply of 1,000 one-table revisions",
        "`alembic upgrade head`",
        "`psql -f`, the same SQL",
        1.0,
        lambda bench: apply(bench, 1000),
    ),
    *(
        Figure(
            f"drift-{number}{name}",
            f"`erm drift{shown}`, {number:,} tables",
            "`alembic check`",
            "`import models`",
            at_most,
            partial(drift, number=number, options=options, cold=name == "-cold"),
        )
        for number, all_three, database in ((500, 0.45, 0.2), (2000, 0.3, 0.1))
        for name, shown, options, at_most in (
            ("", "", (), all_three),
            ("-database", " --source database", ("--source", "database"), database),
            ("-cold", " (the first, cold)", (), 1.2),
        )
    ),
)
