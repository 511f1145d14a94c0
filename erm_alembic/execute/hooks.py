"""Where a run lets the team's own commands speak: before and after it, each of its revisions, and its failure.

What a command is and how it is run is not known here: `Hooks` is the seam, and erm_alembic/hooks stands above it.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

import psycopg2

from erm_alembic.errors import ErmError
from erm_alembic.ledger.hooks import HookRecord
from erm_alembic.ledger.store import Ledger
from erm_alembic.planning.model import Outcome, Plan, Step, StepOutcome
from erm_alembic.postgres.signals import SignalWatch

__all__ = ["Event", "HookFailed", "Hooks", "NoHooks", "Occasion", "RunHooks"]

Event = Literal["before_run", "after_run", "before_revision", "after_revision", "on_failure"]

LAST_LINES = 5


@dataclass(frozen=True)
class Occasion:
    """What the commands of one event are told.

    Args:
        event: which one.
        run_id: the run's number in the ledger.
        plan: the whole plan.
        step: the revision that it is about; None for an event about the run.
        outcome: how the run, or that revision, ended; None before it.
    """

    event: Event
    run_id: int
    plan: Plan
    step: Step | None = None
    outcome: Outcome | None = None


class Hooks(Protocol):
    """The commands that a team wants to be run."""

    def run(
        self, occasion: Occasion, tell: Callable[[str], None], signalled: Callable[[], bool]
    ) -> Iterator[HookRecord]:
        """Run the commands of an event one after the other; each is yielded when it has ended.

        Args:
            occasion: the event, and what the commands are told.
            tell: told what they write, line by line.
            signalled: asked again and again whether erm was sent a signal; then the one under way is ended.
        """


class NoHooks:
    """No commands at all.

    Example:
        >>> plan = Plan("dev", "postgresql://localhost/app", "15.18", "upgrade", (), (), ())
        >>> list(NoHooks().run(Occasion("before_run", 1, plan), print, lambda: False))
        []
    """

    def run(
        self, occasion: Occasion, tell: Callable[[str], None], signalled: Callable[[], bool]
    ) -> Iterator[HookRecord]:
        """Run nothing."""
        return iter(())


class HookFailed(Exception):
    """A command of `before_run` or `before_revision` did not succeed: the run goes no further."""


class RunHooks:
    """The hooks of one run: what a failure means, and where their output is kept.

    Args:
        hooks: runs the commands.
        plan: the plan of the run.
        run_id: the run's number.
        ledger: keeps what they said.
        watch: tells of signals; while a command runs they are noted only, and end that command first.
        tell: told what they write, and what is to be known of their ending.
    """

    def __init__(
        self,
        hooks: Hooks,
        plan: Plan,
        run_id: int,
        ledger: Ledger,
        watch: SignalWatch,
        tell: Callable[[str], None],
    ) -> None:
        self._hooks, self._plan, self._run_id = hooks, plan, run_id
        self._ledger, self._watch, self._tell = ledger, watch, tell
        self._began = False
        self._cut_short = False
        self.refusal: HookFailed | None = None

    def before_run(self) -> None:
        """Something is pending, and nothing was changed yet.

        Raises:
            HookFailed: a command objects.
            Stopped: a signal arrived meanwhile.
        """
        self._began = True
        self._before(Occasion("before_run", self._run_id, self._plan))

    def before_revision(self, step: Step) -> None:
        """A revision is next.

        Raises:
            HookFailed: a command objects.
            Stopped: a signal arrived meanwhile.
        """
        self._before(Occasion("before_revision", self._run_id, self._plan, step))

    def after_revision(self, step: Step, ended: StepOutcome, current: tuple[str, ...]) -> None:
        """A revision was tried.

        Raises:
            Stopped: a signal arrived meanwhile, and the run was still to go on.
        """
        result: Literal["done", "failed"] = "done" if ended.outcome == "done" else "failed"
        outcome = Outcome(result, self._run_id, (ended,), current, ended.duration_ms, ended.error)
        self._after(Occasion("after_revision", self._run_id, self._plan, step, outcome))
        if result == "done":
            self._watch.check()

    def after_run(self, outcome: Outcome) -> None:
        """The run ended: a failure is told in any case, `after_run` only where `before_run` came before it."""
        if outcome.result != "done":
            self._after(Occasion("on_failure", self._run_id, self._plan, outcome=outcome))
        if self._began:
            self._after(Occasion("after_run", self._run_id, self._plan, outcome=outcome))

    def _before(self, occasion: Occasion) -> None:
        failed: HookRecord | None = None
        with self._watch.held():
            for ended in self._run(occasion):
                if ended.outcome != "done":
                    failed = ended
                    break
        self._watch.check()
        if failed is not None:
            self.refusal = HookFailed(_objection(failed))
            raise self.refusal

    def _after(self, occasion: Occasion) -> None:
        with self._watch.held():
            for ended in self._run(occasion) if not self._cut_short else ():
                if ended.outcome == "interrupted":
                    self._cut_short = True  # whoever sends another signal wants none of the rest either
                    self._tell(f"Warning: {_words(ended)}.")
                    break
                if ended.outcome != "done":
                    self._tell(f"Warning: {_words(ended)}; how the run ended stays as it is.")

    def _run(self, occasion: Occasion) -> Iterator[HookRecord]:
        signals = self._watch.count
        for ended in self._hooks.run(occasion, self._tell, lambda: self._watch.count > signals):
            self._keep(ended)
            yield ended

    def _keep(self, ended: HookRecord) -> None:
        try:
            self._ledger.add_hook(self._run_id, ended)
        except (ErmError, psycopg2.Error):
            self._tell(f"What hook {ended.event} wrote could not be kept in the ledger.")


def _words(ended: HookRecord) -> str:
    return f"hook {ended.event}: `{ended.command}` {_ending(ended)}"


def _ending(ended: HookRecord) -> str:
    match ended.outcome:
        case "not started":
            return f"cannot be started: {ended.output}"
        case "timed out":
            return "took longer than hooks.timeout and was ended"
        case "interrupted":
            return "was ended by a signal to erm"
    status = ended.exit_status or 0
    if status >= 0:
        return f"failed with exit status {status}"
    try:
        return f"was ended by {signal.Signals(-status).name}"
    except ValueError:
        return f"was ended by signal {-status}"


def _objection(ended: HookRecord) -> str:
    """What the run says when a command stops it: the command, its ending, its last lines."""
    lines = [] if ended.outcome == "not started" else [line for line in ended.output.splitlines() if line.strip()]
    return "\n".join([_words(ended), *(f"  | {line}" for line in lines[-LAST_LINES:])])
