"""Drift of the history: a revision that was put before one that is applied, and that would never run."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

from erm_alembic.ledger.model import AppliedSource
from erm_alembic.planning.model import Drift
from erm_alembic.revisions.facts import RevisionFacts
from erm_alembic.revisions.source.moved import declared_parents, only_moved

__all__ = ["inserted_revisions", "without_moved"]


def inserted_revisions(
    files: Iterable[RevisionFacts],
    ledger: Mapping[str, AppliedSource],
    parents: Callable[[], Mapping[str, Sequence[str]]],
    ran: Callable[[], Collection[str]],
) -> tuple[Drift, ...]:
    """Revisions that an applied one has been made to build on, and that never ran here.

    Alembic takes what an applied revision builds on for applied.

    Args:
        files: the applied revisions' files as they are now, where they are not what was applied.
        ledger: the files as they were when they were applied.
        parents: gives what each revision of the project builds or depends on.
        ran: gives the revisions that are applied.
    """
    moved = [(file, tuple(_new_parents(file, ledger))) for file in files]
    moved = [(file, new) for file, new in moved if new]
    if not moved:
        return ()
    applied, graph = set(ran()), parents()
    found: dict[str, Drift] = {}
    for file, new in moved:
        old = set(declared_parents(ledger[file.revision].source))
        for revision in _between(new, old, graph):
            if revision not in applied and revision not in found:
                found[revision] = Drift(
                    kind="inserted-revision",
                    object=revision,
                    source="history",
                    expected=f"{file.revision} builds on {_named(old)}, as when it was applied",
                    found=f"{file.revision} builds on {_named(file.down_revisions)}; {revision} never ran here",
                    path=file.path,
                )
    return tuple(found.values())


def _new_parents(file: RevisionFacts, ledger: Mapping[str, AppliedSource]) -> Iterator[str]:
    applied = ledger.get(file.revision)
    if applied is not None:
        yield from sorted(set(file.down_revisions) - set(declared_parents(applied.source)))


def _between(new: Sequence[str], old: Collection[str], parents: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """What stands between the new place and the old one, the newest first."""
    waiting, seen = list(new), set(old)
    while waiting:
        revision = waiting.pop()
        if revision not in seen:
            seen.add(revision)
            yield revision
            waiting += parents.get(revision, ())


def _named(revisions: Iterable[str]) -> str:
    return ", ".join(sorted(revisions)) or "nothing"


def without_moved(
    edited: Iterable[Drift],
    inserted: Sequence[Drift],
    files: Iterable[RevisionFacts],
    ledger: Mapping[str, AppliedSource],
) -> tuple[Drift, ...]:
    """The edited revisions of which more was changed than the place that an inserted one is told about.

    Args:
        edited: the edited revisions.
        inserted: the inserted ones.
        files: the applied revisions' files as they are now, where they are not what was applied.
        ledger: the files as they were when they were applied.
    """
    if not inserted:
        return tuple(edited)
    paths = {drift.path for drift in inserted}
    told = {
        file.revision
        for file in files
        if file.path in paths and file.revision in ledger and only_moved(ledger[file.revision].source, file.source)
    }
    return tuple(drift for drift in edited if drift.object not in told)
