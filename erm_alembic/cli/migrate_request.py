"""What the command line of `erm migrate` asks for, and which of its options contradict each other."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from erm_alembic.cli.options import refused, typed_again
from erm_alembic.cli.plan_files import PlanFiles
from erm_alembic.cli.report_files import ReportFiles

if TYPE_CHECKING:
    from erm_alembic.config.settings import Settings
    from erm_alembic.planning.model import Plan

__all__ = ["Mode", "Request", "check_combination"]


class Mode(StrEnum):
    """What `erm migrate` does."""

    plan = "plan"
    apply = "apply"
    rollback = "rollback"


@dataclass(frozen=True)
class Request:
    """What the command line asks for, as it was typed."""

    mode: Mode
    env: str | None
    config: Path | None
    to: str | None
    steps: int | None
    wait: str | None
    check: bool
    sql: bool
    format: str
    allow_data_loss: bool
    override: tuple[str, ...]
    reason: tuple[str, ...]
    accept_environment: bool
    rehearse: bool | None
    copy_data: tuple[str, ...]
    x: tuple[str, ...]
    name: str
    tag: str | None
    verbose: bool
    files: PlanFiles
    reports: ReportFiles

    @property
    def only_plans(self) -> bool:
        """Whether nothing is to be run: `--mode plan`, or a rollback that is only looked at, or kept."""
        return self.mode is Mode.plan or self.check or self.sql or self.files.out is not None

    def typed_again(self, plan: Plan) -> tuple[str, ...]:
        """What the next command must repeat to be about the same plan; the profile is repeated anyway."""
        file = self.files.with_plan(plan)
        options = {"--to": self.to, "--steps": self.steps, "--wait": self.wait}
        if "--plan" in file:
            options = {"--wait": self.wait}
        given = [(name, str(value)) for name, value in options.items() if value is not None]
        flags = ("--accept-environment",) if self.accept_environment else ()
        if self.rehearse is not None and (self.files.out is None or plan.blocked):
            flags = (*flags, "--rehearse" if self.rehearse else "--no-rehearse")
        reached = typed_again(self.config, self.x, self.name, self.tag)
        return (*(word for pair in given for word in pair), *file, *reached, *flags)

    def settings(self) -> Settings:
        """What is in force, read again for what a plan does not have."""
        from erm_alembic.config.loader import load_settings

        return load_settings(self.env, self.config, require_url=False)

    @property
    def looked_again(self) -> tuple[str, ...]:
        """What besides belongs into a command that looks at the same plan again, and into none that runs it."""
        check = ("--check",) if self.check and self.mode is Mode.plan else ()
        return (*check, *(word for sample in self.copy_data for word in ("--copy-data", sample)))


def check_combination(request: Request) -> None:
    """Refuse options that contradict each other, before anything is connected to.

    Raises:
        UsageError: they do.
    """
    mode = request.mode
    for option, value in (("--to", request.to), ("--env", request.env)):
        if value is not None and not value.strip():
            # A variable that is not set in a CI job must not mean "all of it" or "dev".
            raise refused(f"{option} is empty.", f"Give {option} a value, or leave it out.")
    if request.copy_data and (mode is not Mode.plan or request.sql or request.rehearse is False):
        raise refused("--copy-data is for a plan that is rehearsed.", "erm migrate --mode plan --copy-data TABLE:ROWS")
    if mode is Mode.apply and request.sql:
        raise refused("--sql prints a script and apply runs the plan.", "erm migrate --mode plan --sql")
    if mode is Mode.apply and request.check:
        raise refused("--check looks without touching and apply runs the plan.", "erm migrate --mode plan --check")
    if request.steps is not None and mode is not Mode.rollback:
        raise refused(
            f"--steps counts revisions to roll back; {mode.value} goes up to a revision.",
            f"erm migrate --mode {mode.value} --to REV",
        )
    if request.steps is not None and request.steps < 1:
        raise refused(f"--steps {request.steps} rolls back nothing.", "Give a number from 1 upwards.")
    if request.steps is not None and request.to is not None:
        raise refused("--steps and --to both say how far to roll back.", "Give one of them.")
    if request.sql and request.format != "text":
        shown = "JSON" if request.format == "json" else "a report"
        raise refused(f"--sql prints SQL and --format {request.format} prints {shown}.", "Give one of them.")
    if request.sql and request.check:
        raise refused("--sql prints a script and --check only exits with a code.", "Give one of them.")
    if request.allow_data_loss and mode is not Mode.rollback:
        raise refused(f"--allow-data-loss is for a rollback, not for {mode.value}.", "Leave it out.")
    told_by_plan = {
        "--to": request.to is not None,
        "--steps": request.steps is not None,
        "--override": bool(request.override),
        "--allow-data-loss": request.allow_data_loss,
    }
    request.files.check(mode.value, only_plans=request.only_plans, told_by_plan=told_by_plan)
    request.reports.check((request.files.out, request.files.plan, request.config))
    if request.only_plans:
        _check_unused(request)
    if request.reason and not request.override and not request.allow_data_loss:
        raise refused("--reason says why a rule is overridden, and none is.", "Add --override RULE.")
    if request.override and not request.reason:
        raise refused("--override needs --reason TEXT.", "Say why the rule may pass: it is kept in the ledger.")
    # With --allow-data-loss, the reason after those of the overrides is its own.
    if len(request.reason) not in (1, len(request.override), len(request.override) + request.allow_data_loss):
        raise refused(
            f"{len(request.override)} times --override and {len(request.reason)} times --reason.",
            "Give one --reason for all of them, or one for each: --override RULE --reason TEXT",
        )
    if any(not reason.strip() for reason in request.reason):
        raise refused("--reason is empty.", "Say why the rule may pass: it is kept in the ledger.")


def _check_unused(request: Request) -> None:
    """Refuse what has an effect on a run only, when nothing is to be run."""
    kept = request.files.out is not None  # with what may pass once it is approved
    given = {
        "--override": bool(request.override) and not kept,
        "--wait": request.wait is not None,
        "--allow-data-loss": request.allow_data_loss and not kept,
    }
    for option, is_given in given.items():
        if is_given:
            raise refused(
                f"{option} has an effect on apply and rollback only, and this command runs nothing.",
                f"Leave out {option}.",
            )
