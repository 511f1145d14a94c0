"""Drift of the history: what the database says was run, against the revision files that are here."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from erm_alembic.drift.inserted import inserted_revisions, without_moved
from erm_alembic.ledger.model import AppliedSource
from erm_alembic.ledger.still_applied import still_applied
from erm_alembic.ledger.store import open_ledger
from erm_alembic.planning.model import Drift
from erm_alembic.revisions.chain import squashed_into
from erm_alembic.revisions.facts import RevisionFacts
from erm_alembic.revisions.source.same_code import same_code
from erm_alembic.revisions.source.squashed import SQUASHED

if TYPE_CHECKING:
    from erm_alembic.planning.build import Survey
    from erm_alembic.target import Target

__all__ = ["history_drift"]


def history_drift(target: Target, survey: Survey) -> tuple[Drift, ...]:
    """What the database says was run, against the revision files that are here.

    Args:
        target: the database; its ledger is asked only where a revision was moved.
        survey: what was read of both.
    """
    return (
        *_missing(survey),
        *_lost(survey.lost, survey.parents() if survey.lost else {}),
        *_changed(target, survey),
    )


def _changed(target: Target, survey: Survey) -> tuple[Drift, ...]:
    """What was changed of the applied revisions: what was put before them, and their code."""

    def ran() -> Collection[str]:
        with open_ledger(target) as ledger:
            return still_applied(ledger.runs())

    files, sources = survey.applied, survey.ledger
    inserted = inserted_revisions(files, sources, survey.parents, ran)
    return (*inserted, *without_moved(_edited(files, sources), inserted, files, sources))


def _missing(survey: Survey) -> tuple[Drift, ...]:
    """Recorded revisions whose file is gone."""
    ledger = survey.ledger
    into = {revision: squashed_into(survey.scripts, revision) for revision in survey.unknown}
    return tuple(
        Drift(
            kind="missing-revision",
            object=revision,
            source="history",
            expected=f"a file that declares revision {revision!r}",
            found="no such file" if into[revision] is None else f"{SQUASHED} {into[revision]}",
            path=ledger[revision].path if revision in ledger else None,
        )
        for revision in survey.unknown
    )


def _edited(files: Iterable[RevisionFacts], ledger: Mapping[str, AppliedSource]) -> tuple[Drift, ...]:
    """Applied revisions whose code changed afterwards; a formatter's run or a comment is no change."""
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


def _lost(lost: Sequence[str], parents: Mapping[str, Sequence[str]]) -> tuple[Drift, ...]:
    """What a database that records no revision should record."""
    if not lost:
        return ()
    # Those that were squashed since are in the one that was made of them.
    lost = [revision for revision in lost if revision in parents] or lost
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
