"""What a check may look at, and what a check is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from erm_alembic.config.env_option import env_option
from erm_alembic.findings import Finding, Severity
from erm_alembic.planning.surroundings import Surroundings

if TYPE_CHECKING:
    from erm_alembic.checks.reading import ReadStatement
    from erm_alembic.config.settings import Settings
    from erm_alembic.planning.model import Drift, Plan
    from erm_alembic.revisions.source.files import RevisionFile

__all__ = ["Check", "CheckContext", "Needs"]

Needs = Literal["plan", "files", "project"]


@dataclass(frozen=True)
class CheckContext:
    """Everything that is known when the checks run; what is not known is empty.

    Args:
        plan: the plan to object to; None without a database.
        revisions: the revision files to look at, read as text: those that would run, or every one of the project.
        settings: what is in force; None without configuration.
        exempt: ids of the revisions that `safety.downgrades_since` exempts.
        around: what the target has where the plan's statements act.

    Example:
        >>> CheckContext().drift
        ()
    """

    plan: Plan | None = None
    revisions: tuple[RevisionFile, ...] = ()
    settings: Settings | None = None
    exempt: frozenset[str] = frozenset()
    around: Surroundings = field(default_factory=Surroundings)

    @cached_property
    def statements(self) -> tuple[ReadStatement, ...]:
        """What the plan's statements do, where that has been read: once for all the checks."""
        if self.plan is None or not self.plan.steps:
            return ()
        from erm_alembic.checks.reading import read_plan

        return read_plan(self.plan, self.around)

    @property
    def going_down(self) -> bool:
        """Whether the plan takes revisions back: how they could have been written better is no help then."""
        return self.plan is not None and self.plan.direction == "downgrade"

    @property
    def drift(self) -> tuple[Drift, ...]:
        """Differences between the recorded history and the files."""
        return self.plan.drift if self.plan is not None else ()

    @property
    def env_option(self) -> str:
        """What a command that is named as a cure ends with, so that it goes to the plan's database too."""
        return "" if self.plan is None else env_option(self.plan.environment)


@dataclass(frozen=True)
class Check:
    """One rule: its id is also its file, its test, its docs page and its key in `safety.rules`.

    Args:
        rule: the id.
        severity: how loud it is where `safety.rules` says nothing.
        run: looks at the context and yields what it objects to, with that severity.
        needs: what it looks at: a `plan`, which takes a target; the `files` of the revisions, each by itself; or the
            `project`, all of its files and its configuration.
        ignorable: whether a comment in the file that a finding is about may let it pass.
        graded: whether its findings have severities of their own, which `safety.rules` only lowers.
    """

    rule: str
    severity: Severity
    run: Callable[[CheckContext], Iterable[Finding]]
    needs: Needs = "plan"
    ignorable: bool = False
    graded: bool = False
