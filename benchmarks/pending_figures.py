"""Figures about five pending revisions: the full plan of them, and their apply once it is planned."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable
from pathlib import Path

from benchmarks.bench import ALEMBIC, ERM, PLAN, PYTHON, Bench, Result, one_transaction_a_revision
from benchmarks.measure import Command, measured
from benchmarks.pending import LAST_APPLIED

__all__ = ["apply_approved", "apply_planned", "plan_cold", "plan_new", "plan_warm"]

STAGING = ("--env", "staging")
APPLY = (*ERM, "migrate", *STAGING)
APPROVED = "approved.json"


def plan_warm(bench: Bench) -> Result:
    """The full plan when the same was planned before, beside `alembic check` of a database that has all of it."""
    return _beside_check(bench, bench.pending(), None)


def plan_new(bench: Bench) -> Result:
    """The same when a pending revision was edited since: its history is known, the rehearsal and the proof are not."""
    folder, numbers = bench.pending(), itertools.count()
    revision = next((folder / "migrations" / "versions").glob(f"{int(LAST_APPLIED, 16) + 1:012x}_*.py"))
    text = revision.read_text()

    def edit() -> None:
        revision.write_text(f"{text}\n\n# Edited {next(numbers)}.\n")

    try:
        return _beside_check(bench, folder, edit)
    finally:
        revision.write_text(text)


def _beside_check(bench: Bench, folder: Path, before: Callable[[], None] | None) -> Result:
    return bench.compare(
        Command((*PLAN, *STAGING), folder, before=before),
        Command((*ALEMBIC, "-c", "head.ini", "check"), folder),
        Command((PYTHON, "-c", "import models"), folder),
    )


def plan_cold(bench: Bench) -> Result:
    """The full plan without anything that an earlier one has left, beside `alembic upgrade head` from empty."""
    folder = bench.pending()
    script = folder / "upgrade.sql"
    script.write_text(one_transaction_a_revision(folder))
    psql = bench.server.binaries.bin_dir / "psql"
    send = (psql, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", script, bench.server.url("pending_empty"))

    def forget() -> None:
        shutil.rmtree(folder / ".erm", ignore_errors=True)

    def empty() -> None:
        bench.server.renew("pending_empty")

    return bench.compare(
        Command((*PLAN, *STAGING), folder, before=forget),
        Command((*ALEMBIC, "-c", "empty.ini", "upgrade", "head"), folder, before=empty),
        Command(send, folder, before=empty),
        rounds=max(1, bench.rounds // 3),
    )


def apply_approved(bench: Bench) -> Result:
    """`--plan FILE` beside an apply that nobody has planned and that uses no shadow.

    In it: the plan is made again and compared with the approved one, the fingerprint of the catalog is read before and
    under the lock, and each statement is compared; neither drift nor the rehearsal is looked at again.
    """
    return _applied(bench, ("--out", APPROVED), ("--plan", APPROVED))


def apply_planned(bench: Bench) -> Result:
    """An apply right after a plan, beside one that uses no shadow.

    In it: the plan is made again, and what the shadow showed of it is known by what both were made of.
    """
    return _applied(bench, (), ())


def _applied(bench: Bench, planned: tuple[str, ...], applied: tuple[str, ...]) -> Result:
    folder = bench.pending()

    def before() -> None:
        bench.server.renew("pending", "pending_before")

    def plan() -> None:
        before()
        measured(Command((*PLAN, *STAGING, *planned), folder))

    try:
        return bench.compare(
            Command((*APPLY, *applied), folder, before=plan),
            Command(APPLY, folder, before=before, environment={"ERM_NO_SHADOW": "1"}),
            Command((*ALEMBIC, "upgrade", "head"), folder, before=before),
        )
    finally:
        before()
