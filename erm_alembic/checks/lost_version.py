"""lost-version: the database records no revision, although it has what the ledger saw applied."""

from __future__ import annotations

from collections.abc import Iterator

from erm_alembic.checks.context import Check, CheckContext
from erm_alembic.findings import Finding

__all__ = ["CHECK"]

RULE = "lost-version"


def _check(context: CheckContext) -> Iterator[Finding]:
    for drift in context.drift:
        if drift.kind == RULE:
            yield Finding(
                RULE,
                "error",
                f"The database records no revision, but {drift.object} was applied to it and not taken back, and its "
                "tables are there: Alembic's version table was emptied or dropped, or env.py looks for it elsewhere. "
                "Apply would begin again from the first revision.",
                f"Put the record back: `alembic stamp {drift.object.replace(', ', ' ')}`. Where the database is meant "
                "to begin anew, `--override lost-version --reason TEXT` lets it.",
            )


CHECK = Check(RULE, "error", _check)
