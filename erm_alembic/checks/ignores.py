"""What comments in revisions let pass: `# erm: ignore[rule] reason`, counted and never silent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from erm_alembic.checks.rules import is_ignorable
from erm_alembic.findings import Finding, Ignored
from erm_alembic.revisions.source.files import RevisionFile
from erm_alembic.revisions.source.ignores import Ignore, ignores_of

__all__ = ["without_ignored"]


def without_ignored(
    findings: Iterable[Finding], revisions: Sequence[RevisionFile]
) -> tuple[tuple[Finding, ...], tuple[Ignored, ...]]:
    """Part what is to be said from what a comment with a reason lets pass.

    Args:
        findings: what the checks say.
        revisions: the revision files that they are about.

    Returns:
        The findings that stay, and those that are ignored.

    Example:
        >>> without_ignored([Finding("several-heads", "warning", "Two heads.")], [])[1]
        ()
    """
    kept: list[Finding] = []
    ignored: list[Ignored] = []
    sources = {revision.id: revision for revision in revisions}
    read: dict[str, tuple[Ignore, ...]] = {}
    for finding in findings:
        revision = sources.get(finding.revision or "")
        if revision is None or not is_ignorable(finding.rule):
            kept.append(finding)
            continue
        ignores = read.setdefault(revision.id, ignores_of(revision))
        reason = next((each.reason for each in ignores if each.reason and _covers(each, finding, revision)), None)
        if reason is None:
            kept.append(finding)
        else:
            ignored.append(Ignored(finding.rule, reason, finding.revision, finding.path, finding.line))
    return tuple(kept), tuple(ignored)


def _covers(ignore: Ignore, finding: Finding, revision: RevisionFile) -> bool:
    return ignore.path == (finding.path or revision.path) and ignore.covers(finding.rule, finding.line)
