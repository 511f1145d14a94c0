"""upgrade-fails-on-rows: a way up that fails where rows stand in its tables, as the target's may."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from erm_alembic.checks.context import Check, CheckContext
from erm_alembic.checks.proofs import listed, proven_steps
from erm_alembic.findings import Finding, Severity
from erm_alembic.postgres.text.words import name_parts, written_name

if TYPE_CHECKING:
    from erm_alembic.checks.reading import ReadStatement
    from erm_alembic.planning.model import Step
    from erm_alembic.planning.rehearsal import FailureOnRows
    from erm_alembic.postgres.existing_tables import ExistingTable

__all__ = ["CHECK"]

RULE = "upgrade-fails-on-rows"
NOT_NULL_VIOLATION = "23502"
# After these it is not known whether a table still has the rows that the target has now, or is the same table.
UNSETTLING = frozenset({"rows", "truncate", "drop-table", "rename-table", "create-table"})


def _check(context: CheckContext) -> Iterator[Finding]:
    if context.going_down:
        return
    for step, proof, _ in proven_steps(context):
        failure = proof.fails_on_rows
        if failure is None or step.direction != "upgrade":
            continue
        own = [each for each in context.statements if each.step is step]
        yield _certain(context.statements, own, failure) or _possible(context, step, own, failure)


def _certain(
    statements: Sequence[ReadStatement], own: Sequence[ReadStatement], failure: FailureOnRows
) -> Finding | None:
    """The finding for a column that no row can have a value of, in a table of the target that has rows."""
    if failure.sqlstate != NOT_NULL_VIOLATION:
        return None
    unsettled: set[tuple[str, ...]] = set()
    for each in statements:
        for change in each.changes:
            table = each.table(change)
            key = change.table if table is None else table.key
            named = failure.column is None or failure.column in change.columns
            if each in own and change.needed and named and table is not None and table.rows and key not in unsettled:
                return _refused(each, table, change.columns[0], failure)
            if change.kind in UNSETTLING:
                unsettled.add(key)
    return None


def _refused(each: ReadStatement, table: ExistingTable, column: str, failure: FailureOnRows) -> Finding:
    name = written_name((column,))
    return each.finding(
        RULE,
        "error",
        f"Adding {name} to {written_name(table.key)} fails: it may not be null, nothing gives it a value, and the "
        f"table has rows, about {table.rows:,}. In the shadow: {failure.reason.rstrip('.')}.",
        f"Give {name} a server_default; or add it as nullable, fill it, and let a later revision set NOT NULL.",
    )


def _possible(context: CheckContext, step: Step, own: Sequence[ReadStatement], failure: FailureOnRows) -> Finding:
    """The finding where rows may be the end of it: only to know, where none but the plan can have written any."""
    touched = tuple(dict.fromkeys(table for each in own for table in each.touched))
    named = None if failure.table is None else context.around.table(name_parts(failure.table))
    tables = touched if named is None else (named,)
    told = listed([written_name(table.key) for table in tables], ", ")
    severity: Severity = "warning" if tables else "info"
    if not tables:
        now = "Here the plan itself makes them; where they have rows already, it may fail"
    elif all(table.rows == 0 for table in tables):
        now = f"None stand in {told} now"
    else:
        now = f"Whether those of {told} make it fail was not tried"
    cause = next((each.statement for each in own if _is_about(each, failure)), None)
    return Finding(
        RULE,
        severity,
        f"The upgrade of {step.revision} fails in the shadow on rows that were made up for its tables, and not without "
        f"them: {failure.reason.rstrip('.')}. {now}.",
        "Let the revision cope with such rows, or change them before. `--copy-data TABLE:ROWS` rehearses it on rows of "
        "the target.",
        revision=step.revision,
        path=step.path if cause is None or cause.path is None else cause.path,
        line=None if cause is None else cause.line,
    )


def _is_about(each: ReadStatement, failure: FailureOnRows) -> bool:
    """Whether a statement changes the column that the server named, or else the table."""
    if failure.table is None:
        return False
    name = name_parts(failure.table)[-1]
    about = [change for change in each.changes if change.table[-1:] == (name,)]
    return bool(about) and (failure.column is None or any(failure.column in change.columns for change in about))


CHECK = Check(RULE, "error", _check, ignorable=True, graded=True)
