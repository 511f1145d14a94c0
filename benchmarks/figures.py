"""The figures: each a comparison of whole processes, with the target that it is held to and the floor beside it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from benchmarks.bench import ALEMBIC, EMPTY_INI, ERM, PLAN, PYTHON, Bench, Result, one_transaction_a_revision
from benchmarks.measure import Command
from benchmarks.pending_figures import apply_approved, apply_planned, plan_cold, plan_new, plan_warm

__all__ = ["FIGURES", "Figure"]

PARSE_ALL = "import ast, pathlib; [ast.parse(path.read_bytes()) for path in pathlib.Path().rglob('versions/*.py')]"


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
    script.write_text(one_transaction_a_revision(folder))
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


def drift(bench: Bench, number: int, options: Sequence[str] = (), *, cold: bool = False) -> Result:
    """`erm drift` of an unchanged database beside `alembic check`.

    The floor is the interpreter with the models; of the first look, which has to replay the history, what Alembic takes
    for that alone.
    """
    folder = bench.wide(number)

    def forget() -> None:
        shutil.rmtree(folder / ".erm", ignore_errors=True)

    def empty() -> None:
        bench.server.renew(f"{folder.name}_empty")

    replay = Command((*ALEMBIC, "-c", EMPTY_INI, "upgrade", "head"), folder, before=empty)
    return bench.compare(
        Command((*ERM, "drift", *options), folder, before=forget if cold else None),
        Command((*ALEMBIC, "check"), folder),
        replay if cold else Command((PYTHON, "-c", "import models"), folder),
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
            "`alembic upgrade head` from empty" if name == "-cold" else "`import models`",
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
    Figure(
        "plan-pending",
        "full plan of 5 pending of 300 revisions, 100 tables, warm",
        "`alembic check`",
        "`import models`",
        1.5,
        plan_warm,
    ),
    Figure(
        "plan-pending-new",
        "the same, a pending revision just edited",
        "`alembic check`",
        "`import models`",
        None,
        plan_new,
    ),
    Figure(
        "plan-pending-cold",
        "the same, the first, cold",
        "`alembic upgrade head` from empty",
        "`psql -f`, the same SQL",
        3.0,
        plan_cold,
    ),
    Figure(
        "apply-approved",
        "apply of the 5, `--plan FILE`",
        "apply of the 5, no shadow",
        "`alembic upgrade head`",
        None,
        apply_approved,
    ),
    Figure(
        "apply-planned",
        "apply of the 5, just planned",
        "apply of the 5, no shadow",
        "`alembic upgrade head`",
        None,
        apply_planned,
    ),
)
