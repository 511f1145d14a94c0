"""several-heads: the revision files end in more than one place."""

from __future__ import annotations

from collections.abc import Iterator

from erm_alembic.checks.context import Check, CheckContext
from erm_alembic.findings import Finding
from erm_alembic.revisions.source.files import heads_of

__all__ = ["CHECK"]

RULE = "several-heads"


def _check(context: CheckContext) -> Iterator[Finding]:
    heads = context.plan.heads if context.plan is not None else heads_of(context.revisions)
    if len(heads) > 1:
        yield Finding(
            RULE,
            "warning",
            f"The revisions end in {len(heads)} heads ({', '.join(heads)}): two branches may each have been tried "
            "without the other, and `alembic upgrade head` does not know which one is meant.",
            f'Join them: `alembic merge -m "Merge branches" {" ".join(heads)}`. Where the branches are kept apart '
            "on purpose, set `safety: {rules: {several-heads: off}}` in erm.yaml.",
        )


CHECK = Check(RULE, "warning", _check, needs="project")
