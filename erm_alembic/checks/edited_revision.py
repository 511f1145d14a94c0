"""edited-revision: the code of a revision changed after it was applied."""

from __future__ import annotations

from collections.abc import Iterator

from erm_alembic.checks.context import Check, CheckContext
from erm_alembic.findings import Finding

__all__ = ["CHECK"]

RULE = "edited-revision"


def _check(context: CheckContext) -> Iterator[Finding]:
    for drift in context.drift:
        if drift.kind == RULE:
            yield Finding(
                RULE,
                "error",
                f"The code of revision {drift.object} changed after it was applied to this database: the database "
                "has what the old code did, a new database would get what the new code does.",
                "Take the edit back and put the change into a new revision (`erm new NAME`). "
                "Comments and formatting may change freely.",
                revision=drift.object,
                path=drift.path,
            )


CHECK = Check(RULE, "error", _check)
