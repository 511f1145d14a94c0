"""Drift of the history: what the database says was run, against the revision files that are here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from erm_alembic.ledger.model import AppliedSource
from erm_alembic.planning.model import Drift
from erm_alembic.revisions.facts import RevisionFacts
from erm_alembic.revisions.source.same_code import same_code

__all__ = ["edited_revisions", "lost_versions", "missing_revisions"]


def missing_revisions(unknown: Iterable[str], ledger: Mapping[str, AppliedSource]) -> tuple[Drift, ...]:
    """Recorded revisions whose file is gone.

    Args:
        unknown: revisions in Alembic's version table that no file declares.
        ledger: the files as they were when they were applied.
    """
    return tuple(
        Drift(
            kind="missing-revision",
            object=revision,
            source="history",
            expected=f"a file that declares revision {revision!r}",
            found="no such file",
            path=ledger[revision].path if revision in ledger else None,
        )
        for revision in unknown
    )


def edited_revisions(files: Iterable[RevisionFacts], ledger: Mapping[str, AppliedSource]) -> tuple[Drift, ...]:
    """Applied revisions whose code changed afterwards; a formatter's run or a comment is no change.

    Args:
        files: the applied revisions' files as they are now.
        ledger: the files as they were when they were applied.
    """
    found = []
    for file in files:
        applied = ledger.get(file.revision)
        if applied is None or applied.source_hash == file.source_hash or same_code(applied.source, file.source):
            continue
        found.append(
            Drift(
                kind="edited-revision",
                object=file.revision,
                source="history",
                expected=f"the code that was applied (SHA-256 {applied.source_hash[:12]})",
                found=f"other code (SHA-256 {file.source_hash[:12]})",
                path=file.path,
            )
        )
    return tuple(found)


def lost_versions(lost: Sequence[str], parents: Mapping[str, Sequence[str]]) -> tuple[Drift, ...]:
    """What a database that records no revision should record.

    Args:
        lost: the revisions that the ledger saw applied and not taken back.
        parents: what each revision of the project builds or depends on.
    """
    if not lost:
        return ()
    below = {parent for revision in lost for parent in parents.get(revision, ())}
    tips = ", ".join(revision for revision in lost if revision not in below)
    return (
        Drift(
            kind="lost-version",
            object=tips,
            source="history",
            expected=f"{tips} recorded in Alembic's version table",
            found="no revision recorded",
        ),
    )
