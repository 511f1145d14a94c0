"""A backup is shown wherever a plan or its outcome is."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from erm_alembic.ledger.backups import LostObject, RunGuard
from erm_alembic.planning.backups import HeldBackup, PlannedBackup
from erm_alembic.planning.model import Outcome
from erm_alembic.render.backups import planned_lines
from erm_alembic.render.formats import FORMATS
from erm_alembic.render.presentation import Presentation
from tests.checks.building import plan, step

RISK = LostObject("column", "users.email", "public.users", "email", "a1", 12)
PLANNED = PlannedBackup(True, "destructive", "pg_dump", (RISK,), ("public.users",), 81920)
PLAN = replace(plan(step("ALTER TABLE users DROP COLUMN email")), backup=PLANNED)
GUARD = RunGuard("20260131T235900Z-31f1f6", "pg_dump", "/srv/backups/20260131T235900Z-31f1f6", True, 7262)


def test_the_plan_says_what_will_be_taken() -> None:
    """Method, tables, size and what is at risk, on two lines."""
    assert planned_lines(PLAN) == [
        "Backup   is taken first: pg_dump, 1 table: public.users, up to 80.0 kB",
        "         at risk: public.users.email",
    ]


@pytest.mark.parametrize("name", ["text", "markdown", "html", "json"])
def test_every_format_for_people_shows_it_before_and_after(name: str) -> None:
    """Before the run what will be taken, after it which one stands behind it."""
    (format_,) = (each for each in FORMATS if each.name == name)
    before = format_.load()(PLAN, (), None, Presentation())
    assert ("is taken first" if name != "json" else '"estimated_bytes": 81920') in before
    outcome = Outcome("done", run_id=2, current=("a1",), backup=GUARD)
    assert GUARD.id in format_.load()(PLAN, (), outcome, Presentation())


def test_a_rollback_shows_who_holds_what_its_revisions_have_lost() -> None:
    """With the command that puts it back, or with the place where a tool of the team's own has it."""
    begun = datetime(2026, 1, 31, 23, 59, tzinfo=UTC)
    held = HeldBackup(GUARD.id, "s3://vault", begun, "a1", (RISK,), "erm restore --env prod --to X --lost")
    other = replace(held, command=None)
    shown = planned_lines(replace(PLAN, backup=PlannedBackup(False, "never", "pg_dump", held=(held, other))))
    assert shown == [
        f"Backup   {GUARD.id} of 2026-01-31 23:59:00 UTC holds what applying a1 lost: public.users.email",
        "         bring it back afterwards: erm restore --env prod --to X --lost",
        f"Backup   {GUARD.id} of 2026-01-31 23:59:00 UTC holds what applying a1 lost: public.users.email",
        "         bring it back afterwards: from s3://vault",
    ]
