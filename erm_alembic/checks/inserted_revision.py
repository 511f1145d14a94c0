"""inserted-revision: a revision stands before one that is applied, and would never run."""

from __future__ import annotations

from collections.abc import Iterator

from erm_alembic.checks.context import Check, CheckContext
from erm_alembic.findings import Finding

__all__ = ["CHECK"]

RULE = "inserted-revision"


def _check(context: CheckContext) -> Iterator[Finding]:
    for drift in context.drift:
        if drift.kind == RULE:
            yield Finding(
                RULE,
                "error",
                f"Revision {drift.object} was put before one that is applied to this database, and never ran here: "
                f"Alembic takes it for applied, and passes it over for good. Found: {drift.found}.",
                f"Let the applied revision build on what it built on before, and {drift.object} on the newest revision "
                "(`down_revision` in their files).",
                revision=drift.object,
                path=drift.path,
            )


CHECK = Check(RULE, "error", _check)
