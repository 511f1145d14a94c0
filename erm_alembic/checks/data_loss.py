"""data-loss: a rollback would lose rows or values that exist on the live database."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from erm_alembic.checks.context import Check, CheckContext
from erm_alembic.findings import Finding
from erm_alembic.planning.model import DataLoss

__all__ = ["CHECK", "loss_in_words"]

RULE = "data-loss"
HELP = "Back it up first. When it may be lost, say so: --allow-data-loss."
# That holds for the rows of a shadow: whether it does for those of the database, nobody has seen.
ELSEWHERE = (
    "In its proof every value stood elsewhere after the downgrade. Make sure that it will here, too, then say so: "
    "--allow-data-loss."
)


def _check(context: CheckContext) -> Iterator[Finding]:
    if context.plan is None:
        return
    proofs = ((step.revision, step.proof) for step in context.plan.steps)
    lossless = {revision for revision, proof in proofs if proof is not None and proof.data == "lossless"}
    for loss in context.plan.data_loss:
        if loss.rows == 0:
            continue
        yield Finding(
            RULE,
            "error",
            loss_in_words(loss),
            ELSEWHERE if loss.revision in lossless and loss.kind != "statement" else HELP,
            revision=loss.revision,
            line=loss.line,
        )


def loss_in_words(loss: DataLoss) -> str:
    """What is lost, in a sentence.

    Args:
        loss: the loss.

    Example:
        >>> loss_in_words(DataLoss("table", "orders", 3, "4f2a", now="public.purchases"))
        'Dropping table orders (now public.purchases) loses 3 rows.'
    """
    if loss.now is not None:
        return _said(replace(loss, object=f"{loss.object} (now {loss.now})"))
    return _said(loss)


def _said(loss: DataLoss) -> str:
    match loss:
        case DataLoss(kind="statement"):
            return f"What `{loss.object} ...` removes cannot be read from its text: rows may be lost."
        case DataLoss(kind="table", rows=None):
            return f"Dropping table {loss.object} loses its rows; how many could not be counted."
        case DataLoss(kind="table"):
            return f"Dropping table {loss.object} loses {loss.rows} row{_s(loss)}."
        case DataLoss(kind="column", rows=None):
            return f"Dropping column {loss.object} loses its values; how many could not be counted."
        case DataLoss(kind="column"):
            return f"Dropping column {loss.object} loses {loss.rows} value{_s(loss)}."
        case DataLoss(kind="rewrite", rows=None):
            return f"Changing the type of {loss.object} may lose its values; how many could not be counted."
        case DataLoss(kind="rewrite"):
            return f"Changing the type of {loss.object} loses {loss.rows} value{_s(loss)}."
        case DataLoss(kind="proven", rows=None):
            return f"Its downgrade loses values of {loss.object}, as its proof shows; how many could not be counted."
        case DataLoss(kind="proven"):
            return f"Its downgrade loses values of {loss.object}, as its proof shows: {loss.rows} at most."
        case DataLoss(rows=None):
            return f"Deleting from {loss.object} loses rows; how many could not be counted."
        case _:
            return f"Deleting from {loss.object} loses {loss.rows} row{_s(loss)}."


def _s(loss: DataLoss) -> str:
    return "" if loss.rows == 1 else "s"


CHECK = Check(RULE, "error", _check)
