"""Target x revisions -> plan: what is pending, with its statements; a value, nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from erm_alembic.ledger.model import AppliedSource
from erm_alembic.ledger.progress import HalfDone
from erm_alembic.ledger.store import open_ledger
from erm_alembic.planning.half_done import described, still_half_done, with_done_marked
from erm_alembic.planning.model import Plan, Statement
from erm_alembic.planning.record import record_revisions, without_statements
from erm_alembic.planning.request import Request
from erm_alembic.revisions.facts import RevisionFacts, read_facts
from erm_alembic.revisions.graph import applied_revisions, known_revisions, script_of, unknown_revisions
from erm_alembic.revisions.project import AlembicProject
from erm_alembic.revisions.steps import PendingRevision, pending_downgrades, pending_upgrades
from erm_alembic.target import Target

if TYPE_CHECKING:
    from erm_alembic.revisions.graph import ScriptDirectory

__all__ = ["Survey", "build_plan", "choose_pending"]


@dataclass(frozen=True)
class Survey:
    """A plan without its findings, and what the checks and the drift need besides it.

    Args:
        plan: the plan.
        pending: the facts of the files that would run.
        applied: the facts of the files that the database says were run.
        unknown: recorded revisions that no file declares.
        ledger: the applied files as they were when they were applied.
        request: what was asked for.
        scripts: the revision graph that the plan was made from.
    """

    plan: Plan
    pending: tuple[RevisionFacts, ...]
    applied: tuple[RevisionFacts, ...]
    unknown: tuple[str, ...]
    ledger: dict[str, AppliedSource]
    request: Request
    scripts: ScriptDirectory


@dataclass
class _Surveyor:
    """Chooses what is pending once env.py has told what the database records."""

    project: AlembicProject
    scripts: ScriptDirectory
    request: Request
    ledger: dict[str, AppliedSource]
    order: dict[str, int]
    half_done: tuple[HalfDone, ...] = ()
    unknown: tuple[str, ...] = ()
    pending: tuple[PendingRevision, ...] = ()
    applied: tuple[RevisionFacts, ...] = ()

    def __call__(self, current: Sequence[str]) -> Sequence[PendingRevision]:
        """What to record: nothing where the history is unknown or the way down does not exist."""
        self.unknown = unknown_revisions(self.scripts, current)
        if self.unknown:
            return ()
        done = applied_revisions(self.scripts, current)
        self.half_done = still_half_done(self.half_done, done)
        self.applied = tuple(
            read_facts(self.project, script_of(self.scripts, revision))
            for revision in sorted(done & self.ledger.keys())
        )
        self.pending = tuple(choose_pending(self.project, self.scripts, self.request, current, self.order))
        return () if self.without_way_down() else self.pending

    def half_done_files(self) -> dict[str, RevisionFacts]:
        """The files of the half-done revisions, by revision id; one whose file is gone is missing."""
        if not self.half_done:
            return {}
        present = {each.revision for each in self.half_done} & known_revisions(self.scripts)
        return {revision: read_facts(self.project, script_of(self.scripts, revision)) for revision in present}

    def without_way_down(self) -> tuple[str, ...]:
        """Revisions that are to be taken back and whose files have nothing that could be run for it."""
        return tuple(each.facts.revision for each in self.pending if each.step is None)

    def cannot_run(self) -> str | None:
        """Why nothing can be run; None when it can."""
        if self.unknown:
            return (
                f"the database records {_named(self.unknown)}, which no file of the project declares; write it back "
                f"with `erm history restore {self.unknown[0]}`, or check out the branch that has it"
            )
        if missing := self.without_way_down():
            return f"{_named(missing)} has no downgrade() to run; add one"
        return None


def _named(revisions: tuple[str, ...]) -> str:
    return f"revision {', '.join(revisions)}"


def choose_pending(
    project: AlembicProject,
    scripts: ScriptDirectory,
    request: Request,
    current: Sequence[str],
    order: Mapping[str, int],
) -> list[PendingRevision]:
    """What is pending for a request, from the revisions that the database records.

    Args:
        project: the Alembic project.
        scripts: its revision graph.
        request: what the user asks for.
        current: the recorded revisions, all of them known.
        order: a number a revision that grows with the time at which it was last applied.

    Raises:
        UsageError: the requested revision does not exist or cannot be reached.
    """
    if request.direction == "upgrade":
        return pending_upgrades(project, scripts, current, request.to or "heads")
    return pending_downgrades(project, scripts, current, to=request.to, count=request.count, applied_order=order.get)


def build_plan(target: Target, project: AlembicProject, request: Request) -> Survey:
    """Compute what would be done to the target; nothing is written and no lock is taken that blocks anyone.

    Args:
        target: the database.
        project: the Alembic project.
        request: what the user asks for.

    Raises:
        ProjectError: the project cannot be read, or a revision fails by itself.
        UsageError: the requested revision does not exist.
        TargetError: the database cannot be reached.
    """
    with open_ledger(target) as ledger:
        sources, order, half_done = ledger.applied_sources(), ledger.applied_order(), ledger.half_done()
    with project.entered():
        config = project.config()
        scripts = project.scripts(config)
        surveyor = _Surveyor(project, scripts, request, sources, order, half_done)
        recorded = record_revisions(target, project, scripts, config, surveyor, request)
        heads = tuple(sorted(scripts.get_heads()))
        files = surveyor.half_done_files()
    steps = tuple(recorded.steps) or tuple(without_statements(each, request.direction) for each in surveyor.pending)
    steps = with_done_marked(steps, surveyor.half_done)
    sent: dict[tuple[str, str], tuple[Statement, ...]] = {
        (step.revision, step.direction): step.statements for step in steps
    }
    plan = Plan(
        environment=target.settings.environment,
        database_url=target.redacted,
        server_version=target.server_version,
        direction=request.direction,
        current=tuple(sorted(recorded.current)),
        heads=heads,
        steps=steps,
        version_statements=tuple(recorded.version_statements),
        script_start=recorded.script_start,
        cannot_run=surveyor.cannot_run(),
        half_done=tuple(
            described(each, files, sent.get((each.revision, each.direction), ())) for each in surveyor.half_done
        ),
        data_loss=recorded.data_loss,
    )
    facts = tuple(each.facts for each in surveyor.pending)
    return Survey(plan, facts, surveyor.applied, surveyor.unknown, sources, request, scripts)
