"""What `erm migrate` does with approved plans: its options, what contradicts what, and keeping one."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from erm_alembic.cli import console
from erm_alembic.cli.options import out_option, refused

if TYPE_CHECKING:
    from erm_alembic.planning.model import Plan

__all__ = ["ApprovePartialOption", "PlanFiles", "PlanOption", "PlanOutOption", "SignKeyOption"]

PlanOutOption = Annotated[Path | None, out_option("Keep the plan there, to have it approved; run nothing.")]

PlanOption = Annotated[
    Path | None,
    typer.Option("--plan", metavar="FILE", help="Run this approved plan, or nothing where it does not fit."),
]
ApprovePartialOption = Annotated[
    list[str] | None,
    typer.Option(
        "--approve-partial", metavar="REV", help="With --out: keep it although statements of REV depend on data."
    ),
]
SignKeyOption = Annotated[
    str | None,
    typer.Option(
        "--sign-key", metavar="KEY", help="With --out: sign it, with a PEM file, or file:, cmd:, ${VAR} as in erm.yaml."
    ),
]


@dataclass(frozen=True)
class PlanFiles:
    """What the command line says of approved plans.

    Args:
        out: where a plan is to be kept.
        plan: the approved plan to run.
        approve_partial: the revisions whose statements depend on data.
        sign_key: the key that signs it.
    """

    out: Path | None = None
    plan: Path | None = None
    approve_partial: tuple[str, ...] = ()
    sign_key: str | None = None

    def with_plan(self, plan: Plan) -> tuple[str, ...]:
        """What stands in the command that follows a plan: the file that it is kept in, or is to be kept in.

        Args:
            plan: the plan that was shown.
        """
        if self.plan is not None:
            return ("--plan", str(self.plan))
        if self.out is None:
            return ()
        if not plan.blocked:
            return ("--plan", str(self.out))
        partial = tuple(word for revision in self.approve_partial for word in ("--approve-partial", revision))
        return ("--out", str(self.out), *partial, *self._signed())

    def _signed(self) -> tuple[str, ...]:
        # A key that was typed as it is stays with whoever typed it.
        return () if self.sign_key is None else ("--sign-key", self.sign_key)

    def check(self, mode: str, *, only_plans: bool, told_by_plan: dict[str, bool]) -> None:
        """Refuse options that contradict each other.

        Args:
            mode: `plan`, `apply` or `rollback`.
            only_plans: whether nothing is to be run.
            told_by_plan: the options that an approved plan stands for, each with whether it was given.

        Raises:
            UsageError: they do.
        """
        if self.out is not None and self.plan is not None:
            raise refused("--out keeps a plan and --plan runs one.", "Give one of them.")
        if self.out is not None and mode == "apply":
            raise refused(
                "--out keeps a plan and apply runs it.", f"erm migrate --mode plan --out {shlex.quote(str(self.out))}"
            )
        for option, given in (("--approve-partial", self.approve_partial), ("--sign-key", self.sign_key is not None)):
            if given and self.out is None:
                raise refused(f"{option} is for a plan that is kept.", "Add --out FILE.")
        if self.plan is None:
            return
        if only_plans:
            raise refused(
                "--plan names a plan to run, and this command runs nothing.",
                f"erm migrate --plan {shlex.quote(str(self.plan))}",
            )
        for option, is_given in told_by_plan.items():
            if is_given:
                raise refused(
                    f"{option} beside --plan: what is run, and what may pass, stands in the approved plan.",
                    f"Leave out {option}, or give it together with --out when the plan is made.",
                )

    def opened_key(self) -> Any:
        """The key that signs, read before anything is planned; None for a plan that is not signed.

        Raises:
            UsageError: the plan cannot be kept where it is to be kept.
            ConfigurationError: the key cannot be had.
        """
        if self.out is None:
            return None
        from erm_alembic.approvals import check_place

        check_place(self.out)
        if self.sign_key is None:
            return None
        from erm_alembic.planning.signing import private_key

        return private_key(self.sign_key)

    def shown(self, plan: Plan) -> Plan:
        """The plan as it is to be shown: with what `keep` will refuse it for, where it is to be kept.

        Args:
            plan: the plan.
        """
        if self.out is None:
            return plan
        from erm_alembic.approvals import with_refusal

        return with_refusal(plan, self.approve_partial)

    def keep(self, plan: Plan, key: Any) -> None:
        """Keep the plan, where that is asked for, and say so.

        Args:
            plan: the plan.
            key: what `opened_key` has read.
        """
        if self.out is None:
            return
        from erm_alembic.approvals import keep_plan

        digest = keep_plan(plan, self.out, approve_partial=self.approve_partial, sign_key=key)
        console.note(f"The plan is kept in {self.out}{'' if key is None else ', signed'}: digest {digest}")
        basis = plan.basis
        if basis is not None and basis.role != basis.read_as:
            console.note(f"It is to be run as {basis.role}: {basis.read_as}, who planned, may not deploy here.")
