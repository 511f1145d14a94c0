"""missing-revision: the database records a revision whose file is gone."""

from __future__ import annotations

from collections.abc import Iterator

from erm_alembic.checks.context import Check, CheckContext
from erm_alembic.findings import Finding
from erm_alembic.revisions.source.squashed import SQUASHED

__all__ = ["CHECK"]

RULE = "missing-revision"


def _check(context: CheckContext) -> Iterator[Finding]:
    for drift in context.drift:
        if drift.kind == RULE and drift.found.startswith(SQUASHED):
            into = drift.found.removeprefix(SQUASHED).strip()
            yield Finding(
                RULE,
                "error",
                f"Revision {drift.object} was applied to this database, and `erm squash` has made {into} of it and "
                "others since: a part of that is here, and a part is not.",
                f"Bring the database to {into} first, with the files that are kept in the folder squashed/{into}, or "
                "with a commit from before the squash.",
                revision=drift.object,
                path=drift.path,
            )
        elif drift.kind == RULE:
            yield Finding(
                RULE,
                "error",
                f"Revision {drift.object} was applied to this database, but no file of the project declares it: "
                "neither what it did nor how to take it back is known here.",
                "Check out the branch that has the file, or write it back from the ledger: "
                f"`erm history restore {drift.object}{context.env_option}`.",
                revision=drift.object,
                path=drift.path,
            )


CHECK = Check(RULE, "error", _check)
