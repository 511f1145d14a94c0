"""data-loss: what a rollback would lose, from the counts on the live database."""

from __future__ import annotations

import pytest

from erm_alembic.checks import CheckContext, run_checks
from erm_alembic.checks.data_loss import CHECK
from erm_alembic.planning.model import DataLoss, Plan, Step
from erm_alembic.planning.rehearsal import Proof


def _context(*losses: DataLoss) -> CheckContext:
    return CheckContext(
        plan=Plan("prod", "postgresql://db", "15.18", "downgrade", ("a",), ("a",), (), data_loss=losses)
    )


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (DataLoss("table", "public.orders", 1, "a", 3), "Dropping table public.orders loses 1 row."),
        (
            DataLoss("table", "orders", None, "a"),
            "Dropping table orders loses its rows; how many could not be counted.",
        ),
        (DataLoss("column", "orders.note", 12, "a"), "Dropping column orders.note loses 12 values."),
        (
            DataLoss("column", "orders.note", None, "a"),
            "Dropping column orders.note loses its values; how many could not be counted.",
        ),
        (DataLoss("rows", "orders", 2, "a"), "Deleting from orders loses 2 rows."),
        (DataLoss("rows", "orders", None, "a"), "Deleting from orders loses rows; how many could not be counted."),
        (
            DataLoss("proven", "public.users.email", 7, "a"),
            "Its downgrade loses values of public.users.email, as its proof shows: 7 at most.",
        ),
        (
            DataLoss("proven", "public.users.email", None, "a"),
            "Its downgrade loses values of public.users.email, as its proof shows; how many could not be counted.",
        ),
        (
            DataLoss("statement", "DO $$...$$", None, "a"),
            "What `DO $$...$$ ...` removes cannot be read from its text: rows may be lost.",
        ),
    ],
)
def test_what_exists_or_may_exist_is_an_error(loss: DataLoss, message: str) -> None:
    """Each kind of loss says what is lost and how much."""
    (finding,) = run_checks(_context(loss), {}, (CHECK,))
    assert (finding.severity, finding.message) == ("error", message)
    assert "--allow-data-loss" in finding.help


def test_what_is_empty_cannot_be_lost() -> None:
    """No row and no value: no word."""
    assert run_checks(_context(DataLoss("table", "orders", 0, "a")), {}, (CHECK,)) == ()


def test_a_proof_that_found_every_value_again_is_told() -> None:
    """A drop of what the downgrade has taken to another table stays an error, and tells what its proof has seen."""
    loss = DataLoss("table", "archive", 213, "a")
    step = Step("a", (), "", "", "downgrade", "ok", proof=Proof("same", "lossless"))
    plan = Plan("prod", "postgresql://db", "15.18", "downgrade", ("a",), ("a",), (step,), data_loss=(loss,))
    (finding,) = run_checks(CheckContext(plan=plan), {}, (CHECK,))
    assert (finding.severity, finding.help) == (
        "error",
        "In its proof every value stood elsewhere after the downgrade. Make sure that it will here, too, then say so: "
        "--allow-data-loss.",
    )
