"""ignore-without-reason: a comment that would let a finding pass and does not say why."""

from __future__ import annotations

from collections.abc import Iterator

from erm_alembic.checks.context import Check, CheckContext
from erm_alembic.findings import Finding
from erm_alembic.revisions.source.ignores import ignores_of

__all__ = ["CHECK"]

RULE = "ignore-without-reason"


def _check(context: CheckContext) -> Iterator[Finding]:
    for revision in () if context.going_down else context.revisions:
        for ignore in ignores_of(revision):
            if ignore.rules and not ignore.reason:
                named = ", ".join(ignore.rules)
                yield Finding(
                    RULE,
                    "warning",
                    f"A comment ignores {named} and does not say why: nobody can tell later whether that still holds. "
                    "Nothing is ignored without a reason.",
                    f"Write the reason behind it: `erm: ignore[{named}] REASON`.",
                    revision=revision.id,
                    path=ignore.path,
                    line=ignore.line,
                )


CHECK = Check(RULE, "warning", _check, needs="files")
