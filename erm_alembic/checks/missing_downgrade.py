"""missing-downgrade: a revision that cannot be rolled back and does not say so."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from erm_alembic.checks.context import Check, CheckContext
from erm_alembic.findings import Finding
from erm_alembic.revisions.source.files import RevisionFile

__all__ = ["CHECK", "exempted"]

RULE = "missing-downgrade"
HELP = (
    "Fill `downgrade()` with what takes `upgrade()` back, or declare why there is no way back: "
    '`irreversible = "reason"` at the top level of the file.'
)
SQL_HELP = (
    "Write into {script} what takes the revision back, or declare there why there is no way back: "
    "`-- erm: irreversible REASON`."
)
ADOPT = (
    " To adopt a project with such a history, exempt it: `safety: {{downgrades_since: {quote}{revision}{quote}}}` in "
    "erm.yaml."
)
# While a rollback waits for it, neither a declaration nor an exemption takes anything back.
BACK_HELP = (
    "Fill `downgrade()` with what takes `upgrade()` back, or go forward with a new revision that repairs what it did."
)
SQL_BACK_HELP = (
    "Write into {script} what takes the revision back, or go forward with a new revision that repairs what it did."
)


def _violating(context: CheckContext) -> Iterator[RevisionFile]:
    for revision in context.revisions:
        if revision.report.state in ("missing", "empty"):
            yield revision


def exempted(context: CheckContext) -> int:
    """How many revisions have no down script and are let pass by `safety.downgrades_since`.

    Example:
        >>> exempted(CheckContext())
        0
    """
    return sum(1 for revision in _violating(context) if revision.id in context.exempt)


def _reason(revision: RevisionFile) -> str:
    contains = revision.report.contains
    if revision.report.state == "missing":
        return f"the file has {contains}"
    # "contains only `pass`", but "is a generator".
    verb = "is" if contains.startswith(("a ", "an ", "`")) else "contains"
    return f"its downgrade {verb} {contains}"


def _help(context: CheckContext, revision: RevisionFile) -> str:
    script = revision.report.script
    if context.plan is not None and context.plan.direction == "downgrade":
        return (SQL_BACK_HELP if script else BACK_HELP).format(script=script)
    quote = "'" if script else ""
    return ((SQL_HELP if script else HELP) + ADOPT).format(revision=revision.id, script=script, quote=quote)


def _check(context: CheckContext) -> Iterator[Finding]:
    for revision in _violating(context):
        if revision.id in context.exempt:
            continue
        script = revision.report.script
        yield Finding(
            RULE,
            "error",
            f"Revision {revision.id} cannot be rolled back: {_reason(revision)}.",
            _help(context, revision),
            revision=revision.id,
            path=str(PurePosixPath(revision.path).with_name(script))
            if script and revision.report.state == "empty"
            else revision.path,
            line=revision.report.line,
        )


CHECK = Check(RULE, "error", _check, needs="files")
